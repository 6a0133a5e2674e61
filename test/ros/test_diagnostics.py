# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Health: what counts, what is averaged, and when it is a warning or an error."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.needs('ros')


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.time_s = 1000.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.time_s


@pytest.fixture
def clock() -> Clock:
    """Return a clock set by hand."""
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Any:
    """Return the health of an active node."""
    from hiseg_ros.ros.diagnostics import Health

    health = Health(now=clock, facts={'image topic': '/cam', 'model': 'tiny'})
    health.state = 'active'
    return health


def report(health: Any, timeout_s: float = 2.0) -> tuple[int, str, dict[str, str]]:
    status = health.status('/node: segmentation', timeout_s)
    assert status.name == '/node: segmentation'
    return status.level[0], status.message, {v.key: v.value for v in status.values}


def run_frames(health: Any, clock: Clock, count: int, period_s: float, latency_ms: float) -> None:
    for _ in range(count):
        clock.time_s += period_s
        health.received(0)
        health.processed(latency_ms, {'labels': 1000})


def test_a_running_node_tells_rate_and_latency(health: Any, clock: Clock) -> None:
    run_frames(health, clock, 20, 0.1, 35.0)
    level, text, values = report(health)
    assert level == 0
    assert text == '10.0 Hz'
    assert values['rate [Hz]'] == '10.0'
    assert values['latency median [ms]'] == '35.0'
    assert values['frames processed'] == '20'
    assert values['last error'] == 'none'


def test_silence_of_the_camera_becomes_a_warning_that_names_the_topic(
    health: Any, clock: Clock
) -> None:
    run_frames(health, clock, 3, 0.1, 35.0)
    clock.time_s += 1.9
    assert report(health)[0] == 0
    clock.time_s += 0.2
    level, text, _ = report(health)
    assert level == 1
    assert text == 'no image on /cam for 2.1 s'
    assert report(health, timeout_s=10.0)[0] == 0


def test_an_inactive_node_does_not_miss_images(health: Any, clock: Clock) -> None:
    health.state = 'inactive'
    clock.time_s += 100.0
    assert report(health)[:2] == (0, 'inactive')


def test_a_bad_frame_is_a_warning_for_a_while_and_stays_as_the_last_error(
    health: Any, clock: Clock
) -> None:
    health.received(0)
    health.bad_frame('it is torn')
    level, text, values = report(health, timeout_s=60.0)
    assert level == 1
    assert text == 'unreadable image: it is torn'
    assert values['frames unreadable'] == '1'
    clock.time_s += 6.0
    level, _, values = report(health, timeout_s=60.0)
    assert level == 0
    assert values['last error'] == 'it is torn'


def test_a_fault_is_an_error_until_the_node_recovers(health: Any) -> None:
    health.failed('no such device')
    assert report(health)[:2] == (2, 'no such device')
    health.recovered()
    level, _, values = report(health)
    assert level == 0
    assert values['last error'] == 'no such device'


def test_drops_are_those_the_slot_counted(health: Any) -> None:
    health.received(0)
    health.received(1)
    health.received(2)
    values = report(health)[2]
    assert values['frames received'] == '3'
    assert values['frames dropped'] == '2'


def test_a_latency_that_is_not_known_is_not_averaged(health: Any, clock: Clock) -> None:
    run_frames(health, clock, 3, 0.1, float('nan'))
    assert report(health)[2]['latency median [ms]'] == 'none'


def test_the_rate_of_a_node_that_stopped_is_zero(health: Any, clock: Clock) -> None:
    run_frames(health, clock, 20, 0.1, 35.0)
    clock.time_s += 10.0
    assert report(health)[2]['rate [Hz]'] == '0.0'


def test_the_largest_message_of_each_topic_is_held_against_the_segment(health: Any) -> None:
    from hiseg_ros.ros.transport import Transport

    transport = Transport('a transport', 5000)
    health.processed(1.0, {'labels': 5000, 'overlay/image': 4000})
    assert health.transport_status('/node: transport', transport).level == b'\x00'
    health.processed(1.0, {'labels': 100, 'overlay/image': 15000})
    status = health.transport_status('/node: transport', transport)
    assert status.level == b'\x01'
    assert 'messages on overlay/image exceed' in status.message
    assert {v.key: v.value for v in status.values}['labels [bytes]'] == '5000'
