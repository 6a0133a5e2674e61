# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""max_rate and rotation in the real graph."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from hiseg_ros.types import NodeProbabilities, RgbImage, Segmentation, Wanted

if TYPE_CHECKING:
    from ros_graph import Graph

pytestmark = pytest.mark.needs('ros')

SIZE = (16, 24)


def top_engine() -> Any:
    """Return an engine that labels the upper half of what it sees 1, the lower half 2."""
    from node_support import HeldEngine

    class Halves(HeldEngine):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[tuple[int, int]] = []

        def segment(self, rgb: RgbImage, *wanted: Wanted) -> Segmentation:
            super().segment(rgb, *wanted)
            self.seen.append((rgb.shape[0], rgb.shape[1]))
            labels = np.full(rgb.shape[:2], 2, np.uint8)
            labels[: len(labels) // 2] = 1
            values = np.zeros((len(self.taxonomy), 4, 6), np.float32)
            values[1, :2] = 1.0
            return Segmentation(
                labels, 100 * labels, NodeProbabilities(values, (rgb.shape[0], rgb.shape[1]))
            )

    return Halves()


def test_results_of_a_turned_camera_are_as_it_sees(graph: Graph) -> None:
    """The network sees upright images; labels, levels and probabilities fit the camera's own."""
    from node_support import image_message, pixels, start_node, wait_active
    from sensor_msgs.msg import Image

    from hiseg_ros.msg import ProbabilityMap

    engine = top_engine()
    cameras = ['left', 'right']
    start_node(
        graph, engine.load, cameras=cameras, rotation=[90, 0], image_sizes=['16x24'], max_batch=1
    )
    wait_active(graph)
    assert sorted(set(engine.seen)) == [(16, 24), (24, 16)], 'warmed up as the network sees'
    images = {name: graph.peer.create_publisher(Image, f'{name}/image', 1) for name in cameras}
    labels = {n: graph.collect(Image, f'/segmentation/{n}/labels') for n in cameras}
    maps = {
        n: graph.collect(ProbabilityMap, f'/segmentation/{n}/level_1/probabilities')
        for n in cameras
    }

    def publish() -> None:
        for publisher in images.values():
            publisher.publish(image_message(np.zeros((*SIZE, 3), np.uint8)))

    graph.until(lambda: all((*labels.values(), *maps.values())), 'results', meanwhile=publish)
    # The left camera's image has the world's top at its left.
    expected = np.full(SIZE, 2, np.uint8)
    expected[:, :12] = 1
    np.testing.assert_array_equal(pixels(labels['left'][-1]), expected)
    upright = np.full(SIZE, 2, np.uint8)
    upright[:8] = 1
    np.testing.assert_array_equal(pixels(labels['right'][-1]), upright)
    left, right = maps['left'][-1], maps['right'][-1]
    assert (left.height, left.width) == (6, 4) and (right.height, right.width) == (4, 6)
    assert (left.image_height, left.image_width) == SIZE
    node = list(left.node_ids).index(1)
    plane = np.frombuffer(bytes(left.data), np.uint8).reshape(-1, 6, 4)[node]
    assert (plane[:, :2] == 255).all() and (plane[:, 2:] == 0).all()


def test_rotations_that_do_not_fit_the_cameras_are_refused_in_a_sentence(graph: Graph) -> None:
    """One for all, or one for each; one number is taken as a list."""
    from node_support import HeldEngine, start_node
    from ros_graph import CONFIGURE

    node = start_node(
        graph, HeldEngine().load, autostart=False, cameras=['a', 'b'], rotation=[0, 90, 180]
    )
    assert not graph.change_state(CONFIGURE)
    assert 'rotation has 3 entries for 2 cameras' in node._health.last_error
    assert 'expected 0, 90, 180 or 270' in graph.set_parameters({'rotation': 45})
    assert graph.set_parameters({'rotation': 270}) == ''
    assert graph.change_state(CONFIGURE)


def test_images_beyond_max_rate_are_dropped_and_counted(graph: Graph) -> None:
    """Every image has one fate, in diagnostics too; ~/stats counts without them."""
    from node_support import HeldEngine, latest, start_drive

    from hiseg_ros.msg import FrameStats

    drive = start_drive(graph, HeldEngine(), np.zeros((*SIZE, 3), np.uint8), max_rate=4.0)
    stats = graph.collect(FrameStats, '/segmentation/stats')
    graph.until(lambda: drive.labels[''] and stats, 'labels', meanwhile=drive.publish)
    started, before = time.monotonic(), len(drive.labels[''])
    graph.until(
        lambda: time.monotonic() - started > 2.0 and len(drive.labels['']) > before,
        'two seconds',
        meanwhile=drive.publish,
    )
    passed_s = time.monotonic() - started
    assert len(drive.labels['']) - before <= 4.0 * passed_s + 2

    def counted() -> bool:
        found = drive.node.counters
        return found.received == found.processed + found.dropped

    graph.until(counted, 'every image has its fate')
    counters = drive.node.counters
    assert counters.rate > 0
    assert stats[-1].received < counters.received
    graph.until(
        lambda: latest(drive.reports)[2].get('frames dropped rate') == str(counters.rate),
        'the diagnostics count them',
    )
    # It is live; 0 takes all.
    assert graph.set_parameters({'max_rate': 0}) == ''
    count, sent = len(drive.labels['']), 0

    def publish() -> None:
        nonlocal sent
        sent += 1
        drive.publish()

    graph.until(lambda: len(drive.labels['']) > count + 5, 'all images', meanwhile=publish)
    assert drive.node.counters.rate == counters.rate
