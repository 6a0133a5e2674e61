# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Frames find the depth of their stamp, whichever comes first, and wait within bounds."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.needs('ros')

MS = 1_000_000
S = 1_000_000_000


def pairs(most: int = 5) -> Any:
    """Return empty queues."""
    from hiseg_ros.ros.consumers.stamp_pairs import StampPairs

    return StampPairs(most)


def unpaired(stamp_ns: int, offset_ns: int | None) -> Any:
    """Return what a frame without depth gives."""
    from hiseg_ros.ros.consumers.stamp_pairs import Unpaired

    return Unpaired(stamp_ns, offset_ns)


@pytest.mark.parametrize('is_depth_first', [True, False])
def test_equal_stamps_belong_together_whichever_comes_first(is_depth_first: bool) -> None:
    """Until both are there, nothing is given."""
    queues = pairs()
    for number in range(1, 20):
        if is_depth_first:
            queues.add_depth(number * S, f'depth {number}')
        else:
            queues.add_frame(number * S, f'frame {number}')
        assert queues.take(0) is None
        if is_depth_first:
            queues.add_frame(number * S, f'frame {number}')
        else:
            queues.add_depth(number * S, f'depth {number}')
        assert queues.take(0) == (f'frame {number}', f'depth {number}')
        assert len(queues) == 0


def test_depth_may_be_faster_than_frames_and_late() -> None:
    """Frames of a slow network take theirs from among many; the others are forgotten."""
    queues = pairs(most=10)
    for number in range(1, 9):
        queues.add_depth(number * 33 * MS, number)
    queues.add_frame(4 * 33 * MS, 'a')
    assert queues.take(0) == ('a', 4)
    queues.add_frame(8 * 33 * MS, 'b')
    queues.add_frame(9 * 33 * MS, 'c')
    assert queues.take(0) == ('b', 8)
    assert queues.take(0) is None
    queues.add_depth(9 * 33 * MS, 9)
    assert queues.take(0) == ('c', 9)


def test_stamps_that_differ_by_rounding_are_equal() -> None:
    """A driver that computes with seconds in floating point."""
    queues = pairs()
    queues.add_depth(1_700_000_000 * S + 300, 'depth')
    queues.add_frame(1_700_000_000 * S, 'frame')
    assert queues.take(0) == ('frame', 'depth')


def test_stamps_that_differ_are_refused_unless_the_limit_allows_it() -> None:
    """The offset is said; the nearest depth is taken, once no nearer one can come."""
    for limit, expected in ((0, unpaired(100 * MS, 4 * MS)), (5 * MS, ('frame', 'near'))):
        queues = pairs()
        queues.add_depth(90 * MS, 'far')
        queues.add_frame(100 * MS, 'frame')
        assert queues.take(limit) is None
        queues.add_depth(104 * MS, 'near')
        assert queues.take(limit) == expected
        assert queues.take(limit) is None


def test_both_queues_are_bounded() -> None:
    """A frame gives up when more wait than there is room for, and says that there was none."""
    queues = pairs(most=6)
    for number in range(100):
        queues.add_depth(number * MS, number)
    assert len(queues) == 6
    for number in range(100, 107):
        queues.add_frame(number * MS, number)
    assert queues.take(0) == unpaired(100 * MS, 1 * MS)
    assert queues.take(0) is None and len(queues) == 12
    queues.clear()
    for number in range(1, 100):
        queues.add_frame(number * MS, number)
        given = queues.take(0)
        assert given == (unpaired((number - 4) * MS, None) if number > 4 else None)
        assert len(queues) <= 4


def test_a_source_that_starts_over_is_followed() -> None:
    """A bag in a loop; depth or frames may start first."""
    for first in ('depth', 'frame'):
        queues = pairs()
        queues.add_depth(60 * S, 'old depth')
        queues.add_frame(60 * S + MS, 'old frame')
        if first == 'depth':
            queues.add_depth(1 * S, 'depth')
            queues.add_frame(1 * S, 'frame')
        else:
            queues.add_frame(1 * S, 'frame')
            queues.add_depth(1 * S, 'depth')
        assert queues.take(0) == ('frame', 'depth')


def test_depth_in_another_order_than_its_stamps_is_found() -> None:
    """As from a driver with several threads; equal stamps are no problem either."""
    queues = pairs()
    for stamp, depth in ((30, {}), (20, {}), (20, {'last': 1}), (10, {})):
        queues.add_depth(stamp * MS, depth)
    queues.add_frame(20 * MS, 'frame')
    frame, depth = queues.take(0)
    assert frame == 'frame' and depth in ({}, {'last': 1})


def test_depth_that_is_always_late_is_waited_for() -> None:
    """A stereo camera that computes depth for longer than the network takes."""
    queues, found = pairs(most=8), []
    for number in range(1, 40):
        queues.add_frame(number * 33 * MS, number)
        if number > 6:
            queues.add_depth((number - 6) * 33 * MS, number - 6)
        while (given := queues.take(0)) is not None:
            found.append(given)
    # Until the first depth comes, there is none at all.
    assert found[:2] == [unpaired(33 * MS, None), unpaired(66 * MS, None)]
    assert found[2:] == [(number, number) for number in range(3, 34)]
