# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Label sets, Nav2's group, Autoware's mask and signs through the real graph."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from random_trees import node_values, random_leaf_probabilities

from hiseg_ros.taxonomy import load_mapping, load_taxonomy
from hiseg_ros.types import NodeProbabilities, RgbImage, Segmentation, Wanted

if TYPE_CHECKING:
    from ros_graph import Graph

pytestmark = pytest.mark.needs('ros')


def patchwork() -> Any:
    """Return an engine that sees a patchwork of classes in every image, and counts its calls."""
    from node_support import HeldEngine

    class Patchwork(HeldEngine):
        def __init__(self) -> None:
            super().__init__()
            rng = np.random.default_rng(4)
            leaves = random_leaf_probabilities(rng, self.taxonomy, (4, 6), peak=6.0)
            self.values = node_values(self.taxonomy, leaves)

        def segment(self, rgb: RgbImage, *wanted: Wanted) -> Segmentation:
            plain = super().segment(rgb, *wanted)
            return Segmentation(
                plain.labels, plain.confidence, self.probabilities(rgb.shape[0], rgb.shape[1])
            )

        def probabilities(self, height: int, width: int) -> NodeProbabilities:
            return NodeProbabilities(self.values, (height, width))

    return Patchwork()


def decision(name: str, engine: Any) -> Any:
    from hiseg_ros.decision.mapped_sparse import SparseLabelDecision

    return SparseLabelDecision(load_mapping(name, engine.taxonomy), engine.taxonomy)


def plain_image(number: int = 0, height: int = 24, width: int = 36) -> Any:
    from node_support import image_message

    return image_message(np.zeros((height, width, 3), np.uint8), number)


def latched(depth: int = 5) -> Any:
    from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

    return QoSProfile(
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL,
    )


def test_a_label_set_has_its_own_ids_and_costs_nothing_while_nobody_listens(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    from node_support import header, pixels, start_node, wait_active
    from ros_graph import RVIZ_QOS
    from sensor_msgs.msg import Image

    from hiseg_ros.decision.mapped_sparse import SparseLabelDecision

    decided: list[int] = []
    plain = SparseLabelDecision.__call__

    def counted(self: Any, *given: Any, **named: Any) -> Any:
        decided.append(1)
        return plain(self, *given, **named)

    monkeypatch.setattr(SparseLabelDecision, '__call__', counted)
    engine = patchwork()
    start_node(graph, engine.load, label_sets=['cityscapes', 'cityscapes_trainids'])
    wait_active(graph)
    images = graph.peer.create_publisher(Image, 'image', 1)
    confidence = graph.collect(Image, '/segmentation/confidence')

    def publish() -> None:
        images.publish(plain_image())

    graph.until(lambda: len(confidence) > 2, 'frames were worked on', meanwhile=publish)
    assert decided == []

    got = graph.collect(Image, '/segmentation/cityscapes/labels', RVIZ_QOS)
    graph.until(lambda: got, 'labels of cityscapes', meanwhile=publish)
    expected, _ = plain(decision('cityscapes', engine), engine.probabilities(24, 36))
    assert got[0].header == header()
    assert (got[0].encoding, got[0].step) == ('mono8', 36)
    np.testing.assert_array_equal(pixels(got[0]), expected)
    assert len(np.unique(expected)) > 3
    assert not any(call['labels'] for call in engine.calls), 'nobody asked for ~/labels'


def test_nav2_gets_masks_of_its_cloud_s_size_with_one_stamp(graph: Graph) -> None:
    from node_support import header, pixels, start_node, wait_active
    from rclpy.qos import qos_profile_sensor_data
    from ros_graph import NAV2_MASK_QOS
    from sensor_msgs.msg import CameraInfo, Image

    engine = patchwork()
    start_node(graph, engine.load, cameras=['front', 'rear'], nav2__classes='nav2')
    wait_active(graph)
    images = {
        name: graph.peer.create_publisher(Image, f'{name}/image', 1) for name in ('front', 'rear')
    }
    infos = graph.peer.create_publisher(
        CameraInfo, 'front/nav2/camera_info', qos_profile_sensor_data
    )
    got = {
        (camera, topic): graph.collect(
            Image, f'/segmentation/{camera}/nav2/{topic}', NAV2_MASK_QOS
        )
        for camera in images
        for topic in ('mask', 'confidence')
    }

    def publish() -> None:
        infos.publish(CameraInfo(height=32, width=40, binning_x=2, binning_y=2))
        for number, publisher in enumerate(images.values(), 1):
            publisher.publish(plain_image(number))

    graph.until(
        lambda: (
            all(got.values())
            and got['front', 'mask'][-1].height == got['front', 'confidence'][-1].height == 16
        ),
        'masks of both cameras, those in front as large as the cloud',
        meanwhile=publish,
    )
    decide = decision('nav2', engine)
    for number, (camera, size) in enumerate((('front', (16, 20)), ('rear', (24, 36))), 1):
        expected = decide(engine.probabilities(*size), confidence=True)
        for topic, pixels_of in zip(('mask', 'confidence'), expected, strict=True):
            message = got[camera, topic][-1]
            assert message.header == header(number)
            assert (message.height, message.width) == size
            assert message.step == message.width
            assert len(message.data) == message.height * message.width
            np.testing.assert_array_equal(pixels(message), pixels_of)
    classes = {label.label_id for label in load_mapping('nav2', engine.taxonomy).labels}
    assert set(np.unique(pixels(got['rear', 'mask'][-1]))) <= classes | {255}


@pytest.mark.needs('vision_msgs')
def test_each_label_set_has_one_latched_label_info_of_its_own_classes(graph: Graph) -> None:
    from node_support import HeldEngine, start_node, wait_active
    from sensor_msgs.msg import Image
    from vision_msgs.msg import LabelInfo

    engine = HeldEngine()
    start_node(
        graph, engine.load, cameras=['front'], label_sets=['cityscapes'], nav2__classes='nav2'
    )
    wait_active(graph)
    images = graph.peer.create_publisher(Image, 'front/image', 1)
    masks = graph.collect(Image, '/segmentation/front/nav2/mask')
    infos = {
        name: graph.collect(LabelInfo, f'/segmentation/front/{name}/label_info', latched())
        for name in ('nav2', 'cityscapes')
    }
    graph.until(
        lambda: len(masks) > 3 and all(infos.values()),
        'frames and label infos',
        meanwhile=lambda: images.publish(plain_image()),
    )
    for name, got in infos.items():
        labels = load_mapping(name, engine.taxonomy).evaluated_labels
        found = {entry.class_id: entry.class_name for entry in got[0].class_map}
        assert found == {label.label_id: label.name for label in labels}
        assert len(got) == 1, 'the layer rebuilds its table at each'


def test_autoware_decodes_the_mask(graph: Graph) -> None:
    from node_support import start_node, wait_active
    from sensor_msgs.msg import Image
    from test_consumer_formats import autoware_pixels

    engine = patchwork()
    start_node(graph, engine.load, autoware__classes='autoware')
    wait_active(graph)
    images = graph.peer.create_publisher(Image, 'image', 1)
    got = graph.collect(Image, '/segmentation/autoware/mask')
    graph.until(lambda: got, 'a mask', meanwhile=lambda: images.publish(plain_image()))
    expected, _ = decision('autoware', engine)(engine.probabilities(24, 36))
    decoded = autoware_pixels(bytes(got[0].data), got[0].height, got[0].width)
    np.testing.assert_array_equal(decoded, expected)


@pytest.mark.needs('vision_msgs')
def test_signs_reach_a_reader_of_vision_msgs(graph: Graph) -> None:
    from node_support import HeldEngine, header, start_node, wait_active
    from sensor_msgs.msg import Image
    from vision_msgs.msg import Detection2DArray

    stop = load_taxonomy('street').leaf_index_of_node_id[load_taxonomy('street').node_id('o_stop')]
    engine = HeldEngine(leaf=int(stop))
    start_node(graph, engine.load)
    wait_active(graph)
    images = graph.peer.create_publisher(Image, 'image', 1)
    got = graph.collect(Detection2DArray, '/segmentation/traffic_signs/detections')
    graph.until(lambda: got, 'detections', meanwhile=lambda: images.publish(plain_image()))
    (detection,) = got[0].detections
    assert got[0].header == detection.header == header()
    assert (detection.bbox.size_x, detection.bbox.size_y) == (36.0, 24.0)
    assert detection.results[0].hypothesis.class_id == 'o_stop'
    # The sign is the same in the next frames, and another one after the camera started over.
    for number, expected in ((0, '0'), (-3600, '1')):
        count = len(got)
        graph.until(
            lambda count=count: len(got) > count + 1,
            'more detections',
            meanwhile=lambda number=number: images.publish(plain_image(number)),
        )
        assert [d.id for d in got[-1].detections] == [expected]


@pytest.mark.parametrize(
    ('given', 'expected'),
    [
        ({'label_sets': ['nowhere']}, 'nowhere'),
        ({'label_sets': ['nav2']}, "'nav2'; expected different names"),
        ({'nav2__classes': 'nav2', 'nav2__height': 480}, 'nav2.height and nav2.width are 480 and'),
        ({'autoware__classes': 'gone.yaml'}, 'gone.yaml'),
    ],
)
def test_what_cannot_be_used_keeps_the_node_unconfigured_with_a_sentence(
    graph: Graph, given: dict[str, Any], expected: str
) -> None:
    from diagnostic_msgs.msg import DiagnosticArray
    from node_support import HeldEngine, latest, start_node

    reports = graph.collect(DiagnosticArray, '/diagnostics')
    start_node(graph, HeldEngine().load, **given)
    graph.until(lambda: latest(reports)[0] == b'\x02', 'an ERROR in the diagnostics')
    assert expected in latest(reports)[1]
    assert graph.state() == 'unconfigured'


def test_label_sets_are_a_list_of_different_names() -> None:
    from hiseg_ros.errors import ConfigError
    from hiseg_ros.ros.parameters import check

    assert check('label_sets', []) == check('label_sets', ['']) == ('',)
    assert check('label_sets', ['cityscapes', 'own/set.yaml']) == ('cityscapes', 'own/set.yaml')
    for bad in (['camvid', 'camvid'], [1], 'camvid'):
        with pytest.raises(ConfigError, match='such as'):
            check('label_sets', bad)


def test_a_label_set_of_one_s_own_is_a_file(tmp_path: Path) -> None:
    from hiseg_ros.ros.consumers.label_set import chosen_sets
    from hiseg_ros.ros.parameters import NodeParameters

    path = tmp_path / 'mine.yaml'
    path.write_text('name: lawn\nlabels: [{id: 1, name: grass, nodes: [Terrain]}]\n')
    (mapping,) = chosen_sets(NodeParameters(label_sets=(str(path),)), load_taxonomy('street'))
    assert mapping.name == 'lawn'


def test_labels_of_16_bits_are_node_ids_or_those_of_a_mapping(graph: Graph) -> None:
    """For semantic_inference and Hydra; only what they are made of is computed."""
    from node_support import header, start_node, wait_active
    from ros_graph import RVIZ_QOS
    from sensor_msgs.msg import Image

    from hiseg_ros.ros.node.publishers import needed_results
    from hiseg_ros.ros.parameters import NodeParameters

    topic = frozenset({'semantic/image_raw'})
    assert needed_results(topic) == Wanted(True, False, False)
    by_sums = NodeParameters(semantic_classes='cityscapes_trainids')
    assert needed_results(topic, by_sums).probabilities

    engine = patchwork()
    start_node(graph, engine.load, semantic__classes='cityscapes_trainids')
    wait_active(graph)
    images = graph.peer.create_publisher(Image, 'image', 1)
    got = graph.collect(Image, '/segmentation/semantic/image_raw', RVIZ_QOS)
    graph.until(lambda: len(got) > 1, 'labels', meanwhile=lambda: images.publish(plain_image()))
    expected, _ = decision('cityscapes_trainids', engine)(engine.probabilities(24, 36))
    for message in got:
        assert message.header == header()
        assert (message.encoding, message.step, message.is_bigendian) == ('16SC1', 72, 0)
        found = np.frombuffer(bytes(message.data), '<i2').reshape(24, 36)
        np.testing.assert_array_equal(found, np.where(expected == 255, -1, expected.astype(int)))
    assert found.min() == -1 and found.max() in range(1, 19)


def test_node_ids_of_16_bits_are_those_of_labels(graph: Graph) -> None:
    """Without a mapping the messages are one image in two encodings."""
    from node_support import HeldEngine, pixels, start_node, wait_active
    from sensor_msgs.msg import Image

    engine = HeldEngine(leaf=9)
    start_node(graph, engine.load)
    wait_active(graph)
    images = graph.peer.create_publisher(Image, 'image', 1)
    wide = graph.collect(Image, '/segmentation/semantic/image_raw')
    narrow = graph.collect(Image, '/segmentation/labels')
    graph.until(lambda: wide and narrow, 'labels', meanwhile=lambda: images.publish(plain_image()))
    found = np.frombuffer(bytes(wide[-1].data), '<i2').reshape(24, 36)
    np.testing.assert_array_equal(found, pixels(narrow[-1]))
    assert found[0, 0] == engine.leaf
