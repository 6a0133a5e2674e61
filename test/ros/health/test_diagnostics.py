# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Health: what counts, what is averaged, and when it is a warning, stale or an error."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.needs('ros')

NOW = 1_700_000_000_000_000_000


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
def camera(clock: Clock) -> Any:
    """Return the health of a camera."""
    from hiseg_ros.ros.health.camera_health import CameraHealth

    return CameraHealth('/cam', now=clock)


@pytest.fixture
def health() -> Any:
    """Return the health of an active node."""
    from hiseg_ros.ros.health.diagnostics import NodeHealth

    return NodeHealth(state='active', facts={'image topic': '/cam', 'model': 'tiny'})


def report(health: Any, camera: Any, timeout_s: float = 2.0) -> tuple[int, str, dict[str, str]]:
    (status,) = health.statuses('/node', {'': camera}, timeout_s)
    assert status.name == '/node: segmentation'
    return status.level[0], status.message, {v.key: v.value for v in status.values}


def run_frames(camera: Any, clock: Clock, count: int, latency_ms: float = 35.0) -> None:
    for number in range(count):
        clock.time_s += 0.1
        camera.received(NOW + number, NOW)
        camera.processed(latency_ms, {'labels': 1000})


def test_a_running_node_tells_rate_and_latency(health: Any, camera: Any, clock: Clock) -> None:
    run_frames(camera, clock, 20)
    level, text, values = report(health, camera)
    assert level == 0
    assert text == '10.0 Hz'
    assert values['rate [Hz]'] == '10.0'
    assert values['latency median [ms]'] == '35.0'
    assert values['frames processed'] == '20'
    assert values['last error'] == 'none'


def test_a_silent_camera_is_stale_until_its_next_image(
    health: Any, camera: Any, clock: Clock
) -> None:
    run_frames(camera, clock, 3)
    clock.time_s += 1.9
    assert report(health, camera)[0] == 0
    clock.time_s += 0.2
    level, text, _ = report(health, camera)
    assert level == 3
    assert text == 'no image on /cam for 2.1 s'
    assert report(health, camera, timeout_s=10.0)[0] == 0
    run_frames(camera, clock, 1)
    assert report(health, camera)[0] == 0


@pytest.mark.parametrize(('state', 'enabled'), [('inactive', True), ('active', False)])
def test_a_node_that_does_not_work_misses_no_images(
    health: Any, camera: Any, clock: Clock, state: str, enabled: bool
) -> None:
    health.state, health.enabled = state, enabled
    clock.time_s += 100.0
    level, text, _ = report(health, camera)
    assert level == 0
    assert text.startswith(state)


@pytest.mark.parametrize(
    'cause', ['busy', 'stale', 'bad', 'unwanted', 'stopped', 'memory', 'rate']
)
def test_each_frame_is_counted_once_under_its_cause(camera: Any, cause: str) -> None:
    for number in range(5):
        camera.received(NOW + number, NOW)
    camera.processed(1.0, {})
    for _ in range(4):
        camera.dropped(cause)
    counters = camera.counters
    assert getattr(counters, cause) == counters.dropped == 4
    assert counters.received == counters.processed + counters.dropped


def test_counts_have_the_names_of_the_statistics() -> None:
    from hiseg_ros.messages.build import COUNTERS
    from hiseg_ros.ros.health.camera_health import Counters

    counters = Counters(1, 2, busy=3, stale=4, bad=5, unwanted=6, stopped=7, memory=8, lost=9)
    assert counters.as_fields() == dict(zip(COUNTERS, range(1, 10), strict=True))


def test_counts_of_cameras_add_up_in_the_nodes_status(health: Any, clock: Clock) -> None:
    from hiseg_ros.ros.health.camera_health import CameraHealth

    cameras = {name: CameraHealth(f'/{name}/image', now=clock) for name in ('front', 'rear')}
    run_frames(cameras['front'], clock, 20)
    clock.time_s += 0.5
    node, front, rear = health.statuses('/node', cameras, 2.0)
    assert (node.level, front.level, rear.level) == (b'\x00', b'\x00', b'\x03')
    assert front.name == '/node: camera front'
    assert rear.message == 'no image on /rear/image for 2.5 s'
    values = {v.key: v.value for v in node.values}
    assert values['frames received'] == values['frames processed'] == '20'


def test_a_bad_frame_is_a_warning_for_a_while_and_stays_as_the_last_error(
    health: Any, camera: Any, clock: Clock
) -> None:
    camera.received(NOW, NOW)
    camera.dropped('bad', 'it is torn')
    level, text, values = report(health, camera, timeout_s=60.0)
    assert level == 1
    assert text == 'unreadable image: it is torn'
    assert values['frames dropped malformed'] == '1'
    clock.time_s += 6.0
    level, _, values = report(health, camera, timeout_s=60.0)
    assert level == 0
    assert values['last error'] == 'it is torn'


def test_lost_messages_and_stamps_ahead_are_warnings_with_numbers(
    health: Any, camera: Any
) -> None:
    camera.lost(3)
    camera.received(NOW + 5_000_000_000, NOW)
    level, text, values = report(health, camera)
    assert level == 1
    assert 'were lost' in text
    assert 'stamps lie 5.0 s ahead' in text
    assert values['messages lost'] == '3'
    assert values['stamps future'] == '1'


def test_an_image_that_was_overtaken_is_to_be_dropped(camera: Any) -> None:
    assert camera.received(NOW, NOW)
    assert not camera.received(NOW - 20_000_000, NOW)
    assert (camera.counters.received, camera.counters.dropped) == (2, 0)
    camera.dropped('stale')
    assert camera.counters.stale == camera.counters.dropped == 1


def test_a_cause_that_does_not_exist_is_refused(camera: Any) -> None:
    with pytest.raises(ValueError, match="'tired'"):
        camera.dropped('tired')
    assert camera.counters.dropped == 0


def test_a_fault_is_an_error_until_the_node_recovers(health: Any, camera: Any) -> None:
    health.failed('no such device')
    assert report(health, camera)[:2] == (2, 'no such device')
    health.recovered()
    level, _, values = report(health, camera)
    assert level == 0
    assert values['last error'] == 'none'


def test_what_is_odd_around_the_node_is_a_warning(health: Any, camera: Any) -> None:
    health.warnings = {'name': 'there are two of us', 'clock': ''}
    level, text, _ = report(health, camera)
    assert level == 1
    assert text.startswith('there are two of us')


@pytest.mark.parametrize('latency_ms', [float('nan'), -5.0])
def test_a_latency_that_cannot_be_is_not_averaged(
    health: Any, camera: Any, clock: Clock, latency_ms: float
) -> None:
    run_frames(camera, clock, 3, latency_ms)
    assert report(health, camera)[2]['latency median [ms]'] == 'none'


def test_the_rate_of_a_node_that_stopped_is_zero(health: Any, camera: Any, clock: Clock) -> None:
    run_frames(camera, clock, 20)
    clock.time_s += 10.0
    assert report(health, camera)[2]['rate [Hz]'] == '0.0'


def test_the_largest_message_of_each_topic_is_held_against_the_segment(
    camera: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hiseg_ros.ros.health import shared_memory
    from hiseg_ros.ros.health.diagnostics import transport_status
    from hiseg_ros.ros.health.transport import Transport

    # Otherwise that of this process, which has one only after a node was made in it.
    monkeypatch.setattr(shared_memory, 'own_segment_bytes', lambda: 5000)
    transport = Transport('a transport', 5000)
    camera.processed(1.0, {'labels': 5000, 'overlay/image': 4000})
    assert transport_status('/node: transport', transport, {'': camera}).level == b'\x00'
    camera.processed(1.0, {'labels': 100, 'overlay/image': 15000})
    status = transport_status('/node: transport', transport, {'front': camera})
    assert status.level == b'\x01'
    assert 'messages on front/overlay/image exceed' in status.message
    assert {v.key: v.value for v in status.values}['front/labels [bytes]'] == '5000'
