# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""StampWatch: finds and counts unusual stamps of a camera's images."""

from __future__ import annotations

from collections.abc import Mapping

RESTART_NS = 1_000_000_000
"""An image with a stamp further back than this was not overtaken on its way: the source has
started over, as a bag that is played in a loop does."""

FUTURE_NS = 100_000_000
"""How far a stamp may lie ahead of the node's clock; clocks that NTP synchronises differ by
less."""

ZERO, FUTURE = 'zero', 'future'
REPEATED, OVERTAKEN, RESTARTED = 'repeated', 'overtaken', 'restarted'


class StampWatch:
    """Compares each stamp of a camera with the one before and with the clock."""

    def __init__(self) -> None:
        """Start without an earlier stamp."""
        self._newest_ns = 0
        self._counts = dict.fromkeys((ZERO, REPEATED, OVERTAKEN, RESTARTED, FUTURE), 0)

    def forget(self) -> None:
        """Compare with no earlier stamp, as after the clock jumped back; counts stay."""
        self._newest_ns = 0

    def see(self, stamp_ns: int, now_ns: int) -> str:
        """Note a stamp and return its kind if it is unusual, else ''.

        Args:
            stamp_ns: Of an image that arrived.
            now_ns: Time of its arrival by the node's clock.
        """
        found = ''
        if stamp_ns == 0:
            found = ZERO
        elif stamp_ns > now_ns + FUTURE_NS:
            found = FUTURE
        if stamp_ns and self._newest_ns:
            if stamp_ns == self._newest_ns:
                found = REPEATED
            elif stamp_ns < self._newest_ns - RESTART_NS:
                found = RESTARTED
            elif stamp_ns < self._newest_ns:
                found = OVERTAKEN
        if stamp_ns and found != OVERTAKEN:
            self._newest_ns = stamp_ns
        if found:
            self._counts[found] += 1
        return found

    @property
    def counts(self) -> Mapping[str, int]:
        """Number of stamps of each unusual kind."""
        return dict(self._counts)
