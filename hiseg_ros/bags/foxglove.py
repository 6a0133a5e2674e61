# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Foxglove's image messages and FFmpeg packets: their types, and Protobuf as CDR.

The Protobuf of three flat messages is read here: the package protobuf is no dependency of a robot.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

VIDEO, IMAGE, RAW = (
    f'foxglove_msgs/msg/{name}' for name in ('CompressedVideo', 'CompressedImage', 'RawImage')
)
PACKET = 'ffmpeg_image_transport_msgs/msg/FFMPEGPacket'

_TEXTS = {
    VIDEO: 'builtin_interfaces/Time timestamp\nstring frame_id\nuint8[] data\nstring format\n',
    IMAGE: 'builtin_interfaces/Time timestamp\nstring frame_id\nuint8[] data\nstring format\n',
    RAW: 'builtin_interfaces/Time timestamp\nstring frame_id\nuint32 width\nuint32 height\n'
    'string encoding\nuint32 step\nuint8[] data\n',
    PACKET: 'std_msgs/Header header\nint32 width\nint32 height\nstring encoding\nuint64 pts\n'
    'uint8 flags\nbool is_bigendian\nuint8[] data\n',
}

DEFINITIONS = {
    name: MessageDefinition(MessageDefinitionFormat.MSG, text) for name, text in _TEXTS.items()
}
"""Definitions by type, for recordings without them."""

_FIELDS: dict[str, dict[int, str]] = {
    VIDEO: {1: 'timestamp', 2: 'frame_id', 3: 'data', 4: 'format'},
    IMAGE: {1: 'timestamp', 2: 'data', 3: 'format', 4: 'frame_id'},
    RAW: {
        1: 'timestamp', 2: 'width', 3: 'height', 4: 'encoding', 5: 'step', 6: 'data',
        7: 'frame_id',
    },
}  # fmt: skip
"""Fields of Foxglove's .proto files by number."""

PROTOBUF_TYPES = {f'foxglove.{name.rpartition("/")[2]}': name for name in _FIELDS}
"""Types of ROS 2 by the names of Protobuf schemas."""


@functools.cache
def _types() -> Typestore:
    store = get_typestore(Stores.ROS2_JAZZY)
    for name in _FIELDS:
        store.register(get_types_from_msg(_TEXTS[name], name))
    return store


def cdr_of(message_type: str, data: bytes) -> bytes:
    """Return a Protobuf message as CDR.

    Args:
        message_type: One of the values of PROTOBUF_TYPES.
        data: The message.

    Raises:
        ValueError: The message is damaged.
    """
    fields: dict[str, Any] = {
        'timestamp': b'', 'frame_id': b'', 'data': b'', 'format': b'', 'encoding': b'',
        'width': 0, 'height': 0, 'step': 0,
    }  # fmt: skip
    names = _FIELDS[message_type]
    try:
        for number, value in _fields(data):
            if number in names:
                fields[names[number]] = value
        seconds, nanoseconds = 0, 0
        for number, value in _fields(fields['timestamp']):
            seconds, nanoseconds = (
                (int(value), nanoseconds) if number == 1 else (seconds, int(value))
            )
        made: dict[str, Any] = {}
        for name in names.values():
            value = fields[name]
            if name == 'data':
                made[name] = np.frombuffer(value, np.uint8)
            elif name == 'timestamp':
                time = _types().types['builtin_interfaces/msg/Time']
                made[name] = time(sec=seconds, nanosec=nanoseconds)
            else:
                made[name] = value.decode() if isinstance(value, bytes) else int(value)
        message = _types().types[message_type](**made)
        return bytes(_types().serialize_cdr(message, message_type))
    except (IndexError, struct.error, TypeError, AttributeError) as error:
        raise ValueError(f'a Protobuf message is damaged ({error})') from error


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Yield (number, value) of the fields of a message: a number, or bytes."""
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        number, kind = key >> 3, key & 7
        value: Any
        if kind == 0:
            value, position = _varint(data, position)
        elif kind == 2:
            length, position = _varint(data, position)
            value, position = data[position : position + length], position + length
            if position > len(data):
                raise ValueError('a field of a Protobuf message is cut off')
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
            (value,) = struct.unpack_from('<Q' if kind == 1 else '<I', data, position)
            position += size
        else:
            raise ValueError(f'a Protobuf message has a field of the unknown kind {kind}')
        yield number, value


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position
        if shift > 63:
            raise ValueError('a number of a Protobuf message is too long')
