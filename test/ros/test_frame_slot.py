# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The one-slot mailbox: newest wins, drops are counted, closing wakes."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from hiseg_ros.ros.frame_slot import FrameSlot

PATIENCE_S = 30.0


def test_a_frame_put_is_the_frame_taken() -> None:
    slot: FrameSlot[str] = FrameSlot()
    assert slot.put('first') is False
    assert slot.take() == 'first'
    assert slot.dropped == 0


def test_the_newest_frame_wins_and_the_older_ones_count_as_dropped() -> None:
    slot: FrameSlot[int] = FrameSlot()
    assert [slot.put(number) for number in range(4)] == [False, True, True, True]
    assert slot.take() == 3
    assert slot.dropped == 3


def test_an_empty_slot_gives_nothing_when_the_time_is_over() -> None:
    assert FrameSlot[int]().take(timeout_s=0.01) is None


def test_a_waiting_taker_gets_the_frame_of_another_thread() -> None:
    slot: FrameSlot[str] = FrameSlot()
    taken: list[str | None] = []
    taker = threading.Thread(target=lambda: taken.append(slot.take(PATIENCE_S)))
    taker.start()
    slot.put('late')
    taker.join(PATIENCE_S)
    assert taken == ['late']


def test_closing_wakes_a_waiting_taker_and_refuses_frames_from_then_on() -> None:
    slot: FrameSlot[str] = FrameSlot()
    taken: list[str | None] = ['nothing yet']
    taker = threading.Thread(target=lambda: taken.append(slot.take(PATIENCE_S)))
    taker.start()
    slot.close()
    taker.join(PATIENCE_S)
    assert not taker.is_alive()
    assert taken[-1] is None
    assert slot.put('too late') is False
    assert slot.take() is None
    assert slot.closed


def test_a_cleared_frame_is_gone_and_no_drop() -> None:
    slot: FrameSlot[str] = FrameSlot()
    slot.put('stale')
    slot.clear()
    assert slot.take(timeout_s=0.01) is None
    assert slot.dropped == 0


@given(st.lists(st.sampled_from(['put', 'take', 'clear']), max_size=40))
def test_every_frame_is_taken_dropped_cleared_or_still_there(steps: list[str]) -> None:
    slot: FrameSlot[int] = FrameSlot()
    put = taken = cleared = 0
    waiting = False
    for step in steps:
        if step == 'put':
            slot.put(put)
            put, waiting = put + 1, True
        elif step == 'take':
            frame = slot.take(timeout_s=0.0)
            assert (frame is not None) == waiting
            assert frame is None or frame == put - 1
            taken, waiting = taken + waiting, False
        else:
            slot.clear()
            cleared, waiting = cleared + waiting, False
    assert put == taken + cleared + slot.dropped + waiting


def test_no_frame_is_lost_or_seen_twice_between_two_threads() -> None:
    slot: FrameSlot[int] = FrameSlot()
    count = 2000
    taken: list[int] = []

    def take_all() -> None:
        while (frame := slot.take()) is not None:
            taken.append(frame)
            if frame == count - 1:
                return

    taker = threading.Thread(target=take_all)
    taker.start()
    for number in range(count):
        slot.put(number)
    taker.join(PATIENCE_S)
    assert not taker.is_alive()
    assert taken == sorted(set(taken))
    assert len(taken) + slot.dropped == count
