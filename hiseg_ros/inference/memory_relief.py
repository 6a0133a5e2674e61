# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What to ask of a device that ran out of memory: fewer images at once, then smaller ones."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

FIRST_WAIT_S = 10.0
"""Until the step before is tried again; doubled each time that it still does not fit."""

LONGEST_WAIT_S = 300.0


class MemoryRelief:
    """Goes down step by step where memory is short, and up again once it suffices.

    The steps: all images at hand as one batch, half as many, and so on down to one; one image at a
    lower resolution. Used by one thread.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Start without limits.

        Args:
            now: A steady clock in seconds.
        """
        self._now = now
        self._most: int | None = None
        self._top = 0
        self._is_reduced = False
        self._wait_s = FIRST_WAIT_S
        self._try_at_s = math.inf

    @property
    def text(self) -> str:
        """What is limited and why, for people; '' where nothing is."""
        cause = 'the device has too little memory, so'
        if self._is_reduced:
            return f'{cause} images run one by one at three quarters of their resolution'
        if self._most is not None:
            return f'{cause} at most {self._most} of {self._top} images run at once'
        return ''

    def limit(self, count: int) -> tuple[int, bool]:
        """Return how many of so many images to run at once, and whether at lower resolution.

        Now and then that is one step more than is known to fit.
        """
        is_due = self._now() >= self._try_at_s
        if self._is_reduced:
            return 1, not is_due
        if self._most is None:
            return count, False
        return min(count, 2 * self._most if is_due else self._most), False

    def worked(self, count: int, is_reduced: bool) -> None:
        """Note that so many images fitted."""
        if self._is_reduced and not is_reduced:
            self._is_reduced = False
        elif self._most is not None and count > self._most:
            self._most = count
        else:
            return
        self._wait_s, self._try_at_s = FIRST_WAIT_S, self._now() + FIRST_WAIT_S
        if self._most is None or self._most >= self._top:
            self._most, self._try_at_s = None, math.inf

    def failed(self, count: int, is_reduced: bool, can_reduce: bool) -> bool:
        """Note that so many images did not fit.

        Args:
            count: How many ran at once.
            is_reduced: Whether they ran at lower resolution.
            can_reduce: Whether the engine can do that.

        Returns:
            False where no smaller step is left.
        """
        was_tried = (self._is_reduced and not is_reduced) or (
            self._most is not None and count > self._most
        )
        if was_tried:
            self._wait_s = min(2 * self._wait_s, LONGEST_WAIT_S)
        self._try_at_s = self._now() + self._wait_s
        if was_tried:
            return True
        if self._most is None:
            self._top = count
        if count > 1:
            self._most = count // 2
            return True
        if is_reduced or not can_reduce:
            return False
        self._most, self._is_reduced = 1, True
        return True
