# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The rate at which a camera sends images, those included that were lost on their way."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

WINDOW = 31
"""Arrivals that are looked at."""

WINDOW_S = 4.0
"""Older arrivals are not looked at, except the last two."""

LEAST_SPAN_S = 0.2
"""Arrivals within less say nothing, unless the window is full of them: after a pause of the node
or the network, two images that were sent long after each other may arrive at once."""

SILENCE_INTERVALS, SILENCE_S = 4.0, 1.0
"""A camera that has been silent for so many intervals, and for so long, sends nothing any more."""


class ArrivalRate:
    """Counts images as they arrive; the caller sees to threads."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Start without images.

        Args:
            now: A steady clock in seconds.
        """
        self._now = now
        self._arrivals: deque[tuple[float, int]] = deque(maxlen=WINDOW)
        self._missing = 0

    def arrived(self) -> None:
        """Note an image."""
        self._arrivals.append((self._now(), 1 + self._missing))
        self._missing = 0

    def missed(self, count: int) -> None:
        """Note images that were sent before the next one that arrives, and did not arrive."""
        self._missing += count

    def forget(self) -> None:
        """Start anew."""
        self._arrivals.clear()
        self._missing = 0

    @property
    def hz(self) -> float:
        """Images per second; 0 where it is not known yet, or none arrive any more."""
        now = self._now()
        arrivals = list(self._arrivals)
        recent = [
            a for i, a in enumerate(arrivals, 2) if now - a[0] <= WINDOW_S or i >= len(arrivals)
        ]
        if len(recent) < 2:
            return 0.0
        span_s = recent[-1][0] - recent[0][0]
        count = sum(number for _, number in recent[1:])
        if span_s <= 0.0 or (span_s < LEAST_SPAN_S and len(recent) < WINDOW):
            return 0.0
        rate_hz = count / span_s
        silent_s = now - recent[-1][0]
        if silent_s > max(SILENCE_S, SILENCE_INTERVALS / rate_hz):
            return 0.0
        return rate_hz
