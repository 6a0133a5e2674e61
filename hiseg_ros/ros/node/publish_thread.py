# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The publish thread: publishes one frame's results while the next frame is in the network."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any

from hiseg_ros.ros.node.thread_errors import OnError, report_error


class PublishThread:
    """Runs one job at a time beside its caller, in the order in which they come.

    At most one job is under way, so results wait for no more than the one before them. The thread
    starts with the first job.
    """

    def __init__(self, on_error: OnError) -> None:
        """Start nothing yet.

        Args:
            on_error: Called in the publish thread with what a job raised; later jobs still run.
        """
        self._on_error = on_error
        self._condition = threading.Condition()
        self._job: tuple[Callable[[], None], ExitStack] | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def run_beside(
        self, job: Callable[[], None], held: AbstractContextManager[Any] | None = None
    ) -> None:
        """Let the thread run a job once the one before it has ended, for which this waits.

        Args:
            job: Called in the publish thread.
            held: Entered now, in the caller's thread, and left once the job has ended or was
                refused: a frame's receipt, so that no moment passes in which nobody holds it.

        Raises:
            RuntimeError: The publish thread is closed, or cannot start.
        """
        self.wait_idle()
        with ExitStack() as stack, self._condition:
            stack.enter_context(held or nullcontext())
            if self._closed:
                raise RuntimeError('The publish thread is closed; expected an open one.')
            if self._thread is None:
                thread = threading.Thread(target=self._run, name='hiseg_publishing', daemon=True)
                thread.start()
                self._thread = thread
            self._job = (job, stack.pop_all())
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

    def _run(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._closed or self._job is not None)
                if self._job is None:
                    return
                job, held = self._job
            try:
                with held:
                    job()
            except BaseException as error:  # otherwise the thread would die silently
                report_error(error, self._on_error, 'publishing')
            finally:
                # The job keeps its frame's arrays alive: none of it may stay behind.
                del job, held
                with self._condition:
                    self._job = None
                    self._condition.notify_all()
