# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""QoS that does not fit is said; clocks that jump and stamps that cannot be stop nothing."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from ros_graph import Graph

pytestmark = pytest.mark.needs('ros')

IMAGE = np.zeros((24, 32, 3), np.uint8)


def test_a_camera_whose_reliability_does_not_fit_is_named_until_it_goes(graph: Graph) -> None:
    from diagnostic_msgs.msg import DiagnosticArray
    from node_support import HeldEngine, latest, start_node, wait_active
    from rclpy.qos import qos_profile_sensor_data
    from sensor_msgs.msg import Image

    start_node(graph, HeldEngine().load, image_reliability='reliable', image_timeout=60.0)
    wait_active(graph)
    reports = graph.collect(DiagnosticArray, '/diagnostics')
    images = graph.peer.create_publisher(Image, 'image', qos_profile_sensor_data)
    graph.until(lambda: latest(reports)[0] == b'\x01', 'a WARN')
    sentence = latest(reports)[1]
    assert 'a publisher of /image is not heard, since its RELIABILITY is incompatible' in sentence
    assert 'image_reliability' in sentence
    graph.peer.destroy_publisher(images)
    graph.until(lambda: latest(reports)[0] == b'\x00', 'the WARN is gone')


@pytest.mark.parametrize('asked', ['reliable', 'best_effort'])
def test_the_parameter_overrides_what_the_camera_offers(graph: Graph, asked: str) -> None:
    from node_support import HeldEngine, start_node, wait_active
    from rclpy.qos import ReliabilityPolicy
    from sensor_msgs.msg import Image

    graph.peer.create_publisher(Image, 'image', 1)
    start_node(graph, HeldEngine().load, image_reliability=asked)
    wait_active(graph)
    (found,) = graph.until(
        lambda: graph.peer.get_subscriptions_info_by_topic('/image'), 'the subscription'
    )
    assert found.qos_profile.reliability == ReliabilityPolicy[asked.upper()]


def test_a_reader_that_asks_for_what_the_outputs_lack_is_named(graph: Graph) -> None:
    from diagnostic_msgs.msg import DiagnosticArray
    from node_support import HeldEngine, latest, start_node, wait_active
    from rclpy.qos import DurabilityPolicy, QoSProfile
    from sensor_msgs.msg import Image

    start_node(graph, HeldEngine().load, image_timeout=60.0)
    wait_active(graph)
    reports = graph.collect(DiagnosticArray, '/diagnostics')
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    graph.collect(Image, '/segmentation/labels', latched)
    graph.until(lambda: latest(reports)[0] == b'\x01', 'a WARN')
    assert (
        'a subscriber of ~/labels asks for a DURABILITY that is not offered' in latest(reports)[1]
    )


def test_lost_messages_are_counted(graph: Graph) -> None:
    from diagnostic_msgs.msg import DiagnosticArray
    from node_support import HeldEngine, latest, start_node, wait_active

    node = start_node(graph, HeldEngine().load, image_timeout=60.0)
    wait_active(graph)
    reports = graph.collect(DiagnosticArray, '/diagnostics')
    (images,) = (s for s in node.subscriptions if s.topic_name == '/image')
    callbacks = {handler.callback.__name__: handler.callback for handler in images.event_handlers}
    callbacks['_on_lost'](SimpleNamespace(total_count=3, total_count_change=3))
    graph.until(lambda: latest(reports)[0] == b'\x01', 'a WARN')
    assert 'messages of /image were lost on their way' in latest(reports)[1]
    assert latest(reports)[2]['messages lost'] == '3'


def test_simulated_time_may_jump_forwards_and_backwards(graph: Graph) -> None:
    from builtin_interfaces.msg import Time
    from node_support import HeldEngine, image_message, start_node, wait_active
    from rosgraph_msgs.msg import Clock
    from sensor_msgs.msg import Image

    from hiseg_ros.msg import FrameStats

    node = start_node(graph, HeldEngine().load, use_sim_time=True, max_age_s=5.0)
    wait_active(graph)
    clock = graph.peer.create_publisher(Clock, '/clock', 1)
    images = graph.peer.create_publisher(Image, 'image', 1)
    stats = graph.collect(FrameStats, '/segmentation/stats')
    # A bag of 20 s: played, skipped ahead an hour, started over twice, the second time by a
    # little, as in a short loop.
    for second in (1000, 1010, 4600, 1000, 1020, 1019, 1000):
        stats.clear()

        def publish(second: int = second) -> None:
            clock.publish(Clock(clock=Time(sec=second, nanosec=500_000_000)))
            message = image_message(IMAGE)
            message.header.stamp = Time(sec=second, nanosec=0)
            images.publish(message)

        graph.until(
            lambda: any(abs(entry.latency_ms - 500.0) < 1.0 for entry in stats),
            f'a result at {second} s',
            meanwhile=publish,
            patience_s=10.0,
        )
    assert graph.state() == 'active'
    assert node.counters.bad == 0


def test_simulated_time_that_nobody_gives_is_said(graph: Graph) -> None:
    from diagnostic_msgs.msg import DiagnosticArray
    from node_support import HeldEngine, latest, start_node, wait_active

    start_node(graph, HeldEngine().load, use_sim_time=True, image_timeout=60.0)
    wait_active(graph)
    reports = graph.collect(DiagnosticArray, '/diagnostics')
    graph.until(lambda: latest(reports)[0] == b'\x01', 'a WARN')
    assert 'nobody publishes the time on /clock' in latest(reports)[1]


def test_odd_stamps_are_counted_and_only_an_overtaken_image_is_dropped(graph: Graph) -> None:
    from node_support import HeldEngine, start_node, wait_active
    from sensor_msgs.msg import Image

    from hiseg_ros.msg import FrameStats

    node = start_node(graph, HeldEngine().load)
    wait_active(graph)
    images = graph.peer.create_publisher(Image, 'image', 20)
    stats = graph.collect(FrameStats, '/segmentation/stats', 20)

    def send(stamp_ms: int) -> list[Any]:
        """Send one image and return the statistics of its result."""
        before = node.counters.received
        stats.clear()
        images.publish(stamped(stamp_ms))
        graph.until(lambda: node.counters.received > before, 'the image arrived')
        graph.until(
            lambda: node.counters.received == node.counters.processed + node.counters.dropped,
            'it has gone through',
        )
        graph.until(lambda: stats or node.counters.stale, 'its statistics')
        return list(stats)

    graph.until(lambda: stats, 'the first result', meanwhile=lambda: images.publish(stamped(1000)))
    assert [s.header.stamp.sec for s in send(2000)] == [2]
    assert [s.header.stamp.sec for s in send(2000)] == [2], 'repeated'
    for none in (0, -5000):
        (unknown,) = send(none)
        assert math.isnan(unknown.latency_ms)
    (future,) = send(2 * 10**12)
    assert future.latency_ms < 0
    (restarted,) = send(3000)
    assert restarted.header.stamp.sec == 3
    assert send(2900) == []
    assert node.counters.stale == 1
    (values,) = (health.values() for health in node._cameras().values())
    for kind, count in (('zero', '2'), ('future', '1'), ('overtaken', '1')):
        assert values[f'stamps {kind}'] == count, kind
    assert int(values['stamps repeated']) >= 1
    assert values['latency median [ms]'] != 'none'


def stamped(stamp_ms: int) -> Any:
    """Return an image with a stamp in milliseconds."""
    from builtin_interfaces.msg import Time
    from node_support import image_message

    message = image_message(IMAGE)
    message.header.stamp = Time(sec=stamp_ms // 1000, nanosec=stamp_ms % 1000 * 1_000_000)
    return message


def test_a_camera_may_change_its_encoding_in_mid_stream(graph: Graph) -> None:
    from node_support import HeldEngine, header, start_node, wait_active
    from sensor_msgs.msg import Image

    node = start_node(graph, HeldEngine().load)
    wait_active(graph)
    images = graph.peer.create_publisher(Image, 'image', 1)
    labels = graph.collect(Image, '/segmentation/labels')
    for number, (encoding, size) in enumerate((('rgb8', 3), ('mono8', 1), ('bgra8', 4))):
        message = Image(
            header=header(10 * number), height=24, width=32, encoding=encoding, step=32 * size,
            data=bytes(24 * 32 * size),
        )  # fmt: skip
        graph.until(
            lambda message=message: any(got.header == message.header for got in labels),
            f'labels of an image in {encoding}',
            meanwhile=lambda message=message: images.publish(message),
        )
    assert node.counters.bad == 0
