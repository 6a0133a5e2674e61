# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The input size follows the load, on a pretended machine of given speed, rate and noise."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable

import pytest

from hiseg_ros.ros.node.input_controller import (
    HIGH_FOR_S,
    LITTLE_GAIN,
    LOAD_TOO_HIGH,
    LOW_FOR_S,
    TRIAL_S,
    InputController,
)

AREAS = (512.0 * 1024, 448.0 * 896, 384.0 * 768, 320.0 * 640, 256.0 * 512)


class Machine:
    """Frames of a camera on a machine; time passes as they are processed."""

    def __init__(self, network_s: float, rate_hz: float, other_s: float = 0.01) -> None:
        """Be a machine.

        Args:
            network_s: Of the network at the largest size.
            rate_hz: Of the camera.
            other_s: Of all else in a frame.
        """
        self.network_s, self.rate_hz, self.other_s = network_s, rate_hz, other_s
        self.time_s = 100.0
        self.noise: Callable[[], float] = lambda: 1.0
        self.controller = InputController(AREAS, now=lambda: self.time_s)
        self.changes: list[tuple[float, int]] = []
        self.reasons: list[str] = []
        self.lost = self.images = 0.0

    def run(self, seconds: float) -> list[int]:
        """Return the positions that were in use."""
        used, end_s = [], self.time_s + seconds
        while self.time_s < end_s:
            position = self.controller.position
            used.append(position)
            factor = self.noise()
            network_s = self.network_s * AREAS[position] / AREAS[0] * factor
            frame_s = self.other_s * factor + network_s
            passed_s = max(frame_s, 1 / self.rate_hz)
            self.time_s += passed_s
            self.images += passed_s * self.rate_hz
            self.lost += passed_s * self.rate_hz - 1
            change = self.controller.measured(frame_s, network_s, self.rate_hz)
            if change is not None:
                assert (change.before, change.after) == (position, self.controller.position)
                assert 'Hz' in change.reason
                self.changes.append((self.time_s, change.after))
                self.reasons.append(change.reason)
        return used


def test_a_machine_that_is_fast_enough_keeps_the_largest_size() -> None:
    machine = Machine(0.04, 15.0)
    assert set(machine.run(60.0)) == {0}
    assert machine.controller.load == pytest.approx(0.05 * 15.0, rel=0.01)


def test_a_slow_machine_goes_to_the_largest_size_that_keeps_up_at_once() -> None:
    machine = Machine(0.09, 15.0)  # 100 ms for 66
    machine.run(1.0)
    [(at_s, position)] = machine.changes
    assert at_s - 100.0 < 0.6
    assert position == 3 and machine.controller.position == 3
    machine.run(60.0)
    assert len(machine.changes) == 1
    load = (0.01 + 0.09 * AREAS[3] / AREAS[0]) * 15.0
    assert load < LOAD_TOO_HIGH
    assert (0.01 + 0.09 * AREAS[2] / AREAS[0]) * 15.0 > 0.7, 'the next larger one leaves no room'
    before = machine.lost
    machine.run(60.0)
    assert machine.lost == pytest.approx(before)


def test_the_floor_is_kept_however_slow_the_machine_is() -> None:
    machine = Machine(2.0, 15.0)
    machine.run(120.0)
    assert machine.controller.position == len(AREAS) - 1
    assert len(machine.changes) == 1


def test_the_input_stays_large_where_the_network_is_not_what_takes_the_time() -> None:
    machine = Machine(0.01, 15.0, other_s=0.08)  # 90 ms for 66, and 82 at the smallest size
    machine.run(60.0)
    assert not machine.changes
    load, remark = machine.controller.load, machine.controller.remark
    assert load == pytest.approx(0.09 * 15.0)
    assert remark == '11 % of it in the network: a still smaller input would save little'


def test_it_is_made_as_small_as_saves_time_and_no_smaller() -> None:
    machine = Machine(0.02, 15.0, other_s=0.07)  # 90, 85, 81, 78 and 75 ms for 66
    machine.run(300.0)
    assert [position for _, position in machine.changes] == [2]
    assert machine.reasons == [
        'a frame took 135 % of the time between two images at 15.0 Hz, 22 % of it in the network: '
        'a still smaller input would save little'
    ]
    assert machine.controller.remark.startswith('14 % of it in the network')
    machine.other_s = 0.02
    machine.run(60.0)
    assert machine.controller.position == 0, 'with room for it, it is the largest again'
    assert machine.controller.remark == ''


def test_it_becomes_larger_again_where_something_else_takes_all_the_time_meanwhile() -> None:
    machine = Machine(0.09, 15.0)
    machine.run(10.0)
    assert machine.controller.position == 3
    machine.other_s = 2.0
    machine.run(200.0)
    assert machine.controller.position == 0
    assert len(machine.changes) == 2, 'and it stays there'


@pytest.mark.parametrize('other_s', [0.05, 0.058, 0.065, 0.07, 0.12])
@pytest.mark.parametrize('network_s', [0.005, 0.015, 0.03])
def test_noise_makes_no_oscillation_where_no_size_keeps_up(
    network_s: float, other_s: float
) -> None:
    draw = random.Random(3)
    machine = Machine(network_s, 15.0, other_s)
    machine.noise = lambda: draw.uniform(0.8, 1.2) * (2.0 if draw.random() < 0.05 else 1.0)
    machine.run(30.0)
    settled = len(machine.changes)
    machine.run(300.0)
    assert settled <= 2
    assert len(machine.changes) - settled <= 2
    position = machine.controller.position
    times = [other_s + network_s * area / AREAS[0] for area in AREAS]
    if times[-1] * 15.0 > 1.0:
        assert times[position] <= (1 + 1.5 * LITTLE_GAIN) * times[-1]
        assert times[max(position - 1, 0)] >= (1 + LITTLE_GAIN / 4) * times[-1] or position == 0


def test_it_steps_down_when_the_machine_slows_and_recovers_when_it_is_free_again() -> None:
    machine = Machine(0.03, 15.0)
    machine.run(20.0)
    assert not machine.changes
    machine.network_s = 0.09
    began_s = machine.time_s
    machine.run(20.0)
    assert machine.controller.position > 0
    assert machine.changes[0][0] - began_s < 4.5, 'a window, and no more'
    machine.network_s = 0.03
    machine.run(LOW_FOR_S + 6.0)
    assert machine.controller.position == 0


def test_a_slow_second_changes_nothing() -> None:
    machine = Machine(0.03, 15.0)
    machine.run(10.0)
    machine.network_s = 0.09
    machine.run(HIGH_FOR_S * 0.8)
    machine.network_s = 0.03
    machine.run(30.0)
    assert not machine.changes


@pytest.mark.parametrize('network_s', [0.02, 0.035, 0.045, 0.05, 0.055, 0.06, 0.07, 0.08, 0.12])
@pytest.mark.parametrize('seed', [1, 2])
def test_noise_makes_no_oscillation(network_s: float, seed: int) -> None:
    """Frames vary by a fifth, and one in twenty takes twice its time."""
    draw = random.Random(seed)
    machine = Machine(network_s, 15.0)
    machine.noise = lambda: draw.uniform(0.8, 1.2) * (2.0 if draw.random() < 0.05 else 1.0)
    machine.run(30.0)
    settled = len(machine.changes)
    machine.run(300.0)
    assert settled <= 2
    assert len(machine.changes) - settled <= 1


def test_a_size_that_does_not_fit_after_all_is_tried_ever_more_rarely() -> None:
    """Where time grows faster than the area, as beyond a cache, the forecast is too good."""
    machine = Machine(0.06, 15.0)
    times = itertools.count()

    def cliff() -> float:
        next(times)
        return 2.5 if machine.controller.position == 0 else 0.5

    machine.noise = cliff
    machine.run(400.0)
    ups = [at_s for at_s, position in machine.changes if position == 0]
    waits = [later - earlier for earlier, later in itertools.pairwise(ups)]
    assert len(waits) >= 2
    assert all(later > 1.5 * earlier for earlier, later in itertools.pairwise(waits))
    assert all(wait < 400.0 for wait in waits)


def test_a_trial_that_lasted_makes_the_next_one_as_ready_as_the_first() -> None:
    machine = Machine(0.09, 15.0)
    machine.run(10.0)
    for _ in range(3):
        machine.network_s = 0.02
        machine.run(TRIAL_S + 30.0)
        assert machine.controller.position == 0
        machine.network_s = 0.09
        machine.run(10.0)
        assert machine.controller.position == 3
    machine.network_s = 0.02
    began_s = machine.time_s
    machine.run(20.0)
    assert machine.changes[-1][0] - began_s < LOW_FOR_S + 5.0


def test_a_faster_camera_makes_the_input_smaller_and_a_slower_one_larger() -> None:
    machine = Machine(0.04, 10.0)
    machine.run(20.0)
    assert machine.controller.position == 0
    machine.rate_hz = 30.0
    machine.run(20.0)
    small = machine.controller.position
    assert small > 0
    machine.rate_hz = 1.0
    machine.run(60.0)
    assert machine.controller.position == 0


def test_after_forgetting_it_chooses_at_once_in_either_direction() -> None:
    machine = Machine(0.09, 15.0)
    machine.run(20.0)
    assert machine.controller.position == 3
    machine.network_s = 0.03  # other weights
    machine.controller.forget()
    machine.run(1.0)
    assert machine.controller.position == 0
    machine.network_s = 0.09
    machine.controller.forget()
    machine.run(1.0)
    assert machine.controller.position == 3


def test_the_first_frame_at_a_size_is_not_counted_since_it_may_wait_for_a_compilation() -> None:
    machine = Machine(0.03, 15.0)
    first = iter([40.0])
    machine.noise = lambda: next(first, 1.0)
    machine.run(30.0)
    assert not machine.changes


def test_without_a_known_rate_nothing_changes() -> None:
    controller = InputController(AREAS)
    assert not any(controller.measured(5.0, 4.0, 0.0) for _ in range(50))
