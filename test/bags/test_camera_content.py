# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The encoding tells a camera from depth; a name alone drops no colour images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from replay_support import SIZE
from rosbags.rosbag2 import StoragePlugin, Writer

from hiseg_ros.bags.bag import IMAGE_TYPES
from hiseg_ros.bags.builder import messages
from hiseg_ros.bags.camera_content import first_image_size, info_topic, look_at
from hiseg_ros.bags.cameras import choose_from
from hiseg_ros.bags.hiseg_types import node_types
from hiseg_ros.bags.recording import open_recording
from hiseg_ros.cli.__main__ import main
from hiseg_ros.errors import BagError

CASES = [
    ('/depth_camera/image_raw', 'rgb8', True),
    ('/depthai/color/image', 'bgr8', True),
    ('/in_depth_robot/front/image_raw', 'bayer_rggb8', True),
    ('/camera/Depth_view/image', 'mono8', True),
    ('/camera/depth/image_rect_raw', '16UC1', False),
    ('/camera/depth/image', 'mono16', False),
    ('/thermal/image_raw', 'mono16', True),
    ('/stereo/confidence', '32FC1', False),
    ('/stereo/disparity_image', '16UC1', False),
    ('/depth_camera/image/compressed', 'rgb8; jpeg compressed bgr8', True),
    ('/camera/aligned/compressed', '16UC1; compressedDepth png', False),
    ('/camera/image_raw/zstd', 'rgb8; zstd', False),
    ('/camera/image_raw/theora', 'theora', False),
]


def write(path: Path, topics: list[tuple[str, str]]) -> Path:
    """Write a bag with one message on each topic; only its encoding matters."""
    types = node_types()
    with Writer(path, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        for name, encoding in topics:
            header = messages.header(10**18, 'camera')
            if name.endswith(('/compressed', '/zstd', '/theora')):
                kind = IMAGE_TYPES[1]
                message = messages.compressed_message(header, np.zeros(SIZE, np.uint8))
                message.format = encoding
            else:
                kind = IMAGE_TYPES[0]
                message = messages.image_message(header, np.zeros((*SIZE, 3), np.uint8))
                message.encoding = encoding
            connection = writer.add_connection(name, kind, typestore=types)
            writer.write(connection, 10**18, types.serialize_cdr(message, kind))
    return path


@pytest.mark.parametrize(('name', 'encoding', 'is_camera'), CASES)
def test_the_first_message_decides(
    tmp_path: Path, name: str, encoding: str, is_camera: bool
) -> None:
    """Beside another camera, and alone."""
    recording = open_recording(write(tmp_path / 'bag', [('/a/image', 'rgb8'), (name, encoding)]))
    looks = look_at([recording])
    assert {topic: look.encoding for topic, look in looks.items()} == {
        '/a/image': 'rgb8', name: encoding
    }  # fmt: skip
    choice = choose_from([recording])
    assert [c.topic for c in choice.cameras] == ['/a/image', name][: 1 + is_camera]
    assert list(choice.left_out) == [name][is_camera:]
    assert (name in choice.left_out_text()) != is_camera
    alone = open_recording(write(tmp_path / 'alone', [(name, encoding)]))
    if is_camera:
        assert len(choose_from([alone]).cameras) == 1
    else:
        with pytest.raises(BagError, match='no camera'):
            choose_from([alone])
        assert choose_from([alone], [name]).best.topic == name


RNG = np.random.default_rng(11)
NOISE = RNG.integers(20, 220, SIZE, np.uint8)
"""A grey camera image."""
AREAS = np.repeat(np.repeat(RNG.integers(1, 9, (3, 4), np.uint8), 16, 0), 16, 1)
"""A label image: areas of few values."""
COLOR = RNG.integers(0, 256, (*SIZE, 3), np.uint8)
DEPTH = np.where(NOISE < 40, 0, NOISE.astype(np.uint16) * 40)
"""A depth image in mm with holes."""


def raw(pixels: np.ndarray, encoding: str) -> Any:
    """Return an Image message."""
    message = messages.image_message(messages.header(10**18, 'camera'), np.zeros(SIZE, np.uint8))
    message.encoding, message.step = encoding, pixels.strides[0]
    message.data = np.ascontiguousarray(pixels).reshape(-1).view(np.uint8)
    return message


def packed(pixels: np.ndarray, form: str, end: str = '.png') -> Any:
    """Return a CompressedImage message."""
    message = messages.compressed_message(
        messages.header(10**18, 'camera'), np.zeros(SIZE, np.uint8)
    )
    message.format, message.data = form, cv2.imencode(end, pixels)[1].reshape(-1)
    return message


def write_messages(path: Path, topics: dict[str, list[Any]], infos: tuple[str, ...] = ()) -> Path:
    """Write messages on topics, those of one topic 1 s after those of the one before."""
    types = node_types()
    with Writer(path, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        for info in infos:
            writer.add_connection(info, 'sensor_msgs/msg/CameraInfo', typestore=types)
        for second, (name, content) in enumerate(topics.items()):
            kind = IMAGE_TYPES[hasattr(content[0], 'format')]
            connection = writer.add_connection(name, kind, typestore=types)
            for number, message in enumerate(content):
                time_ns = 10**18 + second * 10**9 + number
                writer.write(connection, time_ns, types.serialize_cdr(message, kind))
    return path


CAMERA_TOPIC = {'/front/image_raw': [raw(COLOR, 'rgb8')]}

LEFT_OUT = [
    ('/oak/stereo/image_raw', raw(DEPTH, '16UC1'), True),
    ('/tof/amplitude', raw(NOISE.astype(np.uint16) + 5, '16UC1'), False),
    ('/camera/depth/image/compressed', packed(DEPTH, '16UC1; png compressed'), True),
    ('/segnet/class_mask', raw(AREAS, 'mono8'), True),
    ('/segnet/class_mask', raw(AREAS.astype(np.uint16) * 300, 'mono16'), True),
    ('/segnet/class_mask', raw(AREAS.astype(np.int16), '16SC1'), True),
    ('/segnet/class_mask', raw(AREAS.astype(np.int32), '32SC1'), True),
    ('/net/out', raw(AREAS, '8UC1'), False),
    ('/net/out/compressed', packed(AREAS, 'mono8; png compressed mono8'), False),
    ('/zed/confidence/confidence_map', raw(NOISE.astype(np.float32), '32FC1'), True),
    ('/camera/confidence/image_raw', raw(AREAS, 'mono8'), True),
    ('/net/color_mask', raw(np.repeat(AREAS[..., None], 3, 2) * 20, 'rgb8'), False),
    ('/image_raw/zstd', packed(COLOR, 'rgb8; zstd'), True),
    ('/image_raw/ffmpeg', packed(COLOR, 'ffmpeg'), True),
    ('/vendor/image', raw(COLOR, 'vendor_raw'), True),
]


@pytest.mark.parametrize(('name', 'message', 'has_info'), LEFT_OUT)
def test_what_is_no_camera_is_left_out_and_said(
    tmp_path: Path, name: str, message: Any, has_info: bool
) -> None:
    """Whatever comes first in the recording; --topic takes it."""
    infos = (info_topic(name),) if has_info else ()
    bag = write_messages(tmp_path / 'bag', {name: [message] * 2, **CAMERA_TOPIC}, infos)
    recording = open_recording(bag)
    choice = choose_from([recording])
    assert [camera.topic for camera in choice.cameras] == ['/front/image_raw']
    assert list(choice.left_out) == [name]
    text = choice.left_out_text()
    assert name in text and '--topic' in text and choice.left_out[name] in text
    assert choose_from([recording], [name]).best.topic == name


TAKEN = [
    ('/mask_robot/labels/image_raw', raw(NOISE, 'mono8')),
    ('/semantic_depth/disparity', raw(COLOR, 'bgr8')),
    ('/ground_truth/camera/image_raw', raw(COLOR, 'rgb8')),
    ('/confidence/image/compressed', packed(COLOR, '', '.jpg')),
    ('/infra1/image_rect_raw', raw(NOISE, '8UC1')),
    ('/thermal/image_raw', raw(NOISE.astype(np.uint16) + 9000, 'mono16')),
    ('/depth_robot/front', raw(COLOR[..., 0].astype(np.uint16) * 9, 'bayer_rggb16')),
]


@pytest.mark.parametrize(('name', 'message'), TAKEN)
def test_camera_images_are_taken_whatever_their_name(
    tmp_path: Path, name: str, message: Any
) -> None:
    """Beside another camera and alone."""
    for topics in ({name: [message]}, {**CAMERA_TOPIC, name: [message]}):
        recording = open_recording(write_messages(tmp_path / f'bag{len(topics)}', topics))
        assert [c.topic for c in choose_from([recording]).cameras] == list(topics)


def test_flat_grey_with_a_camera_info_is_a_camera(tmp_path: Path) -> None:
    """A poster in front of the lens: only what is named so is a label image then."""
    for name, count in (('/side/image_raw', 2), ('/side/labels', 1)):
        topics = {**CAMERA_TOPIC, name: [raw(AREAS, 'mono8')]}
        bag = write_messages(tmp_path / name.rpartition('/')[2], topics, ('/side/camera_info',))
        assert len(choose_from([open_recording(bag)]).cameras) == count


def test_a_camera_that_starts_late_is_looked_at(tmp_path: Path) -> None:
    """After hundreds of messages of others, and after a damaged one of its own."""
    broken = packed(COLOR, 'rgb8; jpeg compressed bgr8', '.jpg')
    broken.data = broken.data[:10]
    topics = {
        '/a/depth': [raw(DEPTH, '16UC1')] * 300,
        '/b/depth_camera/compressed': [broken, packed(COLOR, 'jpeg', '.jpg')],
        '/c/depth_camera/image': [raw(COLOR, 'rgb8')],
    }
    recording = open_recording(write_messages(tmp_path / 'bag', topics))
    choice = choose_from([recording])
    assert [camera.topic for camera in choice.cameras] == list(topics)[1:]
    assert list(choice.left_out) == ['/a/depth']


def test_the_size_of_the_first_image_is_read_past_a_damaged_one(tmp_path: Path) -> None:
    broken = packed(COLOR, 'jpeg', '.jpg')
    broken.data = broken.data[:10]
    topics = {
        '/a': [raw(COLOR, 'rgb8')],
        '/b/compressed': [broken, packed(COLOR, 'jpeg', '.jpg')],
        '/c/compressed': [broken] * 5,
    }
    recording = open_recording(write_messages(tmp_path / 'bag', topics))
    sizes = [first_image_size(recording, topic) for topic in topics]
    assert sizes == [COLOR.shape[:2], COLOR.shape[:2], None]


def test_one_camera_is_colour_before_grey_before_depth(tmp_path: Path) -> None:
    """As `hiseg play` and `hiseg demo` take it, whatever comes first."""
    topics = {
        '/camera/depth/image_rect_raw': [raw(DEPTH, '16UC1')],
        '/camera/thermal/image': [raw(NOISE.astype(np.uint16) + 9000, 'mono16')],
        '/camera/infra1/image_rect_raw': [raw(NOISE, 'mono8')],
        '/camera/color/image_raw': [raw(COLOR, 'rgb8')],
    }
    names = list(topics)
    for count in (4, 3, 2):
        recording = open_recording(
            write_messages(tmp_path / str(count), {name: topics[name] for name in names[:count]})
        )
        choice = choose_from([recording]).only_best()
        assert choice.best.topic == names[count - 1]
        assert set(choice.left_out) == set(names[: count - 1])


def test_raw_images_that_cannot_be_read_leave_their_compressed_ones(tmp_path: Path) -> None:
    """Otherwise the raw ones are taken."""
    for encoding, taken in (('rgb8', '/image'), ('vendor', '/image/compressed')):
        topics = {'/image': [raw(COLOR, encoding)], '/image/compressed': [packed(COLOR, 'jpeg')]}
        recording = open_recording(write_messages(tmp_path / encoding, topics))
        assert [c.topic for c in choose_from([recording]).cameras] == [taken]


@pytest.mark.parametrize('verb', [['replay', '--output', 'out'], ['play', '--list']])
def test_commands_say_what_they_take(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: list[str]
) -> None:
    """And why there is no camera."""
    bag = write_messages(tmp_path / 'bag', {'/d': [raw(DEPTH, '16UC1')]})
    assert main([verb[0], str(bag), *verb[1:]]) == 2
    said = capsys.readouterr().err
    assert '/d is not taken (16UC1: depth or another measurement)' in said and '--topic' in said
