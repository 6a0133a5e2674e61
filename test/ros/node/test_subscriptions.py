# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Images that were published and never reached the node are counted, and no others."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from ros_graph import Graph

pytestmark = pytest.mark.needs('ros')

IMAGE = np.zeros((24, 32, 3), np.uint8)


@contextmanager
def executor_held(graph: Graph, node: Any) -> Iterator[None]:
    """Keep the node's thread from taking images, as a busy machine does."""
    held, may_go = threading.Event(), threading.Event()

    def hold() -> None:
        held.set()
        may_go.wait(30.0)

    node.executor.create_task(hold)
    try:
        graph.until(held.is_set, 'the thread is held')
        yield
    finally:
        may_go.set()


def send(graph: Graph, node: Any, images: Any, message: Any) -> None:
    """Send an image and wait until it has come."""
    before = node.counters.received
    images.publish(message)
    graph.until(lambda: node.counters.received > before, 'the image arrived')


def heard(graph: Graph, node: Any, images: Any, message: Any) -> int:
    """Send images until the node gets what is sent; return how many it has received or lost."""
    before = node.counters.received
    graph.until(
        lambda: node.counters.received > before, 'an image',
        meanwhile=lambda: images.publish(message),
    )  # fmt: skip
    before = 0
    while (now := node.counters.received + node.counters.lost) > before:
        before = now
        wait(graph, 0.3)
    return before


def wait(graph: Graph, seconds: float) -> None:
    """Let the graph go on for a while."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        graph.spin(0.05)


def test_images_that_newer_ones_replaced_in_the_queue_are_counted(graph: Graph) -> None:
    """By the node, in its diagnostics, and in the sum of all cameras."""
    from diagnostic_msgs.msg import DiagnosticArray
    from node_support import HeldEngine, image_message, latest, start_node, wait_active
    from sensor_msgs.msg import Image

    node = start_node(graph, HeldEngine().load, cameras=['front', 'rear'], image_timeout=60.0)
    wait_active(graph)
    reports = graph.collect(DiagnosticArray, '/diagnostics')
    images = graph.peer.create_publisher(Image, 'front/image', 30)
    before = heard(graph, node, images, image_message(IMAGE))
    assert node.counters.lost == 0
    with executor_held(graph, node):
        for number in range(10):
            images.publish(image_message(IMAGE, number))
    graph.until(lambda: node.counters.lost, 'it goes on')
    send(graph, node, images, image_message(IMAGE, 11))
    found = node.counters_of_cameras
    assert found['front'].lost == 9
    assert found['front'].received + found['front'].lost == before + 11
    assert found['rear'].lost == 0
    assert node.counters.lost == 9
    graph.until(lambda: latest(reports)[2].get('messages lost') == '9', 'the node says so')
    assert latest(reports, 2)[2]['messages lost'] == '9', 'and the camera'
    assert latest(reports)[0] == b'\x00', 'nothing is wrong: newer ones took their places'


def test_images_lost_on_the_wire_are_counted_and_a_warning(graph: Graph) -> None:
    """What is larger than the shared memory does not reach best-effort readers whole."""
    from node_support import HeldEngine, image_message, start_node, wait_active
    from rclpy.qos import QoSProfile, ReliabilityPolicy
    from sensor_msgs.msg import Image

    node = start_node(graph, HeldEngine().load, image_reliability='best_effort')
    wait_active(graph)
    qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    images = graph.peer.create_publisher(Image, 'image', qos)
    published = heard(graph, node, images, image_message(IMAGE))
    large = image_message(np.zeros((1200, 1200, 3), np.uint8))
    for _ in range(8):
        images.publish(large)
        published += 1
        wait(graph, 0.05)
    # Until one arrives; those that are sent too soon after a large one are lost as well.
    before = node.counters.received
    while node.counters.received == before:
        images.publish(image_message(IMAGE, published))
        published += 1
        wait(graph, 0.3)
    assert node.counters.received + node.counters.lost == published
    if node.counters.lost:  # a machine with larger shared memory loses none
        (health,) = node._cameras().values()
        graph.until(
            lambda: 'were lost on their way' in health.condition(True, 60.0)[1], 'it is said'
        )


def test_a_driver_that_starts_over_or_has_a_rival_loses_nothing(graph: Graph) -> None:
    """Its numbers begin anew; those of two are not distinguished."""
    from node_support import HeldEngine, image_message, start_node, wait_active
    from sensor_msgs.msg import Image

    node = start_node(graph, HeldEngine().load)
    wait_active(graph)
    images = graph.peer.create_publisher(Image, 'image', 30)
    heard(graph, node, images, image_message(IMAGE))
    for number in range(6):
        send(graph, node, images, image_message(IMAGE, number))
    rival = graph.peer.create_publisher(Image, 'image', 30)
    heard(graph, node, rival, image_message(IMAGE))
    for number in range(6, 10):
        send(graph, node, rival, image_message(IMAGE, number))
        send(graph, node, images, image_message(IMAGE, number))
    assert node.counters.lost == 0
    graph.peer.destroy_publisher(images)
    graph.until(lambda: graph.peer.count_publishers('image') == 1, 'it has gone')
    for number in range(10, 13):
        send(graph, node, rival, image_message(IMAGE, number))
    assert node.counters.lost == 0
    with executor_held(graph, node):
        for number in range(13, 17):
            rival.publish(image_message(IMAGE, number))
    before = node.counters.received
    graph.until(lambda: node.counters.received > before or node.counters.lost, 'it goes on')
    assert node.counters.lost == 3


def test_images_sent_while_the_node_did_not_listen_are_no_loss(graph: Graph) -> None:
    """It was deactivated or disabled on request."""
    from node_support import HeldEngine, image_message, start_node, wait_active
    from ros_graph import ACTIVATE, DEACTIVATE
    from sensor_msgs.msg import Image

    node = start_node(graph, HeldEngine().load)
    wait_active(graph)
    images = graph.peer.create_publisher(Image, 'image', 30)
    heard(graph, node, images, image_message(IMAGE))
    assert graph.change_state(DEACTIVATE)
    for number in range(5):
        images.publish(image_message(IMAGE, number))
    assert graph.change_state(ACTIVATE)
    before = node.counters.received
    graph.until(
        lambda: node.counters.received > before + 1,
        'images arrive again',
        meanwhile=lambda: images.publish(image_message(IMAGE, 9)),
    )
    assert node.counters.lost == 0
