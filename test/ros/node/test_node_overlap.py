# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Messages go out beside the network where images wait: nothing is lost, mixed up or delayed."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from ros_graph import Graph

pytestmark = pytest.mark.needs('ros')


@pytest.fixture
def held_labels(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Hold the building of label messages; returns (may go, threads that were in it)."""
    from hiseg_ros.ros.messages.builder import messages

    may_go, threads = threading.Event(), list[str]()
    may_go.set()
    build = messages.labels_message

    def slow(*given: Any) -> Any:
        threads.append(threading.current_thread().name)
        may_go.wait(60.0)
        return build(*given)

    monkeypatch.setattr(messages, 'labels_message', slow)
    return may_go, threads


def running_node(graph: Graph, overlap: bool) -> tuple[Any, Any, Any, list[Any]]:
    """Return node, engine, image publisher and the labels that arrive, after a first frame."""
    from node_support import HeldEngine, image_message, start_node, wait_active
    from sensor_msgs.msg import Image

    engine = HeldEngine()
    node = start_node(graph, engine.load, overlap=overlap)
    wait_active(graph)
    images = graph.peer.create_publisher(Image, 'image', 5)
    labels = graph.collect(Image, '/segmentation/labels')
    rgb = np.zeros((24, 32, 3), np.uint8)
    graph.until(lambda: labels, 'labels', meanwhile=lambda: images.publish(image_message(rgb)))
    graph.until(
        lambda: node.counters.received == node.counters.processed + node.counters.dropped,
        'all frames are through',
    )
    labels.clear()
    return node, engine, images, labels


def press(graph: Graph, node: Any, engine: Any, images: Any) -> None:
    """Let two frames arrive while the first is in the network, then let the network go on."""
    from node_support import image_message

    rgb = np.zeros((24, 32, 3), np.uint8)
    calls, received = len(engine.calls), node.counters.received
    engine.may_go.clear()
    images.publish(image_message(rgb, 1))
    graph.until(lambda: len(engine.calls) > calls, 'the engine holds a frame')
    images.publish(image_message(rgb, 2))
    graph.until(lambda: node.counters.received == received + 2, 'the second frame waits')
    engine.may_go.set()


def test_the_next_frame_is_segmented_while_messages_are_built(
    graph: Graph, held_labels: Any
) -> None:
    """The second frame is in the network though the first one's labels are not out yet."""
    from node_support import header

    may_go, threads = held_labels
    node, engine, images, labels = running_node(graph, overlap=True)
    assert set(threads) == {'hiseg_worker'}
    calls = len(engine.calls)
    may_go.clear()
    press(graph, node, engine, images)
    graph.until(lambda: len(engine.calls) == calls + 2, 'both frames are segmented')
    assert not labels
    assert threads[-1] == 'hiseg_publishing'
    may_go.set()
    graph.until(lambda: len(labels) == 2, 'both labels')
    assert [one.header for one in labels] == [header(1), header(2)]
    graph.until(
        lambda: node.counters.received == node.counters.processed + node.counters.dropped,
        'each frame is counted once',
    )


def test_without_overlap_the_worker_publishes_itself(graph: Graph, held_labels: Any) -> None:
    """The second frame waits until the first one's messages are out."""
    may_go, threads = held_labels
    node, engine, images, labels = running_node(graph, overlap=False)
    calls = len(engine.calls)
    may_go.clear()
    built = len(threads)
    press(graph, node, engine, images)
    graph.until(lambda: len(threads) == built + 1, 'messages are being built')
    graph.spin(0.2)
    assert len(engine.calls) == calls + 1
    may_go.set()
    graph.until(lambda: len(labels) == 2, 'both labels')
    assert set(threads) == {'hiseg_worker'}


def test_deactivation_waits_for_what_is_being_published(graph: Graph, held_labels: Any) -> None:
    """The labels of a frame that was segmented go out before the publishers are disabled."""
    may_go, _ = held_labels
    node, engine, images, labels = running_node(graph, overlap=True)
    calls = len(engine.calls)
    may_go.clear()
    press(graph, node, engine, images)
    graph.until(lambda: len(engine.calls) == calls + 2, 'both frames are segmented')
    ended = threading.Event()

    def deactivate() -> None:
        node.trigger_deactivate()
        ended.set()

    thread = threading.Thread(target=deactivate)
    thread.start()
    graph.spin(0.2)
    assert not ended.is_set()
    may_go.set()
    graph.until(lambda: ended.is_set(), 'the node is inactive')
    thread.join()
    graph.until(lambda: len(labels) == 2, 'both labels')
    counters = node.counters
    assert counters.received == counters.processed + counters.dropped


def test_a_fault_while_publishing_beside_is_counted_and_reported(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The frame counts as stopped, and the node leaves the active state as for any fault."""
    from hiseg_ros.ros.messages.builder import messages

    node, engine, images, _ = running_node(graph, overlap=True)
    before = node.counters
    build = messages.labels_message

    def fail(*given: Any) -> Any:
        if threading.current_thread().name == 'hiseg_publishing':
            raise ValueError('out of luck')
        return build(*given)

    monkeypatch.setattr(messages, 'labels_message', fail)
    press(graph, node, engine, images)
    graph.until(
        lambda: (
            node.counters.received == node.counters.processed + node.counters.dropped
            and node.counters.stopped == before.stopped + 1
        ),
        'the frame is counted',
    )
    graph.until(lambda: node._health.state == 'inactive', 'the node is inactive')
