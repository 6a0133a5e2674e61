# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Slots between executor and worker thread: one per camera, which keeps the newest frame."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar('K', bound=Hashable)
T = TypeVar('T')


class FrameSlots(Generic[K, T]):
    """Holds at most one frame of each source.

    A queue would serve old frames first and grow the latency by its length; a robot needs what
    its cameras see now. Where fewer frames are taken than wait, the sources that were served
    longest ago come first, so a fast camera takes no turn from a slow one.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Create empty, open slots.

        Args:
            now: A steady clock in seconds.
        """
        self._now = now
        self._condition = threading.Condition()
        self._waiting: dict[K, tuple[float, T]] = {}
        self._served: dict[K, int] = {}
        self._takes = 0
        self._awaited: set[K] = set()
        self._in_work = False
        self._paused = False
        self._closed = False

    def put(self, source: K, frame: T) -> T | None:
        """Store a source's newest frame in place of the one that waits.

        Returns:
            The source's earlier frame, if it was still waiting, or None; the frame itself where
            the slots are paused or closed.
        """
        with self._condition:
            if self._paused or self._closed:
                return frame
            since, pushed_out = self._waiting.get(source, (self._now(), None))
            self._waiting[source] = (since, frame)
            self._awaited.add(source)
            self._condition.notify_all()
            return pushed_out

    def take(
        self,
        most: int = 1,
        *,
        gather_s: float = 0.0,
        timeout_s: float | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> list[tuple[K, T]]:
        """Wait for a frame and take it, with those of other sources.

        Args:
            most: Largest number of frames.
            gather_s: How long a frame waits for those of other sources, counted from its arrival.
                A source that let others wait in vain is not waited for until it delivers again,
                so a dead camera costs this once.
            timeout_s: How long to wait for the first frame; None waits forever.
            cancelled: Ends the wait once it returns true and `wake` was called.

        Returns:
            Sources and frames, longest unserved first; none where the slots were closed, the wait
            was cancelled or timed out.
        """
        with self._condition:

            def is_over() -> bool:
                return self._closed or cancelled()

            self._condition.wait_for(lambda: is_over() or bool(self._waiting), timeout_s)
            if most > 1 and gather_s > 0.0 and self._waiting:
                self._gather(most, gather_s, is_over)
            if is_over():
                return []
            self._takes += 1
            order = sorted(self._waiting, key=lambda source: self._served.get(source, 0))
            taken = [(source, self._waiting.pop(source)[1]) for source in order[:most]]
            for source, _ in taken:
                self._served[source] = self._takes
            self._in_work = bool(taken)
            return taken

    @property
    def is_waiting(self) -> bool:
        """Whether a frame waits to be taken."""
        with self._condition:
            return bool(self._waiting)

    def done(self) -> None:
        """Note that the work on the frames taken last has ended."""
        with self._condition:
            self._in_work = False
            self._condition.notify_all()

    def wait_done(self) -> None:
        """Wait until no frame is in work."""
        with self._condition:
            self._condition.wait_for(lambda: not self._in_work)

    def _gather(self, most: int, gather_s: float, is_over: Callable[[], bool]) -> None:
        deadline = min(since for since, _ in self._waiting.values()) + gather_s
        remaining_s = deadline - self._now()
        if remaining_s <= 0.0:
            return

        def is_complete() -> bool:
            waiting = self._waiting.keys()
            return is_over() or len(waiting) >= most or self._awaited <= waiting

        if not self._condition.wait_for(is_complete, remaining_s):
            self._awaited &= self._waiting.keys()

    def pause(self) -> list[tuple[K, T]]:
        """Refuse frames until `resume`; remove those that wait and return them."""
        with self._condition:
            self._paused = True
            return self._emptied()

    def resume(self) -> None:
        """Accept frames again."""
        with self._condition:
            self._paused = False

    def clear(self) -> list[tuple[K, T]]:
        """Remove the waiting frames and return them."""
        with self._condition:
            return self._emptied()

    def _emptied(self) -> list[tuple[K, T]]:
        forgotten = [(source, frame) for source, (_, frame) in self._waiting.items()]
        self._waiting.clear()
        self._awaited.clear()
        return forgotten

    def wake(self) -> None:
        """Let a waiting `take` check again whether it was cancelled."""
        with self._condition:
            self._condition.notify_all()

    def close(self) -> list[tuple[K, T]]:
        """End every `take`, now and later, and return the frames that were waiting."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
        return self.clear()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        with self._condition:
            return self._closed
