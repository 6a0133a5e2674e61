# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Camera images as the middleware delivers them, serialised: the pixels stay where they are.

rclpy copies an image into a C structure, from there into Python bytes, and from these into an
array, while it holds Python's global lock. A subscription of raw messages gives the serialised
bytes. Here the few fields in front of the pixels are read, and the pixels are a view of the bytes:
an image that a newer one replaces is never unpacked.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TypeAlias

from builtin_interfaces.msg import Time
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

ENCAPSULATION = 4
"""Bytes in front of a serialised message (CDR); positions in it count from behind them."""

BYTE_ORDERS = {b'\x00\x00': '>', b'\x00\x01': '<'}
"""By the first two bytes."""


@dataclass(frozen=True, eq=False)
class ReceivedImage:
    """The fields of a sensor_msgs/Image."""

    header: Header
    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: memoryview
    """Read-only, in the serialised message."""


@dataclass(frozen=True, eq=False)
class ReceivedCompressedImage:
    """The fields of a sensor_msgs/CompressedImage."""

    header: Header
    format: str
    data: memoryview
    """Read-only, in the serialised message."""


ImageMessage: TypeAlias = Image | CompressedImage | ReceivedImage | ReceivedCompressedImage
"""An image message, as rclpy builds it or as it was received."""


def read_image(kind: type[Image] | type[CompressedImage], serialized: bytes) -> ImageMessage:
    """Return the fields of a serialised image.

    Args:
        kind: Its type.
        serialized: What a subscription of raw messages gives.

    Returns:
        A view, or for a serialisation that is not plain the message as the middleware reads it.

    Raises:
        Exception: Of rclpy or the middleware, for bytes that are no such message.
    """
    try:
        fields = _Fields(serialized)
        return fields.image() if kind is Image else fields.compressed_image()
    except (struct.error, ValueError):
        return deserialize_message(serialized, kind)


class _Fields:
    """Reads the fields of a message one after another."""

    def __init__(self, serialized: bytes) -> None:
        """Start behind the encapsulation.

        Raises:
            ValueError: It is not that of plain CDR.
        """
        self._order = BYTE_ORDERS.get(serialized[:2], '')
        if not self._order:
            raise ValueError('not plain CDR')
        self._bytes = memoryview(serialized)[ENCAPSULATION:]
        self._place = 0

    def image(self) -> ReceivedImage:
        """Return a sensor_msgs/Image; `_number`, `_text` and `_data` say what they raise."""
        header = self._header()
        height, width = self._number('I'), self._number('I')
        encoding, is_bigendian, step = self._text(), self._number('B'), self._number('I')
        return ReceivedImage(header, height, width, encoding, is_bigendian, step, self._data())

    def compressed_image(self) -> ReceivedCompressedImage:
        """Return a sensor_msgs/CompressedImage; raises as `image` does."""
        return ReceivedCompressedImage(self._header(), self._text(), self._data())

    def _header(self) -> Header:
        stamp = Time(sec=self._number('i'), nanosec=self._number('I'))
        return Header(stamp=stamp, frame_id=self._text())

    def _number(self, code: str) -> int:
        """Return a number, which stands at a multiple of its size.

        Raises:
            struct.error: The message has ended.
        """
        size = struct.calcsize(code)
        place = -(-self._place // size) * size
        (number,) = struct.unpack_from(self._order + code, self._bytes, place)
        self._place = place + size
        return int(number)

    def _text(self) -> str:
        """Return a text, whose length counts the zero byte behind it.

        Raises:
            struct.error: The message has ended.
            ValueError: The same, or it has other zero bytes or none, or is not UTF-8.
        """
        content = bytes(self._data())
        if content.find(0) != len(content) - 1:
            raise ValueError('a text with zero bytes elsewhere than at its end')
        return content[:-1].decode()

    def _data(self) -> memoryview:
        """Return bytes in front of which their number stands.

        Raises:
            struct.error: The message has ended.
            ValueError: The same.
        """
        length = self._number('I')
        data = self._bytes[self._place : self._place + length]
        if len(data) < length:
            raise ValueError('a message that ends early')
        self._place += length
        return data
