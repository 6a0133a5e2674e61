# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The mailbox: one place per camera, the newest wins, none is starved, no dead one awaited."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiseg_ros.ros.node.frame_slots import FrameSlots

PATIENCE_S = 30.0


def filled(**frames: Any) -> FrameSlots[str, Any]:
    """Return slots with a frame of each source."""
    slots: FrameSlots[str, Any] = FrameSlots()
    for source, frame in frames.items():
        slots.put(source, frame)
    return slots


def test_the_newest_frame_of_a_source_wins_and_the_one_it_pushed_out_is_returned() -> None:
    slots = filled()
    assert [slots.put('front', number) for number in range(4)] == [None, 0, 1, 2]
    assert slots.take() == [('front', 3)]


def test_an_empty_mailbox_gives_nothing_when_the_time_is_over() -> None:
    assert filled().take(timeout_s=0.01) == []


def test_frames_that_are_at_hand_are_taken_together_up_to_the_most() -> None:
    slots = filled(front=1, left=2, rear=3)
    assert slots.take(2) == [('front', 1), ('left', 2)]
    assert slots.take(9) == [('rear', 3)]


def test_a_fast_source_takes_no_turn_from_a_slow_one() -> None:
    slots = filled()
    taken = []
    for number in range(30):
        slots.put('fast', number)
        if number % 3 == 0:
            slots.put('slow', number)
        if number % 2:  # the network is half as fast as the fast camera
            taken += slots.take()
    sources = [source for source, _ in taken]
    assert sources.count('slow') >= 7, 'of ten frames of the slow one, at a third of the rate'
    assert sources.count('fast') >= 7


def test_the_source_served_longest_ago_comes_first() -> None:
    slots = filled(front=1, left=2, rear=3)
    assert slots.take() == [('front', 1)]
    slots.put('front', 4)
    assert [slots.take()[0][0] for _ in range(3)] == ['left', 'rear', 'front']


def test_a_batch_waits_for_the_others_and_ends_as_soon_as_all_are_there() -> None:
    slots = filled(front=1, left=1)
    slots.take(2)
    slots.put('front', 2)
    later = threading.Timer(0.05, slots.put, ('left', 2))
    later.start()
    started = time.monotonic()
    assert slots.take(3, gather_s=PATIENCE_S) == [('front', 2), ('left', 2)]
    assert time.monotonic() - started < PATIENCE_S / 2
    later.join()


class Clock:
    """A clock that stands still."""

    time_s = 100.0

    def __call__(self) -> float:
        return self.time_s


def test_a_source_that_died_is_waited_for_once() -> None:
    clock = Clock()
    slots: FrameSlots[str, int] = FrameSlots(clock)
    for source in ('front', 'dead'):
        slots.put(source, 1)
    slots.take(2)
    slots.put('front', 2)
    assert slots.take(2, gather_s=0.01) == [('front', 2)]
    slots.put('front', 3)
    started = time.monotonic()
    assert slots.take(2, gather_s=PATIENCE_S) == [('front', 3)]
    assert time.monotonic() - started < PATIENCE_S / 2


def test_a_source_that_came_back_is_waited_for_again() -> None:
    slots: FrameSlots[str, int] = FrameSlots(Clock())
    for source in ('front', 'shy'):
        slots.put(source, 1)
    slots.take(2)
    slots.put('front', 2)
    slots.take(2, gather_s=0.01)
    slots.put('shy', 3)
    slots.take(2, gather_s=0.01)
    slots.put('front', 4)
    later = threading.Timer(0.05, slots.put, ('shy', 4))
    later.start()
    assert len(slots.take(2, gather_s=PATIENCE_S)) == 2
    later.join()


@pytest.mark.alone
def test_a_frame_that_waited_while_the_network_was_busy_does_not_wait_again() -> None:
    clock = Clock()
    slots: FrameSlots[str, int] = FrameSlots(clock)
    slots.put('left', 0)
    slots.take(2)
    slots.put('front', 1)
    clock.time_s += 0.2
    started = time.monotonic()
    assert slots.take(2, gather_s=0.2) == [('front', 1)]
    assert time.monotonic() - started < 0.15


def test_closing_wakes_a_waiting_taker_and_refuses_frames_from_then_on() -> None:
    slots = filled()
    taken: list[Any] = ['nothing yet']
    taker = threading.Thread(target=lambda: taken.append(slots.take()))
    taker.start()
    slots.close()
    taker.join(PATIENCE_S)
    assert not taker.is_alive()
    assert taken[-1] == []
    assert slots.put('front', 'too late') == 'too late'
    assert slots.closed


def test_paused_slots_refuse_frames_until_they_go_on() -> None:
    slots = filled(front=1, rear=2)
    assert slots.pause() == [('front', 1), ('rear', 2)]
    assert slots.put('front', 3) == 3
    assert slots.take(timeout_s=0.01) == []
    slots.resume()
    assert slots.put('front', 4) is None
    assert slots.clear() == [('front', 4)]
    assert slots.put('front', 5) is None, 'clearing does not pause'
    assert slots.take() == [('front', 5)]


def test_a_cancelled_taker_leaves_the_frames_to_the_next_one() -> None:
    slots = filled()
    is_cancelled = threading.Event()
    taken: list[Any] = ['nothing yet']
    taker = threading.Thread(
        target=lambda: taken.append(slots.take(cancelled=is_cancelled.is_set))
    )
    taker.start()
    is_cancelled.set()
    slots.wake()
    taker.join(PATIENCE_S)
    assert taken[-1] == []
    slots.put('front', 1)
    assert slots.take() == [('front', 1)]


def test_waiting_for_the_work_to_end_lasts_until_it_is_done() -> None:
    slots = filled(front=1)
    slots.wait_done()
    slots.take()
    waiter = threading.Thread(target=slots.wait_done)
    waiter.start()
    waiter.join(0.05)
    assert waiter.is_alive()
    slots.done()
    waiter.join(PATIENCE_S)
    assert not waiter.is_alive()


STEPS = st.tuples(st.sampled_from(['put', 'take', 'clear']), st.sampled_from('abc'))


@given(st.lists(STEPS, max_size=40), st.integers(1, 3))
def test_every_frame_is_taken_pushed_out_cleared_or_still_there(
    steps: list[tuple[str, str]], most: int
) -> None:
    slots: FrameSlots[str, int] = FrameSlots()
    put = ended = 0
    for step, source in steps:
        if step == 'put':
            ended += slots.put(source, put) is not None
            put += 1
        elif step == 'take':
            taken = slots.take(most, timeout_s=0.0)
            assert len({name for name, _ in taken}) == len(taken) <= most
            ended += len(taken)
        else:
            ended += len(slots.clear())
    assert put == ended + len(slots.close())


def test_no_frame_is_lost_or_seen_twice_between_two_threads() -> None:
    slots: FrameSlots[str, int] = FrameSlots()
    count = 2000
    taken: list[int] = []

    def take_all() -> None:
        while not taken or taken[-1] != count - 1:
            taken.extend(frame for _, frame in slots.take())

    taker = threading.Thread(target=take_all, daemon=True)
    taker.start()
    pushed_out = sum(slots.put('front', number) is not None for number in range(count))
    taker.join(PATIENCE_S)
    assert not taker.is_alive()
    assert taken == sorted(set(taken))
    assert len(taken) + pushed_out == count
