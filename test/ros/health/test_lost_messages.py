# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Messages that never reached the callback are counted by the publisher's numbers, none twice."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiseg_ros.ros.health.lost_messages import NUMBERS, LostMessageCounter


class Topic:
    """A topic with publishers that come and go."""

    def __init__(self, *publishers: str) -> None:
        self.publishers = frozenset(publishers)
        self.losses = LostMessageCounter(lambda: self.publishers)

    def counted(self, *numbers: int | None) -> int:
        """Return how many losses these numbers reveal."""
        return sum(self.losses.arrived(number) for number in numbers)


@pytest.mark.parametrize(
    ('numbers', 'lost'),
    [
        ((1, 2, 3), 0),
        ((70, 71, 72), 0),
        ((1, 2, 5, 6, 8), 3),
        ((1, 4, 4, 4, 5), 2),
        ((NUMBERS - 3, NUMBERS - 2, 1, 2), 2),
        ((5, 6, 1, 2, 4), 1),
        ((None, None), 0),
        ((), 0),
    ],
    ids=['none', 'late', 'gaps', 'duplicates', 'wrap', 'restart', 'no numbers', 'nothing'],
)
def test_numbers_that_are_missing_are_losses(numbers: tuple[int | None, ...], lost: int) -> None:
    """Not those before the first one, nor across a restart."""
    assert Topic('camera').counted(*numbers) == lost


@settings(deadline=None)
@given(
    start=st.integers(0, NUMBERS - 1),
    arrives=st.lists(st.integers(0, 2), max_size=60),
)
def test_whatever_is_lost_published_is_received_and_lost(start: int, arrives: list[int]) -> None:
    """Between the first and the last that arrived; 2 stands for one that comes twice."""
    numbers = [
        (start + place) % NUMBERS for place, times in enumerate(arrives) for _ in range(times)
    ]
    places = [place for place, times in enumerate(arrives) if times]
    published = places[-1] - places[0] + 1 if places else 0
    assert Topic('camera').counted(*numbers) == published - len(places)


def test_a_new_publisher_with_higher_numbers_is_no_loss() -> None:
    """As a driver that ran for long and is heard only now."""
    topic = Topic('old')
    assert topic.counted(1, 2) == 0
    topic.publishers = frozenset({'new'})
    assert topic.counted(1000, 1001) == 0
    assert topic.counted(1003) == 1


def test_two_publishers_are_not_distinguished_and_nothing_is_made_up() -> None:
    """Counting goes on once one of them has gone."""
    topic = Topic('one', 'other')
    assert topic.counted(100, 5, 101, 6, 102, 7, 105) == 0
    topic.publishers = frozenset({'other'})
    assert topic.counted(9, 10, 12) == 1


def test_the_last_images_of_a_publisher_that_has_gone_are_still_counted() -> None:
    """They wait in the subscription's queue."""
    topic = Topic('camera')
    topic.counted(1)
    topic.publishers = frozenset()
    assert topic.counted(5) == 3


def test_what_the_middleware_tells_is_not_counted_again_by_the_numbers() -> None:
    """Whichever comes first; what it alone knows counts, too."""
    topic = Topic('camera')
    assert topic.losses.reported(2) == 2, 'nothing has ever arrived'
    assert topic.counted(1, 2) == 0
    assert topic.counted(6) == 1, 'three are missing, two were reported'
    assert topic.losses.reported(1) == 0, 'of them'
    assert topic.losses.reported(4) == 4, 'the last ones, and nothing came after'
    assert topic.counted(11) == 0


def test_without_numbers_only_what_the_middleware_tells_is_counted() -> None:
    topic = Topic('camera')
    assert topic.counted(None, None) == 0
    assert topic.losses.reported(3) == 3


def test_what_is_reported_after_a_second_publisher_came_is_counted() -> None:
    """What the numbers showed before does not make up for it."""
    topic = Topic('camera')
    assert topic.counted(1, 102) == 100
    topic.publishers = frozenset(('camera', 'replay'))
    assert topic.counted(5, 103) == 0
    assert topic.losses.reported(40) == 40
    assert topic.counted(6, 104) == 0
    assert topic.losses.reported(2) == 2
