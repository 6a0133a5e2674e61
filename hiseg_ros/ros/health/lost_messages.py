# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""LostMessageCounter: messages that were published and never reached the callback."""

from __future__ import annotations

from collections.abc import Callable, Hashable

NUMBERS = 2**64
"""Publishers number their messages in 64 bits; a step of more than half of that goes back."""


class LostMessageCounter:
    """Counts by the publisher's sequence numbers, and by what the middleware reports as lost.

    A sequence number that is missing between two that arrived is a message that was lost on its
    way, or that a newer one replaced in the publisher's or the subscription's queue. rclpy does
    not say whose number it is, so numbers count only while the topic has one publisher. The
    middleware reports messages lost on their way, whoever sent them, but not replaced ones.
    """

    def __init__(self, publishers: Callable[[], frozenset[Hashable]]) -> None:
        """Start with a subscription that has received nothing.

        Args:
            publishers: Returns an identifier of each publisher of the topic.
        """
        self._publishers = publishers
        self._known: frozenset[Hashable] = frozenset()
        self._last: int | None = None
        self._missing = 0
        self._reported = 0
        self._counted = 0

    def arrived(self, number: int | None) -> int:
        """Note a message that arrived; return how many lost ones its number reveals.

        Args:
            number: Its sequence number, which counts up by one; None where the middleware gives
                none.
        """
        if number is None or number == self._last:
            return 0
        last, self._last = self._last, number
        missing = 0 if last is None else (number - last - 1) % NUMBERS
        if last is not None and missing == 0:
            return 0
        known, self._known = self._known, self._publishers()
        # A publisher's numbers never go back, so that is another one, as after a restart. What
        # looks like a gap may be another one too, but only where one has come since the last look.
        is_the_same = len(known) == 1 and self._known <= known
        if is_the_same and missing < NUMBERS // 2:
            self._missing += missing
        elif last is not None:
            # Numbers do not count across publishers: the comparison starts again.
            self._missing = self._reported = self._counted = 0
        return self._newly_counted()

    def reported(self, count: int) -> int:
        """Note losses that the middleware reports; return how many were not counted before."""
        self._reported += count
        return self._newly_counted()

    def _newly_counted(self) -> int:
        # A reported message is missing among the numbers too, now or at the next message, so the
        # larger of the two is the count.
        counted, self._counted = self._counted, max(self._missing, self._reported)
        return self._counted - counted
