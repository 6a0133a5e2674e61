# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""How many messages were published and never reached a subscription's callback."""

from __future__ import annotations

from collections.abc import Callable, Hashable

NUMBERS = 2**64
"""Publishers number their messages in 64 bits; a step of more than half of that is one back."""


class LostMessageCounter:
    """Counts by the numbers that a publisher gives its messages, and by what the middleware tells.

    A number that is missing between two that arrived is a message that was lost on its way, or
    that a newer one replaced in the publisher's or the subscription's queue. rclpy does not say
    whose number it is, so numbers count only while the topic has one publisher. The middleware
    tells of messages lost on their way, whoever sent them, but not of replaced ones.
    """

    def __init__(self, publishers: Callable[[], frozenset[Hashable]]) -> None:
        """Begin with a subscription that has received nothing.

        Args:
            publishers: Returns what identifies each publisher of the topic.
        """
        self._publishers = publishers
        self._known: frozenset[Hashable] = frozenset()
        self._last: int | None = None
        self._missing = 0
        self._told = 0
        self._counted = 0

    def arrived(self, number: int | None) -> int:
        """Note a message; return how many losses it reveals.

        Args:
            number: Its publisher's, which counts up by one; None where the middleware gives none.
        """
        if number is None or number == self._last:
            return 0
        last, self._last = self._last, number
        missing = 0 if last is None else (number - last - 1) % NUMBERS
        if last is not None and missing == 0:
            return 0
        known, self._known = self._known, self._publishers()
        # Numbers never go back, so that is another publisher, as after a restart. What looks like
        # a gap may be another one as well, but only where one has come since the last look.
        is_the_same = len(known) == 1 and self._known <= known
        if is_the_same and missing < NUMBERS // 2:
            self._missing += missing
        elif last is not None:
            # Numbers do not count across publishers: what is told from now on is compared anew.
            self._missing = self._told = self._counted = 0
        return self._news()

    def told(self, count: int) -> int:
        """Note losses that the middleware tells of; return how many of them are news."""
        self._told += count
        return self._news()

    def _news(self) -> int:
        # What the middleware tells of is missing among the numbers too, now or at the next
        # message, so the larger of the two is the count.
        counted, self._counted = self._counted, max(self._missing, self._told)
        return self._counted - counted
