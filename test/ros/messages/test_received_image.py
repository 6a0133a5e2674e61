# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Serialised images are read as the middleware reads them, without a copy of their pixels."""

from __future__ import annotations

import random
import struct
from array import array
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from damaged_cdr import damaged

pytestmark = pytest.mark.needs('ros')

IMAGE_FIELDS = ('header', 'height', 'width', 'encoding', 'is_bigendian', 'step')
PIXELS = np.random.default_rng(3).integers(0, 256, 60, np.uint8)


def messages() -> Iterator[Any]:
    """Yield images whose fields have all alignments."""
    from builtin_interfaces.msg import Time
    from sensor_msgs.msg import CompressedImage, Image
    from std_msgs.msg import Header

    stamp = Time(sec=-3, nanosec=2**32 - 1)
    for number, frame_id in enumerate(('', 'a', 'ab', 'abc', 'camera', 'Straße/links')):
        header = Header(stamp=stamp, frame_id=frame_id)
        data = array('B', PIXELS[: 60 - number].tobytes())
        yield Image(
            header=header, height=2**31 + 1, width=5, encoding='mono16'[number:],
            is_bigendian=number % 2, step=2**32 - 1, data=data,
        )  # fmt: skip
        yield CompressedImage(header=header, format='rgb8; png '[:-number], data=data)
    yield Image()
    yield CompressedImage()


def agree(read: Any, message: Any) -> None:
    """Check that every field is the same."""
    fields = IMAGE_FIELDS if hasattr(message, 'encoding') else ('header', 'format')
    for name in fields:
        assert getattr(read, name) == getattr(message, name)
    assert bytes(read.data) == message.data.tobytes()


def test_every_field_is_that_of_the_message() -> None:
    """And the pixels lie in the serialised message, which is not copied."""
    from rclpy.serialization import serialize_message

    from hiseg_ros.images.image_message import bytes_of
    from hiseg_ros.ros.messages.received_image import read_image

    for message in messages():
        serialized = serialize_message(message)
        read = read_image(type(message), serialized)
        assert type(read).__name__ == f'Received{type(message).__name__}'
        agree(read, message)
        if len(message.data):
            assert np.shares_memory(bytes_of(read.data), np.frombuffer(serialized, np.uint8))


def test_numbers_of_a_big_endian_sender_are_read() -> None:
    from sensor_msgs.msg import Image

    from hiseg_ros.ros.messages.received_image import read_image

    serialized = b'\x00\x00\x00\x00' + struct.pack('>iII4sII', 7, 8, 4, b'cam\x00', 1, 3)
    serialized += struct.pack('>I6sBxI', 6, b'mono8\x00', 0, 3) + struct.pack('>I3s', 3, b'xyz')
    read = read_image(Image, serialized)
    assert (read.header.stamp.sec, read.header.stamp.nanosec) == (7, 8)
    assert read.header.frame_id == 'cam'
    assert (read.height, read.width, read.encoding, read.step) == (1, 3, 'mono8', 3)
    assert bytes(read.data) == b'xyz'


def test_damaged_bytes_are_read_as_by_the_middleware_or_refused() -> None:
    """Nothing is made up, and nothing lies outside the bytes."""
    from rclpy.serialization import deserialize_message, serialize_message

    from hiseg_ros.ros.messages.received_image import read_image

    refused = 0
    for message in messages():
        kind = type(message)
        for data in damaged(serialize_message(message), random.Random(1)):
            try:
                expected = deserialize_message(data, kind)
            except Exception:
                expected = None
                refused += 1
            try:
                read = read_image(kind, data)
            except Exception:
                assert expected is None
                continue
            if expected is not None:
                agree(read, expected)
            assert len(read.data) <= len(data)
    assert refused > 100


@pytest.mark.parametrize('encoding', ['rgb8', 'bgr8', 'mono16'])
def test_images_are_decoded_where_they_lie(encoding: str) -> None:
    """With the result of an image that rclpy unpacked; rgb8 is not even copied then."""
    from rclpy.serialization import serialize_message
    from sensor_msgs.msg import Image

    from hiseg_ros.images.image_message import rgb_of
    from hiseg_ros.ros.messages.received_image import read_image

    step = 12 if encoding == 'mono16' else 18
    message = Image(height=3, width=6, encoding=encoding, step=step)
    message.data = array('B', PIXELS[: 3 * step].tobytes())
    serialized = serialize_message(message)
    read = read_image(Image, serialized)
    rgb = rgb_of(read)
    np.testing.assert_array_equal(rgb, rgb_of(message))
    lies_there = np.shares_memory(rgb, np.frombuffer(serialized, np.uint8))
    assert lies_there == (encoding == 'rgb8')
