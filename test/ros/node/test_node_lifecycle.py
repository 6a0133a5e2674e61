# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The node's life: transitions, parameters, drops, QoS, simulated time."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hiseg_ros.types import RgbImage

if TYPE_CHECKING:
    from ros_graph import Graph

pytestmark = pytest.mark.needs('ros')


def test_without_autostart_the_node_waits_unconfigured(graph: Graph) -> None:
    from node_support import HeldEngine, start_node

    start_node(graph, HeldEngine().load, autostart=False)
    assert graph.state() == 'unconfigured'


def test_three_full_cycles_each_publish_and_free_the_engine(
    graph: Graph, street_image: RgbImage
) -> None:
    from node_support import HeldEngine, image_message, start_node
    from ros_graph import ACTIVATE, CLEANUP, CONFIGURE, DEACTIVATE
    from sensor_msgs.msg import Image

    engine = HeldEngine()
    start_node(graph, engine.load, autostart=False)
    images = graph.peer.create_publisher(Image, 'image', 1)

    def publish() -> None:
        images.publish(image_message(street_image))

    labels = graph.collect(Image, '/segmentation/labels')
    for cycle in range(1, 4):
        assert graph.change_state(CONFIGURE)
        assert graph.state() == 'inactive'
        assert graph.change_state(ACTIVATE)
        assert graph.state() == 'active'
        graph.until(lambda: labels, f'labels in cycle {cycle}', meanwhile=publish)
        assert graph.change_state(DEACTIVATE)
        assert graph.peer.count_subscribers('/image') == 0 or graph.until(
            lambda: graph.peer.count_subscribers('/image') == 0, 'the node unsubscribed'
        )
        calls = len(engine.calls)
        publish()
        assert graph.state() == 'inactive'
        assert graph.change_state(CLEANUP)
        assert graph.state() == 'unconfigured'
        assert len(engine.calls) == calls
        assert engine.closed == cycle
        labels.clear()
    assert engine.threads == {'hiseg_worker'}


def test_deactivated_and_activated_again_the_node_goes_on(
    graph: Graph, street_image: RgbImage
) -> None:
    from node_support import HeldEngine, image_message, start_node, wait_active
    from ros_graph import ACTIVATE, DEACTIVATE
    from sensor_msgs.msg import Image

    start_node(graph, HeldEngine().load)
    wait_active(graph)
    images = graph.peer.create_publisher(Image, 'image', 1)
    labels = graph.collect(Image, '/segmentation/labels')
    for _ in range(3):
        labels.clear()
        graph.until(
            lambda: labels, 'labels', meanwhile=lambda: images.publish(image_message(street_image))
        )
        assert graph.change_state(DEACTIVATE)
        assert graph.change_state(ACTIVATE)


@pytest.mark.needs('torch')
def test_the_configured_node_tells_model_device_and_taxonomy(
    graph: Graph, tiny_checkpoint: Path
) -> None:
    from diagnostic_msgs.msg import DiagnosticArray
    from node_support import latest, start_node, wait_active

    from hiseg_ros.taxonomy import load_taxonomy

    start_node(graph, model=tiny_checkpoint, device='cpu', taxonomy='street')
    wait_active(graph)
    reports = graph.collect(DiagnosticArray, '/diagnostics')
    graph.until(lambda: latest(reports)[2].get('state') == 'active', 'a report while active')
    _, _, values = latest(reports)
    assert values['model'] == str(tiny_checkpoint)
    assert values['device'] == 'cpu'
    assert values['taxonomy digest'] == load_taxonomy('street').digest
    assert values['image topic'] == '/image'
    assert reports[-1].status[0].name == '/segmentation: segmentation'
    graph.until(lambda: latest(reports)[0] == b'\x03', 'STALE while no image comes')
    assert 'no image on /image' in latest(reports)[1]


def test_parameters_that_are_not_live_are_refused_while_configured(graph: Graph) -> None:
    from node_support import HeldEngine, start_node, wait_active
    from ros_graph import CLEANUP, DEACTIVATE

    start_node(graph, HeldEngine().load)
    wait_active(graph)
    assert 'clean up first' in graph.set_parameters({'device': 'cpu'})
    assert graph.change_state(DEACTIVATE)
    assert graph.change_state(CLEANUP)
    assert graph.set_parameters({'device': 'cpu'}) == ''


def test_no_parameter_is_accepted_between_the_reading_of_the_values_and_the_end_of_configuring(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    from node_support import HeldEngine, start_node, wait_active

    from hiseg_ros.ros.node import segmentation_node

    session, begun, may_go = segmentation_node.Session, threading.Event(), threading.Event()

    def slow_session(*arguments: Any) -> Any:
        begun.set()
        may_go.wait(60.0)
        return session(*arguments)

    monkeypatch.setattr(segmentation_node, 'Session', slow_session)
    start_node(graph, HeldEngine().load)
    graph.until(begun.is_set, 'the node creates its publishers')
    refusal = graph.set_parameters({'device': 'cpu'})
    may_go.set()
    assert 'clean up first' in refusal
    wait_active(graph)


def test_a_busy_node_answers_services_keeps_the_newest_frame_and_counts_the_others(
    graph: Graph, street_image: RgbImage
) -> None:
    from node_support import STAMP, HeldEngine, image_message, start_node, wait_active
    from rclpy.qos import QoSProfile
    from sensor_msgs.msg import Image

    from hiseg_ros.msg import FrameStats

    engine = HeldEngine()
    node = start_node(graph, engine.load)
    wait_active(graph)
    images = graph.peer.create_publisher(Image, 'image', QoSProfile(depth=20))
    labels = graph.collect(Image, '/segmentation/labels', 20)
    stats = graph.collect(FrameStats, '/segmentation/stats', 20)
    graph.until(
        lambda: labels and stats,
        'the first results',
        meanwhile=lambda: images.publish(image_message(street_image)),
    )
    engine.may_go.clear()
    calls = len(engine.calls)
    images.publish(image_message(street_image, 1))
    graph.until(lambda: len(engine.calls) > calls, 'the engine holds a frame')
    number = 1
    for number in range(2, 8):
        before = node.counters.received
        images.publish(image_message(street_image, number))
        graph.until(
            lambda before=before: node.counters.received > before, f'frame {number} has arrived'
        )
    assert graph.state() == 'active', 'services answer while a frame is in work'
    assert graph.set_parameters({'threshold': 0.5}) == ''
    labels.clear()
    stats.clear()
    engine.may_go.set()
    graph.until(lambda: len(stats) >= 2, 'the held frame and the newest one')
    seconds = [message.header.stamp.sec - STAMP.sec for message in labels]
    assert seconds[-1] == number, 'the newest frame was kept'
    assert not set(seconds) & set(range(2, number)), 'those between were not worked on'
    assert stats[-1].dropped_busy >= number - 2
    assert stats[-1].received == stats[-1].processed + stats[-1].dropped_busy
    assert engine.calls[-1]['threshold'] == 0.5


def test_messages_beyond_the_shared_memory_segment_are_a_warning(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    import numpy as np
    from diagnostic_msgs.msg import DiagnosticArray
    from node_support import HeldEngine, image_message, latest, start_node, wait_active
    from sensor_msgs.msg import Image

    for name in ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE'):
        monkeypatch.delenv(name, raising=False)
    start_node(graph, HeldEngine().load)
    wait_active(graph)
    images = graph.peer.create_publisher(Image, 'image', 1)
    labels = graph.collect(Image, '/segmentation/labels')
    reports = graph.collect(DiagnosticArray, '/diagnostics')

    def show(height: int, width: int) -> None:
        image = np.zeros((height, width, 3), np.uint8)
        labels.clear()
        graph.until(
            lambda: labels, 'labels', meanwhile=lambda: images.publish(image_message(image))
        )

    show(480, 640)
    reports.clear()
    graph.until(lambda: 'labels [bytes]' in latest(reports, 1)[2], 'a report on the transport')
    assert latest(reports, 1)[0] == b'\x00'
    show(512, 1024)
    graph.until(lambda: latest(reports, 1)[0] == b'\x01', 'a WARN about the transport')
    assert 'labels exceed the shared-memory segment of 524288 bytes' in latest(reports, 1)[1]
    assert 'fastdds_shm.xml' in latest(reports, 1)[1]


def test_a_qos_override_is_what_the_graph_sees(graph: Graph) -> None:
    from node_support import HeldEngine, start_node, wait_active
    from rclpy.qos import ReliabilityPolicy

    name = 'qos_overrides./segmentation/labels.publisher.reliability'
    start_node(graph, HeldEngine().load, **{name: 'best_effort'})
    wait_active(graph)
    for topic, reliability in (
        ('labels', ReliabilityPolicy.BEST_EFFORT),
        ('confidence', ReliabilityPolicy.RELIABLE),
    ):
        (publisher,) = graph.until(
            lambda topic=topic: graph.peer.get_publishers_info_by_topic(f'/segmentation/{topic}'),
            f'the publisher of {topic}',
        )
        assert publisher.qos_profile.reliability == reliability
