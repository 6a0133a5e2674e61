# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A known image through the real graph: every pixel of every output is the library's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from hiseg_ros.types import RgbImage, Wanted

if TYPE_CHECKING:
    from ros_graph import Graph

pytestmark = pytest.mark.needs('ros', 'torch')


@pytest.fixture
def expected(tiny_checkpoint: Path, street_image: RgbImage) -> Any:
    """Return the library's result for the image."""
    from hiseg_ros.inference.engine import Engine

    engine = Engine(tiny_checkpoint, device='cpu')
    segmentation = engine.segment(street_image)
    engine.close()
    return segmentation


def one_of_each(graph: Graph, topics: dict[str, type], publish: Any, qos: Any) -> dict[str, Any]:
    """Subscribe to ~/topics, publish until each gave a message, and return one of each."""
    received = {
        topic: graph.collect(kind, f'/segmentation/{topic}', qos) for topic, kind in topics.items()
    }
    graph.until(
        lambda: all(received.values()), f'a message on each of {sorted(topics)}', meanwhile=publish
    )
    return {topic: messages[-1] for topic, messages in received.items()}


def test_every_pixel_of_every_output_equals_the_library_result(
    graph: Graph, tiny_checkpoint: Path, street_image: RgbImage, expected: Any
) -> None:
    from node_support import header, image_message, pixels, start_node, wait_active
    from ros_graph import RVIZ_QOS
    from sensor_msgs.msg import CameraInfo, Image

    from hiseg_ros.msg import FrameStats, ProbabilityMap, SubclassMasks
    from hiseg_ros.regions import subclass_masks
    from hiseg_ros.taxonomy import load_taxonomy
    from hiseg_ros.visualization import overlay

    taxonomy = load_taxonomy('street')
    levels = range(1, taxonomy.depth + 1)
    start_node(
        graph,
        model=tiny_checkpoint,
        device='cpu',
        overlay__alpha=0.25,
        signs__min_area=1,
        signs__min_probability=0.0,
        signs__min_vote=0.0,
    )
    wait_active(graph)
    images = graph.peer.create_publisher(Image, 'image', 1)
    infos = graph.peer.create_publisher(CameraInfo, 'camera_info', 1)
    size = street_image.shape[:2]
    info = CameraInfo(height=size[0], width=size[1], distortion_model='plumb_bob')
    info.header.frame_id = 'another name'
    info.k = [100.0, 0.0, 80.0, 0.0, 100.0, 48.0, 0.0, 0.0, 1.0]

    def publish() -> None:
        infos.publish(info)
        images.publish(image_message(street_image))

    topics = {
        'labels': Image,
        'confidence': Image,
        'overlay/image': Image,
        'overlay/camera_info': CameraInfo,
        'traffic_signs': SubclassMasks,
        'stats': FrameStats,
        **{f'level_{level}/labels': Image for level in levels},
        **{f'level_{level}/probabilities': ProbabilityMap for level in levels},
    }
    got = one_of_each(graph, topics, publish, RVIZ_QOS)

    for topic, message in got.items():
        assert message.header == header(), topic
    assert len(np.unique(expected.labels)) > 5, 'the image must ask for more than one class'
    for topic in ('labels', 'confidence'):
        assert got[topic].encoding == 'mono8'
        assert got[topic].step == got[topic].width
    np.testing.assert_array_equal(pixels(got['labels']), expected.labels)
    np.testing.assert_array_equal(pixels(got['confidence']), expected.confidence)
    np.testing.assert_array_equal(
        pixels(got['overlay/image']), overlay(street_image, expected.labels, taxonomy, alpha=0.25)
    )
    assert list(got['overlay/camera_info'].k) == list(info.k)
    for level in levels:
        table = taxonomy.node_id_at_level(level)
        np.testing.assert_array_equal(pixels(got[f'level_{level}/labels']), table[expected.labels])
        message = got[f'level_{level}/probabilities']
        node_ids = taxonomy.level_nodes(level)
        assert tuple(message.node_ids) == node_ids
        assert message.taxonomy_digest == taxonomy.digest
        assert (message.image_height, message.image_width) == size
        values = expected.probabilities.values[list(node_ids)]
        data = np.frombuffer(message.data, np.uint8).reshape(values.shape)
        np.testing.assert_array_equal(data, np.round(255 * values).astype(np.uint8))
    masks = subclass_masks(expected, taxonomy, min_area=1)
    assert masks, 'the image must have signs'
    assert len(got['traffic_signs'].masks) == len(masks)
    for message, mask in zip(got['traffic_signs'].masks, masks, strict=True):
        assert message.node_id == mask.node_id
        assert tuple(message.top_node_ids) == tuple(node_id for node_id, _ in mask.top)
        np.testing.assert_allclose(message.top_probabilities, [p for _, p in mask.top], rtol=1e-6)
        roi = message.roi
        assert (roi.y_offset, roi.x_offset, roi.height, roi.width) == mask.roi
        bits = np.unpackbits(np.frombuffer(message.data, np.uint8), count=mask.mask.size)
        np.testing.assert_array_equal(bits.reshape(mask.mask.shape), mask.mask)
    stats = got['stats']
    assert stats.processed >= 1
    assert stats.received >= stats.processed
    assert stats.device == 'cpu'
    assert stats.network_ms > 0
    assert stats.total_ms > stats.network_ms


def test_nav2_gets_its_best_effort_masks(
    graph: Graph, tiny_checkpoint: Path, street_image: RgbImage, expected: Any
) -> None:
    from node_support import image_message, pixels, start_node, wait_active
    from ros_graph import NAV2_MASK_QOS
    from sensor_msgs.msg import Image

    start_node(graph, model=tiny_checkpoint, device='cpu')
    wait_active(graph)
    images = graph.peer.create_publisher(Image, 'image', 1)
    got = one_of_each(
        graph,
        {'labels': Image, 'confidence': Image},
        lambda: images.publish(image_message(street_image)),
        NAV2_MASK_QOS,
    )
    np.testing.assert_array_equal(pixels(got['labels']), expected.labels)
    np.testing.assert_array_equal(pixels(got['confidence']), expected.confidence)
    assert got['labels'].header == got['confidence'].header


def test_a_late_joiner_gets_the_taxonomy(graph: Graph) -> None:
    from node_support import HeldEngine, start_node, wait_active
    from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

    from hiseg_ros.msg import Taxonomy

    engine = HeldEngine()
    start_node(graph, engine.load)
    wait_active(graph)
    nav2_latched = QoSProfile(
        depth=5,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL,
    )
    got = graph.collect(Taxonomy, '/segmentation/taxonomy', nav2_latched)
    graph.until(lambda: got, 'the latched taxonomy')
    tree = engine.taxonomy
    assert got[0].digest == tree.digest
    assert [node.name for node in got[0].nodes] == [node.name for node in tree.nodes]
    assert [(n.r, n.g, n.b) for n in got[0].nodes] == [tuple(n.color) for n in tree.nodes]


@pytest.mark.needs('vision_msgs')
def test_a_late_joiner_gets_the_label_info_once(graph: Graph) -> None:
    from node_support import HeldEngine, start_node, wait_active
    from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
    from vision_msgs.msg import LabelInfo

    engine = HeldEngine()
    start_node(graph, engine.load)
    wait_active(graph)
    nav2_latched = QoSProfile(
        depth=5,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL,
    )
    got = graph.collect(LabelInfo, '/segmentation/label_info', nav2_latched)
    graph.until(lambda: got, 'the latched label info')
    names = {entry.class_id: entry.class_name for entry in got[0].class_map}
    assert names == {node.node_id: node.name for node in engine.taxonomy.nodes}


def test_compressed_images_are_read_from_the_topic_beside_the_raw_one(
    graph: Graph, tiny_checkpoint: Path, street_image: RgbImage, expected: Any
) -> None:
    import cv2
    from node_support import compressed_message, header, pixels, start_node, wait_active
    from ros_graph import RVIZ_QOS
    from sensor_msgs.msg import CompressedImage, Image

    start_node(graph, model=tiny_checkpoint, device='cpu', image_transport='compressed')
    wait_active(graph)
    images = graph.peer.create_publisher(CompressedImage, 'image/compressed', 1)
    content = cv2.imencode('.png', street_image[..., ::-1])[1].tobytes()
    got = one_of_each(
        graph, {'labels': Image}, lambda: images.publish(compressed_message(content)), RVIZ_QOS
    )
    assert got['labels'].header == header()
    np.testing.assert_array_equal(pixels(got['labels']), expected.labels)


def test_best_effort_cameras_are_heard_as_well(graph: Graph, street_image: RgbImage) -> None:
    from node_support import HeldEngine, image_message, start_node, wait_active
    from rclpy.qos import qos_profile_sensor_data
    from ros_graph import RVIZ_QOS
    from sensor_msgs.msg import Image

    start_node(graph, HeldEngine().load)
    wait_active(graph)
    images = graph.peer.create_publisher(Image, 'image', qos_profile_sensor_data)
    one_of_each(
        graph, {'labels': Image}, lambda: images.publish(image_message(street_image)), RVIZ_QOS
    )


def test_without_subscribers_nothing_is_computed_and_with_them_only_what_they_want(
    graph: Graph, tiny_checkpoint: Path, street_image: RgbImage
) -> None:
    from node_support import SpyEngine, image_message, start_node, wait_active
    from sensor_msgs.msg import Image

    from hiseg_ros.msg import ProbabilityMap

    spy = SpyEngine()
    node = start_node(graph, spy.load, model=tiny_checkpoint, device='cpu')
    wait_active(graph)
    images = graph.peer.create_publisher(Image, 'image', 1)

    def publish() -> None:
        images.publish(image_message(street_image))

    graph.until(lambda: node.counters.received >= 5, 'five images arrived', meanwhile=publish)
    assert spy.calls == []

    maps = graph.collect(ProbabilityMap, '/segmentation/level_1/probabilities')
    graph.until(lambda: maps, 'a probability map', meanwhile=publish)
    assert set(spy.calls) == {Wanted(labels=False, confidence=False, deepest=1, subclasses=False)}

    graph.unsubscribe('/segmentation/level_1/probabilities')
    graph.until(
        lambda: graph.peer.count_subscribers('/segmentation/level_1/probabilities') == 0,
        'nobody listens to the probabilities',
    )
    spy.calls.clear()
    labels = graph.collect(Image, '/segmentation/labels')
    graph.until(lambda: labels, 'a label image', meanwhile=publish)
    assert Wanted(confidence=False, probabilities=False) in spy.calls
    assert not any(call.confidence for call in spy.calls)


def test_live_parameters_count_from_the_next_frame_on(
    graph: Graph, tiny_checkpoint: Path, street_image: RgbImage
) -> None:
    from node_support import image_message, pixels, start_node, wait_active
    from sensor_msgs.msg import Image

    from hiseg_ros.inference.engine import Engine
    from hiseg_ros.msg import ProbabilityMap

    start_node(graph, model=tiny_checkpoint, device='cpu')
    wait_active(graph)
    images = graph.peer.create_publisher(Image, 'image', 1)
    labels = graph.collect(Image, '/segmentation/labels')
    maps = graph.collect(ProbabilityMap, '/segmentation/level_2/probabilities')
    number = 0

    def publish() -> None:
        nonlocal number
        number += 1
        images.publish(image_message(street_image, number))

    graph.until(lambda: labels and maps, 'first results', meanwhile=publish)
    assert maps[-1].encoding == 'uint8'

    changes = {'threshold': 0.9, 'probabilities.encoding': 'float16', 'probabilities.stride': 16}
    assert graph.set_parameters(changes) == ''
    last = number + 1
    later = STAMP_SECONDS + last

    def fresh(messages: list[Any]) -> list[Any]:
        return [message for message in messages if message.header.stamp.sec > later]

    graph.until(lambda: fresh(labels) and fresh(maps), 'results after', meanwhile=publish)
    with_threshold = Engine(tiny_checkpoint, device='cpu', threshold=0.9).segment(street_image)
    np.testing.assert_array_equal(pixels(fresh(labels)[0]), with_threshold.labels)
    message = fresh(maps)[0]
    assert message.encoding == 'float16'
    assert (message.height, message.width) == (96 // 16, 160 // 16)
    values = np.frombuffer(message.data, '<f2').reshape(len(message.node_ids), 6, 10)
    np.testing.assert_allclose(values.astype(np.float32).sum(0), 1.0, atol=0.01)


STAMP_SECONDS = 1_700_000_123


def test_each_parameter_tells_its_meaning_over_the_graph(graph: Graph) -> None:
    from node_support import HeldEngine, start_node

    start_node(graph, HeldEngine().load, autostart=False)
    (threshold,) = graph.describe(['threshold'])
    assert 'probability' in threshold.description
    assert threshold.floating_point_range[0].to_value == 1.0
    assert 'from 0 to 1' in graph.set_parameters({'threshold': 1.5}) or 'range' in (
        graph.set_parameters({'threshold': 1.5})
    )
    assert 'one of raw, compressed' in graph.set_parameters({'image_transport': 'theora'})
