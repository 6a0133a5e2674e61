# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The node's tracker: a sign keeps its number, no two share one, and memory is bounded."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from hiseg_ros import tracking
from hiseg_ros.tracking import MAX_MISSED, MAX_PAUSE_S, SignTracker
from hiseg_ros.types import RgbImage, SubclassMask

SIZE = (96, 128)
STEP = 6
"""Pixels by which the scene moves to the left in each frame."""
FRAME_NS = 100_000_000


class Clock:
    """A steady clock that the test sets."""

    def __init__(self) -> None:
        self.time_s = 50.0

    def __call__(self) -> float:
        return self.time_s


def scene(number: int) -> RgbImage:
    """Return a textured image that moves to the left."""
    rng = np.random.default_rng(4)
    wide = cv2.GaussianBlur(rng.integers(0, 256, (SIZE[0], 600), np.uint8), (0, 0), 2)
    grey: NDArray[np.uint8] = np.asarray(cv2.equalizeHist(wide), np.uint8)
    part = grey[:, STEP * number : STEP * number + SIZE[1]]
    return np.repeat(part[..., np.newaxis], 3, 2)


def sign(y: int, x: int, side: int = 8) -> SubclassMask:
    """Return a square sign."""
    mask = np.ones((side, side), np.bool_)
    return SubclassMask(7, 4, 0.9, ((7, 0.9),), (y, x, side, side), mask, side * side)


def stamp(number: int) -> int:
    """Return the stamp of a frame, 10 Hz."""
    return 10**18 + number * FRAME_NS


def test_a_sign_keeps_its_number_while_the_scene_moves_and_two_stay_two() -> None:
    """Their order in the message changes, as where the nearer one becomes larger."""
    tracker, found = SignTracker(), []
    for number in range(8):
        near, far = sign(20, 100 - STEP * number), sign(50, 90 - STEP * number)
        masks = [near, far] if number % 2 else [far, near]
        numbers = tracker.numbers_of(scene(number), masks, stamp(number))
        found.append(numbers if number % 2 else numbers[::-1])
    assert found == [(1, 0)] * 8


def test_a_sign_may_go_unseen_for_some_frames_and_not_for_more() -> None:
    """The same bound as in replays."""
    for gap, is_same in ((MAX_MISSED, True), (MAX_MISSED + 1, False)):
        tracker = SignTracker()
        [first] = tracker.numbers_of(scene(0), [sign(20, 100)], stamp(0))
        for number in range(1, gap + 1):
            assert tracker.numbers_of(scene(number), [], stamp(number)) == ()
        number = gap + 1
        [again] = tracker.numbers_of(scene(number), [sign(20, 100 - STEP * number)], stamp(number))
        assert (again == first) is is_same


@pytest.mark.parametrize(
    ('later_ns', 'is_same'),
    [
        (FRAME_NS, True),
        (round(MAX_PAUSE_S * 1e9), True),
        (round(MAX_PAUSE_S * 1e9) + 1, False),
        (-FRAME_NS, False),
        (-3600 * 10**9, False),
        (3600 * 10**9, False),
    ],
)
def test_pauses_and_jumps_of_time_begin_with_new_numbers(later_ns: int, is_same: bool) -> None:
    """A bag that starts over, or a camera that stood still."""
    tracker, signs = SignTracker(), [sign(20, 50)]
    [first] = tracker.numbers_of(scene(0), signs, stamp(0))
    [second] = tracker.numbers_of(scene(0), signs, stamp(0) + later_ns)
    assert (second == first) is is_same


@pytest.mark.parametrize('stamps', [(0, 0), (stamp(0), stamp(0))])
@pytest.mark.parametrize(('passed_s', 'is_same'), [(0.1, True), (5.0, False)])
def test_where_stamps_say_nothing_time_is_measured(
    stamps: tuple[int, int], passed_s: float, is_same: bool
) -> None:
    """Drivers that set no stamp, or always the same."""
    clock = Clock()
    tracker, signs = SignTracker(clock), [sign(20, 50)]
    [first] = tracker.numbers_of(scene(0), signs, stamps[0])
    clock.time_s += passed_s
    [second] = tracker.numbers_of(scene(0), signs, stamps[1])
    assert (second == first) is is_same


def test_another_image_size_begins_with_new_numbers() -> None:
    """Motion between images of two sizes is not known."""
    tracker, signs = SignTracker(), [sign(20, 50)]
    [first] = tracker.numbers_of(scene(0), signs, stamp(0))
    smaller = np.ascontiguousarray(scene(0)[:80, :112])
    [second] = tracker.numbers_of(smaller, signs, stamp(1))
    assert second != first


def test_numbers_are_never_given_twice_and_nothing_piles_up() -> None:
    """However many signs a day brings."""
    tracker, given = SignTracker(), []
    rng = np.random.default_rng(0)
    for number in range(300):
        places = rng.integers(0, (80, 110), (5, 2)).tolist()
        given += tracker.numbers_of(scene(0), [sign(*place) for place in places], stamp(number))
        assert len(tracker._tracks) <= 5 * (MAX_MISSED + 1)
    assert set(given) == set(range(max(given) + 1))
    assert len(set(given)) < len(given)


def test_an_image_without_signs_costs_no_motion(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither before the first sign, nor after the last one is forgotten."""
    calls: list[Any] = []
    plain = tracking.reduced_grey
    monkeypatch.setattr(tracking, 'reduced_grey', lambda rgb: calls.append(1) or plain(rgb))
    tracker = SignTracker()
    for number in range(3):
        tracker.numbers_of(scene(number), [], stamp(number))
    assert calls == []
    tracker.numbers_of(scene(3), [sign(20, 80)], stamp(3))
    for number in range(4, 30):
        tracker.numbers_of(scene(number), [], stamp(number))
    assert len(calls) == 2 + MAX_MISSED


def test_replays_and_the_node_number_signs_alike() -> None:
    """Signs that move with the scene, that go unseen for a while, and that come and go."""
    from replay_support import tree

    from hiseg_ros.replay.motion import motion_between
    from hiseg_ros.replay.sign_tracks import Moment, SignTracks

    rng = np.random.default_rng(11)
    offline, live = SignTracks(tree()), SignTracker()
    threads, before = cv2.getNumThreads(), None
    cv2.setNumThreads(1)  # as replays do: the motion depends on it
    try:
        for number in range(30):
            rgb = scene(number)
            steady = [sign(10 + 20 * i, 118 - STEP * number + 40 * i) for i in range(3)]
            masks = [s for s in steady if s.roi[1] > 0 and rng.random() < 0.7]
            masks += [sign(*place) for place in rng.integers(0, (80, 110), (2, 2)).tolist()]
            grey = tracking.reduced_grey(rgb)
            motion = None if before is None else motion_between(before, grey)
            rows = offline.add(Moment(number, stamp(number)), masks, motion, SIZE)
            assert live.numbers_of(rgb, masks, stamp(number)) == tuple(r['track'] for r in rows)
            before = grey
    finally:
        cv2.setNumThreads(threads)
