# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""RateLimit: which images of a camera are processed under parameter max_rate."""

from __future__ import annotations

import math

JITTER = 0.1
"""Share of the interval by which an image may come early, since cameras do not tick exactly: at
10 Hz, each third image of a camera with 30 Hz is to be taken, not each fourth."""


class RateLimit:
    """Takes an image where at least an interval has passed since the one taken before.

    Single images may come up to `JITTER` early. On average no more than the rate are taken.
    """

    def __init__(self) -> None:
        """Take the first image, whenever it comes."""
        self._due_s = self._last_s = -math.inf

    def admits(self, now_s: float, max_rate: float) -> bool:
        """Return whether an image that arrives now is to be processed.

        Args:
            now_s: Its arrival by a steady clock, in seconds.
            max_rate: Largest number of images per second; 0 for no limit.
        """
        if max_rate <= 0.0:
            self._due_s = self._last_s = -math.inf
            return True
        interval_s = 1.0 / max_rate
        # A limit that was raised since makes the next image due earlier.
        self._due_s = min(self._due_s, self._last_s + interval_s)
        if now_s < self._due_s:
            return False
        self._due_s = max(self._due_s + interval_s, now_s + (1.0 - JITTER) * interval_s)
        self._last_s = now_s
        return True
