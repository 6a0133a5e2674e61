# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Messages built without ROS are, byte for byte, those that the node publishes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from replay_support import ColourEngine, drive, tree

from hiseg_ros.bags.builder import messages as ours
from hiseg_ros.bags.hiseg_types import node_types
from hiseg_ros.regions import subclass_masks
from hiseg_ros.taxonomy import Taxonomy, load_taxonomy
from hiseg_ros.types import Segmentation

pytestmark = pytest.mark.needs('ros')

SIZE = (48, 64)


@pytest.fixture
def segmentation() -> Segmentation:
    [frame] = drive(1)
    return ColourEngine().segment(frame.rgb)


@pytest.fixture
def theirs() -> Any:
    """Return the node's builder."""
    from hiseg_ros.ros.messages.builder import messages

    return messages


def headers() -> tuple[Any, Any]:
    """Return the same header of ours and of ROS, neither made by the builder."""
    from builtin_interfaces.msg import Time
    from std_msgs.msg import Header

    types = node_types().types
    stamp = types['builtin_interfaces/msg/Time'](sec=7, nanosec=8)
    mine = types['std_msgs/msg/Header'](stamp=stamp, frame_id='front')
    return mine, Header(stamp=Time(sec=7, nanosec=8), frame_id='front')


def assert_same(mine: Any, theirs: Any) -> None:
    """Compare what a subscriber gets, and the bytes but for those between fields."""
    from rclpy.serialization import deserialize_message, serialize_message

    kind = type(theirs)
    name = f'{kind.__module__.split(".")[0]}/msg/{kind.__name__}'
    assert mine.__msgtype__ == name
    types = node_types()
    data, published = bytes(types.serialize_cdr(mine, name)), serialize_message(theirs)
    expected = deserialize_message(published, kind)
    assert repr(deserialize_message(data, kind)) == repr(expected)  # NaN included
    # rclpy leaves chance values in the bytes that align a field.
    assert len(data) == len(published)
    assert data == bytes(types.serialize_cdr(types.deserialize_cdr(published, name), name))


def test_headers_are_the_nodes(theirs: Any) -> None:
    mine, header = headers()
    assert ours.header(7_000_000_008, 'front') == mine
    assert theirs.header(7_000_000_008, 'front') == header
    assert_same(ours.header(2**60 + 1, 'a'), theirs.header(2**60 + 1, 'a'))


def test_images_are_the_nodes(segmentation: Segmentation, theirs: Any) -> None:
    mine, header = headers()
    labels, taxonomy = segmentation.labels, tree()
    rgb = np.random.default_rng(0).integers(0, 256, (*labels.shape, 3), np.uint8)
    for name, given in (
        ('labels', (labels,)),
        ('confidence', (segmentation.confidence,)),
        ('level_labels', (labels, taxonomy.node_id_at_level(1))),
        ('overlay', (rgb, labels, taxonomy, 0.5)),
        ('image', (rgb,)),
        ('compressed', (rgb,)),
        ('compressed', (labels,)),
    ):
        build = (getattr(builder, f'{name}_message') for builder in (ours, theirs))
        assert_same(next(build)(mine, *given), next(build)(header, *given))


@pytest.mark.parametrize('encoding', ['uint8', 'float16'])
@pytest.mark.parametrize('stride', [0, 3])
@pytest.mark.parametrize('level', [1, 2, 3])
def test_probabilities_are_the_nodes(
    segmentation: Segmentation, theirs: Any, level: int, stride: int, encoding: str
) -> None:
    mine, header = headers()
    given = (segmentation.probabilities, tree().level_nodes(level), tree())
    options: dict[str, Any] = {'encoding': encoding, 'stride': stride}
    assert_same(
        ours.probability_map_message(mine, *given, **options),
        theirs.probability_map_message(header, *given, **options),
    )


@pytest.mark.parametrize('encoding', ['packbits', 'raw'])
def test_signs_are_the_nodes(segmentation: Segmentation, theirs: Any, encoding: str) -> None:
    mine, header = headers()
    masks = subclass_masks(segmentation, tree())
    assert masks
    for given in (masks, []):
        assert_same(
            ours.subclass_masks_message(mine, given, tree(), SIZE, encoding=encoding),
            theirs.subclass_masks_message(header, given, tree(), SIZE, encoding=encoding),
        )


@pytest.mark.parametrize('taxonomy', [tree(), load_taxonomy('street'), load_taxonomy('iv2018')])
def test_the_tree_is_the_nodes(taxonomy: Taxonomy, theirs: Any) -> None:
    assert_same(ours.taxonomy_message(taxonomy), theirs.taxonomy_message(taxonomy))


def test_statistics_are_the_nodes(theirs: Any) -> None:
    mine, header = headers()
    for times_ms in ({}, {'network': 1.5}):
        options: dict[str, Any] = {
            'times_ms': times_ms,
            'counters': {'received': 5, 'processed': 4, 'dropped_malformed': 1},
            'image_size': SIZE,
            'device': 'cpu',
        }
        assert_same(
            ours.frame_stats_message(mine, **options),
            theirs.frame_stats_message(header, **options),
        )


@pytest.mark.parametrize('size', [(48, 64), (24, 32), (96, 100)])
@pytest.mark.parametrize('roi', [(0, 0, 0, 0), (10, 20, 40, 60)])
def test_camera_info_is_scaled_as_by_the_node(
    theirs: Any, size: tuple[int, int], roi: tuple[int, ...]
) -> None:
    from rclpy.serialization import serialize_message
    from sensor_msgs.msg import CameraInfo, RegionOfInterest

    mine, header = headers()
    y, x, height, width = roi
    info = CameraInfo(
        height=96, width=128, binning_x=2, binning_y=2, distortion_model='plumb_bob',
        d=[0.1, -0.2, 0.0, 0.0, 0.0], k=[50.0, 0.0, 64.0, 0.0, 51.0, 48.0, 0.0, 0.0, 1.0],
        roi=RegionOfInterest(y_offset=y, x_offset=x, height=height, width=width),
    )  # fmt: skip
    decoded = node_types().deserialize_cdr(serialize_message(info), 'sensor_msgs/msg/CameraInfo')
    assert_same(
        ours.camera_info_message(mine, decoded, size),
        theirs.camera_info_message(header, info, size),
    )


@pytest.mark.parametrize('name', ['Taxonomy', 'SubclassMasks', 'ProbabilityMap', 'FrameStats'])
def test_types_have_the_hash_that_ros_gives_them(name: str) -> None:
    from hiseg_ros.ros.harness.message_definitions import type_hash

    message_type = f'hiseg_ros/msg/{name}'
    assert node_types().hash_rihs01(message_type) == type_hash(message_type)
