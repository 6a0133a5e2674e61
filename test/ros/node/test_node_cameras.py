# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Many cameras, one network: own topics, one batch, own counts, and none waits for a dead one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from hiseg_ros.types import RgbImage, Wanted

if TYPE_CHECKING:
    from ros_graph import Graph

pytestmark = pytest.mark.needs('ros')

NAMES = ['front', 'left', 'rig/rear']


def image(encoding: str, height: int, width: int, number: int = 0) -> Any:
    """Return an image message of that encoding and size."""
    from node_support import header
    from sensor_msgs.msg import Image

    step = {'mono8': 1, 'bgra8': 4, 'rgb8': 3}[encoding] * width
    return Image(
        header=header(number), height=height, width=width, encoding=encoding, step=step,
        data=bytes(step * height),
    )  # fmt: skip


def publishers(graph: Graph, names: list[str] = NAMES) -> dict[str, Any]:
    """Return a publisher of each camera's images."""
    from sensor_msgs.msg import Image

    return {name: graph.peer.create_publisher(Image, f'{name}/image', 1) for name in names}


def test_each_camera_has_its_own_topics_whatever_its_size_and_encoding(graph: Graph) -> None:
    from node_support import HeldEngine, header, start_node, wait_active
    from sensor_msgs.msg import CameraInfo, Image

    from hiseg_ros.msg import FrameStats

    start_node(graph, HeldEngine().load, cameras=NAMES)
    wait_active(graph)
    sent = {
        'front': image('rgb8', 48, 64, 1),
        'left': image('mono8', 30, 40, 2),
        'rig/rear': image('bgra8', 48, 64, 3),
    }
    images = publishers(graph)
    info = graph.peer.create_publisher(CameraInfo, 'left/camera_info', 1)
    labels, stats = (
        {name: graph.collect(kind, f'/segmentation/{name}/{topic}') for name in NAMES}
        for kind, topic in ((Image, 'labels'), (FrameStats, 'stats'))
    )
    infos = graph.collect(CameraInfo, '/segmentation/left/overlay/camera_info')

    def publish() -> None:
        info.publish(CameraInfo(height=30, width=40))
        for name, publisher in images.items():
            publisher.publish(sent[name])

    graph.until(
        lambda: all(labels.values()) and all(stats.values()) and infos,
        'results of all cameras',
        meanwhile=publish,
    )
    for number, name in enumerate(NAMES, 1):
        assert labels[name][-1].header == header(number)
        assert (labels[name][-1].height, labels[name][-1].width) == (
            sent[name].height, sent[name].width,
        )  # fmt: skip
        assert stats[name][-1].header == header(number)
        assert stats[name][-1].image_height == sent[name].height
    assert infos[-1].header == header(2)


def test_frames_that_are_at_hand_run_as_one_batch(graph: Graph) -> None:
    from node_support import HeldEngine, start_node, wait_active
    from sensor_msgs.msg import Image

    from hiseg_ros.msg import FrameStats

    engine = HeldEngine()
    node = start_node(graph, engine.load, cameras=NAMES)
    wait_active(graph)
    images = publishers(graph)
    labels = {name: graph.collect(Image, f'/segmentation/{name}/labels') for name in NAMES}
    graph.until(
        lambda: all(labels.values()),
        'results of all cameras',
        meanwhile=lambda: [p.publish(image('rgb8', 48, 64)) for p in images.values()],
    )
    graph.until(lambda: is_at_rest(node), 'all frames are through')
    engine.may_go.clear()
    calls = len(engine.calls)
    images['front'].publish(image('rgb8', 48, 64, 1))
    graph.until(lambda: len(engine.calls) > calls, 'the engine holds a frame')
    received = node.counters.received
    for publisher in images.values():
        publisher.publish(image('rgb8', 48, 64, 2))
    graph.until(lambda: node.counters.received == received + 3, 'one frame of each waits')
    engine.batches.clear()
    stats = graph.collect(FrameStats, '/segmentation/left/stats')
    graph.until(
        lambda: graph.peer.count_subscribers('/segmentation/left/stats'), 'the subscription'
    )
    graph.spin(0.2)
    engine.may_go.set()
    graph.until(lambda: stats, 'statistics')
    assert engine.batches == [[(48, 64)] * 3]
    assert stats[-1].batch_size == 3


def is_at_rest(node: Any) -> bool:
    """Return whether each frame that came in has gone out or was counted as dropped."""
    counters = node.counters
    return bool(counters.received) and counters.received == counters.processed + counters.dropped


def test_with_max_batch_1_each_frame_runs_alone_in_turn(graph: Graph) -> None:
    from node_support import HeldEngine, start_node, wait_active
    from sensor_msgs.msg import Image

    engine = HeldEngine()
    start_node(graph, engine.load, cameras=NAMES, max_batch=1)
    wait_active(graph)
    images = publishers(graph)
    labels = {name: graph.collect(Image, f'/segmentation/{name}/labels') for name in NAMES}
    graph.until(
        lambda: all(labels.values()),
        'results of all cameras',
        meanwhile=lambda: [p.publish(image('rgb8', 48, 64)) for p in images.values()],
    )
    assert engine.batches == []


def test_a_dead_camera_is_stale_and_delays_none_of_the_others(graph: Graph) -> None:
    from diagnostic_msgs.msg import DiagnosticArray
    from node_support import HeldEngine, start_node, wait_active
    from sensor_msgs.msg import Image

    from hiseg_ros.msg import FrameStats

    node = start_node(
        graph, HeldEngine().load, cameras=['front', 'dead'], max_batch_wait_ms=1000.0,
        image_timeout=0.5,
    )  # fmt: skip
    wait_active(graph)
    images = publishers(graph, ['front', 'dead'])
    stats = graph.collect(FrameStats, '/segmentation/front/stats', 50)
    graph.collect(Image, '/segmentation/dead/labels')
    reports = graph.collect(DiagnosticArray, '/diagnostics')
    graph.until(
        lambda: stats and node.counters.processed >= 2,
        'results of both',
        meanwhile=lambda: [p.publish(image('rgb8', 48, 64)) for p in images.values()],
    )
    stats.clear()
    graph.until(
        lambda: len(stats) >= 10,
        'results of the camera that lives',
        meanwhile=lambda: images['front'].publish(image('rgb8', 48, 64)),
    )
    waits = sorted(message.queue_ms for message in stats)
    assert waits[-2] < 500.0, 'it waits for the dead one once at most'

    def levels() -> dict[str, bytes]:
        statuses = reports[-1].status if reports else []
        return {status.name: status.level for status in statuses}

    graph.until(
        lambda: (
            levels().get('/segmentation: camera dead') == b'\x03'
            and levels()['/segmentation: camera front'] == b'\x00'
        ),
        'the dead one is stale, the other is not',
        meanwhile=lambda: images['front'].publish(image('rgb8', 48, 64)),
    )
    assert levels()['/segmentation: segmentation'] == b'\x00'


def test_a_malformed_image_of_one_camera_costs_the_others_nothing(
    graph: Graph, street_image: RgbImage
) -> None:
    from node_support import HeldEngine, image_message, start_node, wait_active
    from sensor_msgs.msg import Image

    from hiseg_ros.errors import ImageError

    class Picky(HeldEngine):
        """Refuses images of one row, as the engine does those that are too large."""

        def segment(self, rgb: RgbImage, *wanted: Wanted) -> Any:
            if len(rgb) == 1:
                raise ImageError('The image has one row; expected more.')
            return super().segment(rgb, *wanted)

        def segment_batch(self, rgbs: Any, wanted: Any) -> Any:
            if any(len(rgb) == 1 for rgb in rgbs):
                raise ImageError('The image has one row; expected more.')
            return super().segment_batch(rgbs, wanted)

    node = start_node(graph, Picky().load, cameras=['good', 'torn', 'thin'])
    wait_active(graph)
    images = publishers(graph, ['good', 'torn', 'thin'])
    labels = graph.collect(Image, '/segmentation/good/labels')
    graph.collect(Image, '/segmentation/torn/labels')
    graph.collect(Image, '/segmentation/thin/labels')
    torn = image_message(street_image)
    torn.data = torn.data[:10]

    def publish() -> None:
        images['good'].publish(image_message(street_image))
        images['torn'].publish(torn)
        images['thin'].publish(image_message(np.zeros((1, 64, 3), np.uint8)))

    graph.until(
        lambda: len(labels) >= 3 and all(health(node, name).bad >= 2 for name in ('torn', 'thin')),
        'labels of the good one, counts of the others',
        meanwhile=publish,
    )
    assert health(node, 'good').bad == 0
    assert health(node, 'torn').processed == health(node, 'thin').processed == 0
    assert graph.state() == 'active'


def test_sizes_that_are_known_are_tried_out_before_the_first_image(graph: Graph) -> None:
    """Alone with all results and with the usual ones, and as many cameras as may run together."""
    from node_support import HeldEngine, start_node, wait_active

    engine = HeldEngine()
    start_node(
        graph, engine.load, cameras=['front', 'rear', 'left'], image_sizes=['48x64', '32x40']
    )
    wait_active(graph)
    assert engine.batches == [[size] * n for size in ((48, 64), (32, 40)) for n in (2, 3)]
    assert len(engine.calls) == 2 * (2 + 2 + 3)
    assert sum(call['subclasses'] and not call['confidence'] for call in engine.calls) == 2


def health(node: Any, camera: str) -> Any:
    """Return the counters of a camera."""
    return node.counters_of_cameras[camera]
