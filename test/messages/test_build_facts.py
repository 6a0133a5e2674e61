# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Messages with the label tree, camera_info and statistics, with the classes of either library."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hiseg_ros.bags.builder import messages as bag_messages
from hiseg_ros.bags.hiseg_types import node_types
from hiseg_ros.messages.build import COUNTERS, NO_NODE, STAGES, MessageBuilder
from hiseg_ros.messages.codec import decode_taxonomy
from hiseg_ros.taxonomy import Taxonomy, load_taxonomy
from hiseg_ros.taxonomy.tree import Node

IMAGE_SIZE = (30, 50)

Transport = Callable[[Any], Any]


@pytest.fixture(scope='module')
def taxonomy() -> Taxonomy:
    return load_taxonomy('street')


def test_the_taxonomy_message_is_the_whole_tree(
    messages: MessageBuilder, after_transport: Transport, taxonomy: Taxonomy
) -> None:
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


def test_a_taxonomy_message_without_a_header_has_one_of_zeros(
    messages: MessageBuilder, taxonomy: Taxonomy
) -> None:
    assert messages.taxonomy_message(taxonomy).header == messages.header(0, '')


def test_a_tree_without_subclasses_says_so(messages: MessageBuilder, header: Any) -> None:
    nodes = load_taxonomy('street').nodes
    tree = Taxonomy('bare', '1', tuple(n for n in nodes if n.level == 0) + first_children(nodes))
    message = messages.taxonomy_message(tree)
    assert message.subclass_root == message.NO_NODE
    masks = messages.subclass_masks_message(header, [], tree, IMAGE_SIZE)
    assert masks.subclass_root == masks.NO_NODE


def first_children(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    chosen = [node for node in nodes if node.level == 1][:2]
    return tuple(Node(i, n.name, 0, 1, n.color) for i, n in enumerate(chosen, start=1))


def drivers_info(**changes: Any) -> Any:
    """Return a camera_info with rosbags' classes."""
    types = node_types().types
    roi = types['sensor_msgs/msg/RegionOfInterest'](
        x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
    )
    fields = {
        'header': bag_messages.header(5, 'camera'),
        'height': 100,
        'width': 200,
        'distortion_model': 'plumb_bob',
        'd': np.array([0.1, 0.2, 0.3, 0.4, 0.5]),
        'k': np.array([80.0, 0.0, 100.0, 0.0, 90.0, 50.0, 0.0, 0.0, 1.0]),
        'r': np.eye(3).reshape(-1),
        'p': np.array([80.0, 0.0, 100.0, -8.0, 0.0, 90.0, 50.0, 0.0, 0.0, 0.0, 1.0, 0.0]),
        'binning_x': 0,
        'binning_y': 0,
        'roi': roi,
    }
    return types['sensor_msgs/msg/CameraInfo'](**{**fields, **changes})


@pytest.fixture
def camera_info(library: Any) -> Any:
    """Return a camera_info as the library's reader gives it."""
    return library.received(drivers_info())


@pytest.mark.parametrize('size', [None, (100, 200)])
def test_camera_info_of_the_same_size_is_copied_under_the_images_header(
    messages: MessageBuilder, header: Any, camera_info: Any, size: tuple[int, int] | None
) -> None:
    expected = copy.deepcopy(camera_info)
    message = messages.camera_info_message(header, camera_info, size)
    assert message.header == header
    assert repr(camera_info) == repr(expected)  # untouched
    expected.header = header
    assert repr(message) == repr(expected)


def test_camera_info_of_a_scaled_image_projects_points_to_the_scaled_pixels(
    messages: MessageBuilder, after_transport: Transport, header: Any, camera_info: Any
) -> None:
    message = after_transport(messages.camera_info_message(header, camera_info, (50, 50)))
    assert (message.height, message.width) == (50, 50)
    point = np.array([0.5, -0.25, 4.0, 1.0])
    u, v, w = np.reshape(camera_info.p, (3, 4)) @ point
    scaled_u, scaled_v, scaled_w = np.reshape(message.p, (3, 4)) @ point
    assert scaled_u / scaled_w == pytest.approx(u / w / 4)
    assert scaled_v / scaled_w == pytest.approx(v / w / 2)
    assert message.k.tolist() == [20, 0, 25, 0, 45, 25, 0, 0, 1]
    assert list(message.d) == list(camera_info.d)
    assert message.r.tolist() == camera_info.r.tolist()


def test_camera_info_of_a_binned_part_of_the_sensor_is_not_taken_for_a_scaled_one(
    messages: MessageBuilder, header: Any, camera_info: Any
) -> None:
    info = camera_info
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
    messages: MessageBuilder, after_transport: Transport, header: Any
) -> None:
    times_ms = {'network': 12.5, 'decision': 3.0, 'latency': 20.0}
    counters = {name: number for number, name in enumerate(COUNTERS, start=3)}
    received = after_transport(
        messages.frame_stats_message(
            header,
            times_ms=times_ms,
            counters={**counters, 'received': 2**40},
            image_size=IMAGE_SIZE,
            input_size=(352, 704),
            batch_size=4,
            device='cpu',
            backend='eager',
        )
    )
    assert received.header == header
    for stage in STAGES:
        value = getattr(received, f'{stage}_ms')
        assert value == times_ms[stage] if stage in times_ms else math.isnan(value)
    assert (received.received, received.processed, received.dropped_busy) == (2**40, 4, 5)
    assert (received.dropped_stale, received.dropped_malformed) == (6, 7)
    dropped = (received.dropped_unwanted, received.dropped_stopped, received.dropped_memory)
    assert dropped == (8, 9, 10)
    assert received.lost == 11
    assert received.batch_size == 4
    assert (received.image_height, received.image_width) == IMAGE_SIZE
    assert (received.input_height, received.input_width) == (352, 704)
    assert (received.device, received.backend) == ('cpu', 'eager')


def test_counters_that_are_not_given_are_zero(messages: MessageBuilder, header: Any) -> None:
    message = messages.frame_stats_message(
        header, times_ms={}, counters={'processed': 1}, image_size=IMAGE_SIZE
    )
    assert [getattr(message, name) for name in COUNTERS] == [0, 1, 0, 0, 0, 0, 0, 0, 0]


def test_frame_stats_have_a_field_for_every_stage_and_counter_and_refuse_others(
    messages: MessageBuilder, header: Any
) -> None:
    fields = dict(node_types().fielddefs['hiseg_ros/msg/FrameStats'][1])
    assert [f for f in fields if f.endswith('_ms')] == [f'{stage}_ms' for stage in STAGES]
    assert [f for f in fields if f in COUNTERS or f.startswith('dropped_')] == list(COUNTERS)
    for given in (
        {'times_ms': {'netwrok': 1.0}, 'counters': {}},
        {'times_ms': {}, 'counters': {'netwrok': 1}},
    ):
        with pytest.raises(ValueError, match='netwrok'):
            messages.frame_stats_message(header, image_size=IMAGE_SIZE, **given)


def test_numbers_of_the_message_definitions_are_the_builders() -> None:
    types = node_types().types
    assert NO_NODE == types['hiseg_ros/msg/SubclassMasks'].NO_NODE
    assert NO_NODE == types['hiseg_ros/msg/Taxonomy'].NO_NODE
    assert NO_NODE == types['hiseg_ros/msg/TaxonomyNode'].NO_PARENT


@pytest.mark.parametrize('name', ['street', 'iv2018'])
def test_a_taxonomy_message_is_read_back(
    messages: MessageBuilder, after_transport: Transport, name: str
) -> None:
    tree = load_taxonomy(name)
    read = decode_taxonomy(after_transport(messages.taxonomy_message(tree)))
    assert (read.digest, read.nodes, read.subclass_root) == (
        tree.digest,
        tree.nodes,
        tree.subclass_root,
    )
