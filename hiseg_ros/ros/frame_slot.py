# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A mailbox for one frame between the executor thread and the worker: the newest frame wins."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar('T')


class FrameSlot(Generic[T]):
    """Holds at most one frame; a frame that is overwritten before it was taken is a drop.

    A queue would serve old frames first and grow the latency by its length; a robot wants what
    the camera sees now.
    """

    def __init__(self) -> None:
        """Make an empty, open slot."""
        self._condition = threading.Condition()
        self._item: T | None = None
        self._closed = False
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """Frames overwritten by newer ones since the slot was made."""
        with self._condition:
            return self._dropped

    def put(self, item: T) -> bool:
        """Leave a frame for the worker; return whether it pushed out one that nobody took.

        A frame put into a closed slot is discarded and is no drop.
        """
        with self._condition:
            if self._closed:
                return False
            replaced = self._item is not None
            self._dropped += replaced
            self._item = item
            self._condition.notify()
            return replaced

    def take(self, timeout_s: float | None = None) -> T | None:
        """Wait for a frame and take it out.

        Returns:
            The frame, or None when the slot was closed or the time is over.
        """
        with self._condition:
            self._condition.wait_for(
                lambda: self._closed or self._item is not None, timeout=timeout_s
            )
            item, self._item = self._item, None
            return None if self._closed else item

    def clear(self) -> None:
        """Forget a waiting frame; it does not count as dropped."""
        with self._condition:
            self._item = None

    def close(self) -> None:
        """Wake the worker for good: from now on `take` returns None."""
        with self._condition:
            self._closed = True
            self._item = None
            self._condition.notify_all()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        with self._condition:
            return self._closed
