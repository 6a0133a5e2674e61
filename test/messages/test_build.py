# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Messages made without ROS are, byte for byte, those that the node publishes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from replay_support import ColourEngine, drive, tree

from hiseg_ros.bags.hiseg_types import node_types
from hiseg_ros.regions import subclass_masks
from hiseg_ros.replay import node_messages as ours
from hiseg_ros.taxonomy import Taxonomy, load_taxonomy
from hiseg_ros.types import Segmentation

pytestmark = pytest.mark.needs('ros')

SIZE = (48, 64)


@pytest.fixture
def segmentation() -> Segmentation:
    [frame] = drive(1)
    return ColourEngine().segment(frame.rgb)


def headers() -> tuple[Any, Any]:
    """Return the same header of ours and of ROS."""
    from builtin_interfaces.msg import Time
    from std_msgs.msg import Header

    types = node_types().types
    stamp = types['builtin_interfaces/msg/Time'](sec=7, nanosec=8)
    mine = types['std_msgs/msg/Header'](stamp=stamp, frame_id='front')
    return mine, Header(stamp=Time(sec=7, nanosec=8), frame_id='front')


def assert_same(mine: Any, theirs: Any) -> None:
    """Compare after transport: what a subscriber gets."""
    from rclpy.serialization import deserialize_message, serialize_message

    kind = type(theirs)
    name = f'{kind.__module__.split(".")[0]}/msg/{kind.__name__}'
    data = bytes(node_types().serialize_cdr(mine, name))
    received = deserialize_message(data, kind)
    expected = deserialize_message(serialize_message(theirs), kind)
    assert repr(received) == repr(expected)  # NaN included


def test_images_are_the_nodes(segmentation: Segmentation) -> None:
    from hiseg_ros.ros.messages import build as theirs

    mine, header = headers()
    labels, taxonomy = segmentation.labels, tree()
    assert_same(ours.image_message(mine, labels), theirs.labels_message(header, labels))
    table = taxonomy.node_id_at_level(1)
    assert_same(
        ours.image_message(mine, table[labels]),
        theirs.level_labels_message(header, labels, table),
    )
    rgb = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    nothing = np.full((5, 7), 255, np.uint8)
    laid_over = theirs.overlay_message(header, rgb, nothing, taxonomy, 0.5)
    assert_same(ours.image_message(mine, rgb), laid_over)


@pytest.mark.parametrize('level', [1, 2, 3])
def test_probabilities_are_the_nodes(segmentation: Segmentation, level: int) -> None:
    from hiseg_ros.ros.messages import build as theirs

    mine, header = headers()
    taxonomy, probabilities = tree(), segmentation.probabilities
    assert_same(
        ours.probability_message(mine, probabilities, level, taxonomy),
        theirs.probability_map_message(
            header, probabilities, taxonomy.level_nodes(level), taxonomy
        ),
    )


def test_signs_are_the_nodes(segmentation: Segmentation) -> None:
    from hiseg_ros.ros.messages import build as theirs

    mine, header = headers()
    masks = subclass_masks(segmentation, tree())
    assert masks
    assert_same(
        ours.signs_message(mine, masks, tree(), SIZE),
        theirs.subclass_masks_message(header, masks, tree(), SIZE),
    )


@pytest.mark.parametrize('taxonomy', [tree(), load_taxonomy('street'), load_taxonomy('iv2018')])
def test_the_tree_is_the_nodes(taxonomy: Taxonomy) -> None:
    from hiseg_ros.ros.messages import build as theirs

    assert_same(ours.taxonomy_message(taxonomy), theirs.taxonomy_message(taxonomy))


def test_statistics_are_the_nodes_without_times() -> None:
    from hiseg_ros.ros.health.diagnostics import Counters
    from hiseg_ros.ros.messages import build as theirs

    mine, header = headers()
    counters = {'received': 5, 'processed': 4, 'dropped_malformed': 1}
    assert_same(
        ours.stats_message(mine, counters, SIZE, 'cpu'),
        theirs.frame_stats_message(
            header, times_ms={}, counters=Counters(received=5, processed=4, bad=1),
            image_size=SIZE, device='cpu',
        ),
    )  # fmt: skip


@pytest.mark.parametrize('size', [(48, 64), (24, 32), (96, 100)])
@pytest.mark.parametrize('roi', [(0, 0, 0, 0), (10, 20, 40, 60)])
def test_camera_info_is_scaled_as_by_the_node(size: tuple[int, int], roi: tuple[int, ...]) -> None:
    from rclpy.serialization import serialize_message
    from sensor_msgs.msg import CameraInfo, RegionOfInterest

    from hiseg_ros.ros.messages import build as theirs

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
