# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""More images than the network can take: the newest counts, old ones go, every one is counted."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from hiseg_ros.types import RgbImage, Wanted

if TYPE_CHECKING:
    from ros_graph import Graph

pytestmark = pytest.mark.needs('ros')

INFERENCE_S = 0.1
PERIOD_S = 1 / 60
IMAGE = np.zeros((24, 32, 3), np.uint8)


def stamped(message: Any, age_s: float = 0.0) -> Any:
    """Return the message with the time of now, less its age, as its stamp."""
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(
        time.time_ns() - int(1e9 * age_s), 1_000_000_000
    )
    return message


def until_at_rest(graph: Graph, node: Any) -> Any:
    """Wait until each frame that came in was processed or dropped; return the counters."""
    graph.until(
        lambda: node.counters.received == node.counters.processed + node.counters.dropped,
        'the counters add up',
        patience_s=10.0,
    )
    return node.counters


@pytest.mark.alone
def test_at_six_times_its_rate_the_node_shows_the_newest_image_and_answers(graph: Graph) -> None:
    from node_support import HeldEngine, image_message, start_node, wait_active
    from sensor_msgs.msg import Image

    from hiseg_ros.msg import FrameStats

    class Slow(HeldEngine):
        def segment(self, rgb: RgbImage, *wanted: Wanted) -> Any:
            time.sleep(INFERENCE_S)
            return super().segment(rgb, *wanted)

    node = start_node(graph, Slow().load)
    wait_active(graph)
    images = graph.peer.create_publisher(Image, 'image', 1)
    stats = graph.collect(FrameStats, '/segmentation/stats', 100)
    published = 0

    def camera() -> None:
        nonlocal published
        images.publish(stamped(image_message(IMAGE)))
        published += 1

    timer = graph.peer.create_timer(PERIOD_S, camera)
    answers_s = []
    graph.until(lambda: len(stats) >= 5, 'the first results')
    while len(stats) < 20:
        started = time.monotonic()
        graph.state()
        graph.set_parameters({'threshold': 0.5})
        answers_s.append((time.monotonic() - started) / 2)
    graph.peer.destroy_timer(timer)
    counters = until_at_rest(graph, node)
    assert counters.busy > counters.processed, 'it was overloaded'
    assert counters.received == counters.processed + counters.busy
    assert stats[-1].received >= stats[-1].processed + stats[-1].dropped_busy
    assert statistics.median(answers_s) < 0.2
    # What waits is the newest: no older than one period, while a queue would hold back more. The
    # medians, since the machine that tests may be busy.
    assert statistics.median(s.queue_ms for s in stats) < 1e3 * (PERIOD_S + 0.03)
    assert statistics.median(s.latency_ms for s in stats) < 1e3 * (PERIOD_S + INFERENCE_S + 0.05)


def test_images_older_than_max_age_are_dropped_as_stale(graph: Graph) -> None:
    from diagnostic_msgs.msg import DiagnosticArray
    from node_support import HeldEngine, image_message, latest, start_node, wait_active
    from sensor_msgs.msg import Image

    node = start_node(graph, HeldEngine().load, max_age_s=30.0)
    wait_active(graph)
    images = graph.peer.create_publisher(Image, 'image', 1)
    labels = graph.collect(Image, '/segmentation/labels')
    reports = graph.collect(DiagnosticArray, '/diagnostics')
    graph.until(
        lambda: node.counters.stale >= 3,
        'old images are dropped',
        meanwhile=lambda: images.publish(stamped(image_message(IMAGE), 40.0)),
    )
    graph.until(lambda: latest(reports)[0] == b'\x01', 'a WARN')
    assert 's old, more than the 30 s of max_age_s' in latest(reports)[1]
    assert not labels
    for stamp in ('fresh', 'none'):
        message = image_message(IMAGE)
        if stamp == 'none':
            message.header.stamp.sec = message.header.stamp.nanosec = 0
        labels.clear()
        graph.until(
            lambda: labels,
            f'labels of an image whose stamp is {stamp}',
            meanwhile=lambda message=message, stamp=stamp: images.publish(
                stamped(message) if stamp == 'fresh' else message
            ),
        )
    until_at_rest(graph, node)


@pytest.mark.alone
def test_without_images_the_node_is_stale_within_two_seconds_and_recovers_at_the_next(
    graph: Graph,
) -> None:
    from diagnostic_msgs.msg import DiagnosticArray
    from node_support import HeldEngine, image_message, latest, start_node, wait_active
    from sensor_msgs.msg import Image

    start_node(graph, HeldEngine().load)
    wait_active(graph)
    images = graph.peer.create_publisher(Image, 'image', 1)
    reports = graph.collect(DiagnosticArray, '/diagnostics', 10)
    graph.until(
        lambda: latest(reports)[0] == b'\x00' and latest(reports)[2]['frames received'] != '0',
        'images arrive',
        meanwhile=lambda: images.publish(image_message(IMAGE)),
    )
    silent_since = time.monotonic()
    graph.until(lambda: latest(reports)[0] == b'\x03', 'STALE')
    assert time.monotonic() - silent_since < 2.0
    assert 'no image on /image' in latest(reports)[1]
    images.publish(image_message(IMAGE))
    came = time.monotonic()
    graph.until(lambda: latest(reports)[0] == b'\x00', 'OK')
    assert time.monotonic() - came < 0.9, 'at once, not with the next report of each second'


def test_every_frame_has_one_fate_whatever_happens_to_the_node(graph: Graph) -> None:
    from node_support import HeldEngine, image_message, start_node, wait_active
    from ros_graph import ACTIVATE, DEACTIVATE
    from sensor_msgs.msg import Image

    engine = HeldEngine()
    node = start_node(graph, engine.load)
    wait_active(graph)
    images = graph.peer.create_publisher(Image, 'image', 50)

    def send(count: int) -> None:
        for _ in range(count):
            before = node.counters.received
            images.publish(image_message(IMAGE))
            graph.until(lambda before=before: node.counters.received > before, 'a frame arrived')

    graph.until(
        lambda: node.counters.received > 0,
        'the subscription',
        meanwhile=lambda: images.publish(image_message(IMAGE)),
    )
    send(3)
    assert until_at_rest(graph, node).unwanted >= 3, 'nobody listens'

    labels = graph.collect(Image, '/segmentation/labels', 50)
    graph.until(lambda: labels, 'labels', meanwhile=lambda: images.publish(image_message(IMAGE)))
    until_at_rest(graph, node)
    engine.may_go.clear()
    calls = len(engine.calls)
    images.publish(image_message(IMAGE))
    graph.until(lambda: len(engine.calls) > calls, 'the engine holds a frame')
    send(3)
    engine.error = RuntimeError('the device fell off the bus')
    engine.may_go.set()
    graph.until(lambda: graph.state() == 'inactive', 'the node left the active state')
    counters = until_at_rest(graph, node)
    assert counters.busy == 2
    assert counters.stopped == 2, 'the one in work and the one that waited'

    engine.error = None
    assert graph.change_state(ACTIVATE)
    labels.clear()
    graph.until(lambda: labels, 'labels', meanwhile=lambda: images.publish(image_message(IMAGE)))
    assert graph.change_state(DEACTIVATE)
    until_at_rest(graph, node)


@pytest.mark.alone
def test_services_answer_while_the_weights_are_loading(graph: Graph) -> None:
    from diagnostic_msgs.msg import DiagnosticArray
    from node_support import HeldEngine, latest, start_node, wait_active

    engine = HeldEngine()
    engine.may_go.clear()

    def slow_load(parameters: Any) -> Any:
        engine.may_go.wait(60.0)
        return engine.load(parameters)

    start_node(graph, slow_load)
    reports = graph.collect(DiagnosticArray, '/diagnostics')
    graph.until(lambda: graph.state() == 'configuring', 'the node loads')
    answers_s = []
    for _ in range(5):
        started = time.monotonic()
        assert graph.state() == 'configuring'
        assert graph.set_parameters({'threshold': 0.5}) == ''
        answers_s.append((time.monotonic() - started) / 2)
    assert statistics.median(answers_s) < 0.2
    assert 'clean up first' in graph.set_parameters({'device': 'cpu'})
    graph.until(lambda: latest(reports)[2].get('state') == 'configuring', 'diagnostics say so')
    engine.may_go.set()
    wait_active(graph)
