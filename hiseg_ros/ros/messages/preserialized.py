# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Publishing large messages already serialised, which saves copies of their data.

rclpy has no way to fill a message's data in place: it copies a message into a C structure, which
the middleware serialises into its own memory. Images and probability maps end with their data,
which is the same in the message and in its serialised form. Here the data is filled into a buffer
with room in front for the serialised fields, and the buffer is handed to the middleware: one copy
and its page faults less, and without holding Python's global lock.
"""

from __future__ import annotations

import ctypes
from array import array
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from rclpy.lifecycle import LifecyclePublisher
from rclpy.serialization import deserialize_message, serialize_message

ROOM = 4096
"""Bytes in front of the data for the other fields. A message whose fields need more, such as a
frame_id of thousands of letters, is published by rclpy as usual."""

COUNT = np.dtype('<u4')
"""CDR sequence-length prefix of the data: its number of bytes."""

LITTLE_ENDIAN = b'\x00\x01'
"""First bytes of a serialised message (CDR) with little-endian numbers."""

Message = TypeVar('Message')


class _Allocator(ctypes.Structure):
    """`rcutils_allocator_t`; left empty, since nobody resizes the buffer."""

    _fields_ = tuple(
        (name, ctypes.c_void_p)
        for name in ('allocate', 'deallocate', 'reallocate', 'zero_allocate', 'state')
    )


class _Serialized(ctypes.Structure):
    """`rcl_serialized_message_t`."""

    _fields_ = (
        ('buffer', ctypes.c_void_p),
        ('buffer_length', ctypes.c_size_t),
        ('buffer_capacity', ctypes.c_size_t),
        ('allocator', _Allocator),
    )


def message_with_data(kind: type[Message], size: int, /, **fields: Any) -> Message:
    """Return a message whose field `data` is to be filled in.

    Args:
        kind: Class of a message whose last field is `uint8[] data`.
        size: Bytes of the data.
        **fields: Values of other fields.
    """
    message = kind(**fields)
    memory = np.zeros(ROOM + size, np.uint8)
    # Assigning to the field itself would copy the data.
    message._data = memory[ROOM:].data  # type: ignore[attr-defined]
    return message


def publish(publisher: LifecyclePublisher, message: Any) -> None:
    """Publish a message of any type; one of `message_with_data` with fewer copies.

    Does nothing while the publisher is not active.

    Raises:
        rclpy.exceptions.InvalidHandle: The publisher was destroyed.
        RuntimeError: The middleware failed.
    """
    data = getattr(message, 'data', None)
    if not (isinstance(data, memoryview) and publisher.is_activated):
        publisher.publish(message)
        return
    serialized = _serialized(message)
    if serialized is None or not _publish_serialized(publisher, serialized):
        publisher.publish(message)


def _serialized(message: Any) -> NDArray[np.uint8] | None:
    """Return the message's serialised form, in the buffer of its data; None if it cannot be."""
    kind: Any = type(message)
    if not _is_composable(kind):
        return None
    fields = _fields_before(message)
    if len(fields) > ROOM:
        return None
    memory = message.data.obj.base
    start = ROOM - len(fields)
    memory[start:ROOM] = np.frombuffer(fields, np.uint8)
    return memory[start:]


def _fields_before(message: Any) -> bytes:
    """Return the serialised fields before the data, with the length prefix of the data."""
    data, message._data = message.data, array('B')
    try:
        without: bytes = serialize_message(message)
    finally:
        message._data = data
    return without[: -COUNT.itemsize] + np.array(len(data), COUNT).tobytes()


@lru_cache
def _is_composable(kind: Any) -> bool:
    """Return whether serialised fields followed by the data are the serialised message.

    Tried once per message type, with the middleware's own reader.
    """
    if list(kind.get_fields_and_field_types().items())[-1] != ('data', 'sequence<uint8>'):
        return False
    for size in (1, 6):
        message: Any = kind()
        message.data = array('B', range(1, size + 1))
        composed = _fields_before(message) + message.data.tobytes()
        if composed[:2] != LITTLE_ENDIAN or deserialize_message(composed, kind) != message:
            return False
    return True


def _publish_serialized(publisher: LifecyclePublisher, serialized: NDArray[np.uint8]) -> bool:
    """Hand bytes to the middleware; rclpy's own function copies them first."""
    call = _rcl_publish_serialized()
    message = _Serialized(serialized.ctypes.data, serialized.size, serialized.size)
    with publisher.handle:
        return bool(call(publisher.handle.pointer, ctypes.byref(message), None) == 0)


@lru_cache(maxsize=1)
def _rcl_publish_serialized() -> Any:
    """Return the function of librcl, a library that rclpy has loaded."""
    call = ctypes.CDLL('librcl.so').rcl_publish_serialized_message
    call.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
    call.restype = ctypes.c_int
    return call
