# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A thread that publishes one frame's results while the next frame is in the network."""

from __future__ import annotations

import threading
from collections.abc import Callable


class PublishThread:
    """Runs one job at a time beside its caller, in the order in which they come.

    At most one job is under way, so results wait for no more than the one before them. The thread
    begins with the first job; jobs must not raise.
    """

    def __init__(self) -> None:
        """Start nothing yet."""
        self._condition = threading.Condition()
        self._job: Callable[[], None] | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def run_beside(self, job: Callable[[], None]) -> None:
        """Let the thread run a job once the one before it has ended, for which this waits.

        Raises:
            RuntimeError: It is closed.
        """
        self.wait_idle()
        if self._closed:
            raise RuntimeError('PublishThread is closed; expected an open one.')
        with self._condition:
            self._job = job
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._work, name='hiseg_publishing', daemon=True
                )
                self._thread.start()
            self._condition.notify_all()

    def wait_idle(self, timeout_s: float | None = None) -> bool:
        """Wait until no job is under way; False where it took longer."""
        with self._condition:
            return self._condition.wait_for(lambda: self._job is None, timeout_s)

    def close(self, timeout_s: float | None = None) -> bool:
        """End the thread after its job; False where that took longer, it then ends later."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
        if self._thread is None:
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._closed or self._job is not None)
                job = self._job
            if job is None:
                return
            try:
                job()
            finally:
                # The job keeps its frame's arrays alive: none of it may stay behind.
                del job
                with self._condition:
                    self._job = None
                    self._condition.notify_all()
