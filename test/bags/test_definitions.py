# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Bags whose messages are defined otherwise than today's are read as they were written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from replay_support import drive
from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from hiseg_ros.bags.bag import Bag, read_images
from hiseg_ros.bags.footage import EPOCH_NS
from hiseg_ros.bags.hiseg_types import node_types
from hiseg_ros.bags.message_types import MessageTypes
from hiseg_ros.bags.recording import open_recording
from hiseg_ros.errors import BagError
from hiseg_ros.reports.labelled_frames import label_images, labelled_frames, stream_of
from hiseg_ros.reports.replay_page.frame_source import FrameSource, ShotTopics

CAMERA, NODE, IMAGE = '/camera/image_raw', '/segmentation', 'sensor_msgs/msg/Image'

OTHER_IMAGE = """
std_msgs/Header header
string sensor
uint32 height
uint32 width
string encoding
uint8 is_bigendian
uint32 step
uint8[] data
float64[] gains
"""
"""An image message with additional fields, before and behind the pixels."""


def other_types() -> Typestore:
    """Return types of ROS 2 in which images are others."""
    today = get_typestore(Stores.ROS2_JAZZY)
    names = ('builtin_interfaces/msg/Time', 'std_msgs/msg/Header')
    types = Typestore()
    types.register({name: today.fielddefs[name] for name in names})
    types.register(get_types_from_msg(OTHER_IMAGE, IMAGE))
    return types


@pytest.fixture(scope='module')
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a recording of three images with labels."""
    path, types = tmp_path_factory.mktemp('other') / 'bag', other_types()
    with Writer(path, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        topics = (CAMERA, f'{NODE}/labels', f'{NODE}/confidence')
        connections = [writer.add_connection(name, IMAGE, typestore=types) for name in topics]
        for number, frame in enumerate(drive(3)):
            assert frame.labels is not None
            time_ns = EPOCH_NS + number * 10**8
            images = (frame.rgb, frame.labels, frame.labels)
            for connection, pixels in zip(connections, images, strict=True):
                data = types.serialize_cdr(image(types, time_ns, pixels), IMAGE)
                writer.write(connection, time_ns, data)
    return path


def image(types: Typestore, stamp_ns: int, pixels: np.ndarray) -> Any:
    """Return a message of the other kind."""
    kinds = types.types
    stamp = kinds['builtin_interfaces/msg/Time'](sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    return kinds[IMAGE](
        header=kinds['std_msgs/msg/Header'](stamp=stamp, frame_id='camera'),
        sensor='left', height=pixels.shape[0], width=pixels.shape[1],
        encoding='rgb8' if pixels.ndim == 3 else 'mono8', is_bigendian=0,
        step=pixels.shape[1] * (pixels.size // pixels.shape[0] // pixels.shape[1]),
        data=pixels.reshape(-1), gains=np.array([1.0, 2.0]),
    )  # fmt: skip


def test_images_and_labels_of_a_recording_are_read_as_the_bag_defines_them(bag: Path) -> None:
    recording = open_recording(bag)
    topics = {topic.name: topic for topic in recording.topics}
    labels = topics[f'{NODE}/labels']
    stream = stream_of(recording, topics[CAMERA], labels)
    found = list(labelled_frames(stream, topics[CAMERA], labels))
    assert not stream.damages
    for one, frame in zip(found, drive(3), strict=True):
        np.testing.assert_array_equal(one.rgb, frame.rgb)
        np.testing.assert_array_equal(one.labels, frame.labels)
    assert len(list(label_images(stream_of(recording, labels)))) == 3


def test_images_of_a_report_are_read_as_the_bag_defines_them(bag: Path) -> None:
    time_ns = EPOCH_NS + 10**8
    frame = list(drive(3))[1]
    with FrameSource(bag) as source:
        shot = source.shot(ShotTopics(CAMERA, NODE, None), time_ns, time_ns)
    assert shot.rgb is not None and shot.labels is not None and shot.confidence is not None
    np.testing.assert_array_equal(shot.rgb, frame.rgb)
    np.testing.assert_array_equal(shot.labels, frame.labels)


def test_an_open_bag_gives_all_fields(bag: Path) -> None:
    with Bag(bag) as open_bag:
        _, message = next(open_bag.messages(CAMERA))
    assert message.sensor == 'left' and message.gains.tolist() == [1.0, 2.0]
    assert len(list(read_images(bag, CAMERA))) == 3


def test_todays_definition_stands_in_where_a_bag_has_none_or_a_damaged_one() -> None:
    """Bags before Iron hold none; a foreign type without one is refused."""
    types = node_types()
    header = types.types['std_msgs/msg/Header'](
        stamp=types.types['builtin_interfaces/msg/Time'](1, 2), frame_id='a'
    )
    data = bytes(types.serialize_cdr(header, 'std_msgs/msg/Header'))
    none = MessageDefinition(MessageDefinitionFormat.NONE, '')
    damaged = MessageDefinition(MessageDefinitionFormat.MSG, 'uint9 [[ nothing')
    for definition in (none, damaged):
        found = MessageTypes().decode('std_msgs/msg/Header', definition, data)
        assert found.frame_id == 'a'
    with pytest.raises(BagError, match='holds no definition of foreign_msgs/msg/Thing'):
        MessageTypes().decode('foreign_msgs/msg/Thing', none, data)
    # A definition without those that it consists of.
    partial = MessageDefinition(MessageDefinitionFormat.MSG, 'std_msgs/Header header\nint8 x')
    data = bytes([0, 1, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 97, 0, 5])
    found = MessageTypes().decode('foreign_msgs/msg/Thing', partial, data)
    assert found.x == 5 and found.header.frame_id == 'a'
