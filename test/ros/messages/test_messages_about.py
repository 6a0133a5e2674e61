# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The tree, the camera and the cost of a frame become messages."""

from __future__ import annotations

import math
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hiseg_ros.taxonomy import Taxonomy, load_taxonomy
from hiseg_ros.taxonomy.tree import Node

pytestmark = pytest.mark.needs('ros')

IMAGE_SIZE = (30, 50)


@pytest.fixture
def messages() -> ModuleType:
    from hiseg_ros.ros.messages import build as messages

    return messages


@pytest.fixture
def header() -> Any:
    from builtin_interfaces.msg import Time
    from std_msgs.msg import Header

    return Header(stamp=Time(sec=7, nanosec=8), frame_id='front_optical')


@pytest.fixture(scope='module')
def taxonomy() -> Taxonomy:
    return load_taxonomy('street')


def after_transport(message: Any) -> Any:
    """Return what a subscriber in another process gets."""
    from rclpy.serialization import deserialize_message, serialize_message

    return deserialize_message(serialize_message(message), type(message))


def test_the_taxonomy_message_is_the_whole_tree(messages: ModuleType, taxonomy: Taxonomy) -> None:
    received = after_transport(messages.taxonomy_message(taxonomy))
    assert (received.name, received.version) == (taxonomy.name, taxonomy.version)
    assert received.digest == taxonomy.digest
    assert received.unlabeled_id == 255
    assert received.subclass_root == taxonomy.node_id('Traffic Sign (Front)')
    assert len(received.nodes) == len(taxonomy)
    for node, sent in zip(taxonomy.nodes, received.nodes, strict=True):
        assert (sent.id, sent.name, sent.level) == (node.node_id, node.name, node.level)
        assert sent.parent_id == (sent.NO_PARENT if node.parent is None else node.parent)
        assert (sent.r, sent.g, sent.b) == node.color
        assert sent.is_leaf == (not taxonomy.children(node.node_id))


def test_a_tree_without_subclasses_says_so(messages: ModuleType, header: Any) -> None:
    nodes = load_taxonomy('street').nodes
    tree = Taxonomy('bare', '1', tuple(n for n in nodes if n.level == 0) + first_children(nodes))
    message = messages.taxonomy_message(tree)
    assert message.subclass_root == message.NO_NODE
    masks = messages.subclass_masks_message(header, [], tree, IMAGE_SIZE)
    assert masks.subclass_root == masks.NO_NODE


def first_children(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    chosen = [node for node in nodes if node.level == 1][:2]
    return tuple(Node(i, n.name, 0, 1, n.color) for i, n in enumerate(chosen, start=1))


def test_label_info_lists_all_nodes_where_vision_msgs_is_installed(
    messages: ModuleType, taxonomy: Taxonomy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, 'vision_msgs', None)
    monkeypatch.setitem(sys.modules, 'vision_msgs.msg', None)
    assert messages.label_info_message(taxonomy) is None
    stand_in = SimpleNamespace(
        LabelInfo=lambda header: SimpleNamespace(header=header, class_map=[], threshold=0.0),
        VisionClass=lambda class_id, class_name: (class_id, class_name),
    )
    monkeypatch.setitem(sys.modules, 'vision_msgs', SimpleNamespace(msg=stand_in))
    monkeypatch.setitem(sys.modules, 'vision_msgs.msg', stand_in)
    info = messages.label_info_message(taxonomy)
    assert info.class_map == [(node.node_id, node.name) for node in taxonomy.nodes]
    assert info.threshold == 0.0


@pytest.mark.needs('vision_msgs')
def test_label_info_is_accepted_by_the_real_vision_msgs(
    messages: ModuleType, taxonomy: Taxonomy, header: Any
) -> None:
    received = after_transport(messages.label_info_message(taxonomy, header))
    assert received.header == header
    found = {entry.class_id: entry.class_name for entry in received.class_map}
    assert found == {node.node_id: node.name for node in taxonomy.nodes}


def camera_info() -> Any:
    from sensor_msgs.msg import CameraInfo, RegionOfInterest

    return CameraInfo(
        height=100,
        width=200,
        distortion_model='plumb_bob',
        d=[0.1, 0.2, 0.3, 0.4, 0.5],
        k=[80.0, 0.0, 100.0, 0.0, 90.0, 50.0, 0.0, 0.0, 1.0],
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[80.0, 0.0, 100.0, -8.0, 0.0, 90.0, 50.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        roi=RegionOfInterest(),
    )


@pytest.mark.parametrize('size', [None, (100, 200)])
def test_camera_info_of_the_same_size_is_copied_under_the_images_header(
    messages: ModuleType, header: Any, size: tuple[int, int] | None
) -> None:
    original = camera_info()
    message = messages.camera_info_message(header, original, size)
    assert message.header == header
    expected = camera_info()
    assert original == expected  # untouched
    expected.header = header
    assert message == expected


def test_camera_info_of_a_scaled_image_projects_points_to_the_scaled_pixels(
    messages: ModuleType, header: Any
) -> None:
    message = after_transport(messages.camera_info_message(header, camera_info(), (50, 50)))
    assert (message.height, message.width) == (50, 50)
    point = np.array([0.5, -0.25, 4.0, 1.0])
    u, v, w = np.reshape(camera_info().p, (3, 4)) @ point
    scaled_u, scaled_v, scaled_w = np.reshape(message.p, (3, 4)) @ point
    assert scaled_u / scaled_w == pytest.approx(u / w / 4)
    assert scaled_v / scaled_w == pytest.approx(v / w / 2)
    assert message.k.tolist() == [20, 0, 25, 0, 45, 25, 0, 0, 1]
    assert list(message.d) == list(camera_info().d)
    assert message.r.tolist() == camera_info().r.tolist()


def test_camera_info_of_a_binned_part_of_the_sensor_is_not_taken_for_a_scaled_one(
    messages: ModuleType, header: Any
) -> None:
    info = camera_info()
    info.binning_x = info.binning_y = 2
    info.roi.y_offset, info.roi.x_offset, info.roi.height, info.roi.width = 10, 20, 60, 80
    message = messages.camera_info_message(header, info, (30, 40))
    assert message.k.tolist() == info.k.tolist()
    assert message.roi == info.roi
    half = messages.camera_info_message(header, info, (15, 20))
    assert (half.height, half.width) == (50, 100)
    assert half.k[0] == 40
    roi = half.roi
    assert (roi.y_offset, roi.x_offset, roi.height, roi.width) == (5, 10, 30, 40)
    assert half.binning_x == 2


def test_frame_stats_hold_the_times_given_and_nan_for_the_others(
    messages: ModuleType, header: Any
) -> None:
    from hiseg_ros.ros.health.diagnostics import Counters

    times_ms = {'network': 12.5, 'decision': 3.0, 'latency': 20.0}
    counters = Counters(2**40, 5, busy=3, stale=6, bad=1, unwanted=7, stopped=8, memory=9)
    received = after_transport(
        messages.frame_stats_message(
            header,
            times_ms=times_ms,
            counters=counters,
            image_size=IMAGE_SIZE,
            batch_size=4,
            device='cpu',
            backend='eager',
        )
    )
    assert received.header == header
    for stage in messages.STAGES:
        value = getattr(received, f'{stage}_ms')
        assert value == times_ms[stage] if stage in times_ms else math.isnan(value)
    assert (received.received, received.processed) == (2**40, 5)
    assert (received.dropped_busy, received.dropped_malformed) == (3, 1)
    dropped = (received.dropped_stale, received.dropped_unwanted, received.dropped_stopped)
    assert dropped == (6, 7, 8)
    assert received.dropped_memory == 9
    assert received.batch_size == 4
    assert (received.image_height, received.image_width) == IMAGE_SIZE
    assert (received.device, received.backend) == ('cpu', 'eager')


def test_frame_stats_have_a_field_for_every_stage_and_refuse_others(
    messages: ModuleType, header: Any
) -> None:
    from hiseg_ros.msg import FrameStats
    from hiseg_ros.ros.health.diagnostics import Counters

    fields = FrameStats.get_fields_and_field_types()
    assert [f for f in fields if f.endswith('_ms')] == [f'{s}_ms' for s in messages.STAGES]
    with pytest.raises(ValueError, match='netwrok'):
        messages.frame_stats_message(
            header, times_ms={'netwrok': 1.0}, counters=Counters(), image_size=IMAGE_SIZE
        )
