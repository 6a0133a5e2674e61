# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Short of memory the node asks for less, step by step, and for more again later."""

from __future__ import annotations

from hiseg_ros.inference.memory_relief import FIRST_WAIT_S, LONGEST_WAIT_S, MemoryRelief


class Device:
    """Has room for so many images at full or at lower resolution."""

    def __init__(self, room: int, small_room: int = 1) -> None:
        self.room, self.small_room, self.time_s = room, small_room, 0.0
        self.relief = MemoryRelief(lambda: self.time_s)
        self.tries: list[tuple[int, bool]] = []

    def run(self, count: int) -> tuple[int, bool] | None:
        """Try until something fits; return what did, None for nothing."""
        while True:
            most, is_reduced = self.relief.limit(count)
            self.tries.append((most, is_reduced))
            if most <= (self.small_room if is_reduced else self.room):
                self.relief.worked(most, is_reduced)
                return most, is_reduced
            if not self.relief.failed(most, is_reduced, self.small_room > 0):
                return None


def test_it_goes_down_to_what_fits() -> None:
    """Half the batch, and so on, then one image, then a smaller one."""
    device = Device(2)
    assert device.run(8) == (2, False)
    assert 'at most 2 of 8 images' in device.relief.text
    device.room = 0
    assert device.run(8) == (1, True)
    assert 'three quarters' in device.relief.text
    assert device.tries == [(8, False), (4, False), (2, False), (2, False), (1, False), (1, True)]


def test_it_comes_back_step_by_step_once_there_is_room() -> None:
    """One step each time that the wait is over."""
    device = Device(0)
    assert device.run(4) == (1, True)
    device.room = 4
    assert device.run(4) == (1, True), 'not at once'
    for expected in ((1, False), (2, False), (4, False)):
        device.time_s += FIRST_WAIT_S
        assert device.run(4) == expected
    assert device.relief.text == ''
    assert device.run(4) == (4, False)


def test_a_step_that_still_does_not_fit_is_tried_ever_more_rarely() -> None:
    """No frame out of two is lost to tries."""
    device = Device(1)
    device.run(2)
    device.tries.clear()
    for _ in range(1200):
        device.time_s += 1.0
        assert device.run(2) == (1, False)
    failed = [most for most, _ in device.tries].count(2)
    assert 4 <= failed <= 8
    device.room = 2
    device.time_s += LONGEST_WAIT_S
    assert device.run(2) == (2, False)
    assert device.relief.text == ''


def test_a_single_image_comes_back_to_full_resolution() -> None:
    """There is no batch to grow then."""
    device = Device(0)
    assert device.run(1) == (1, True)
    device.room = 1
    device.time_s += FIRST_WAIT_S
    assert device.run(1) == (1, False)
    assert device.relief.text == ''


def test_where_nothing_smaller_is_left_it_says_so_and_tries_each_time() -> None:
    """The next image may find room."""
    device = Device(0, small_room=0)
    assert device.run(2) is None
    assert device.run(2) is None
    device.room = 1
    assert device.run(2) == (1, False)
