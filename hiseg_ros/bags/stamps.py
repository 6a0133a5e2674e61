# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Header stamps in nanoseconds, of messages and of serialised messages.

The stamp of a serialised message is read from its first bytes; rosbags and rclpy read it by
decoding the whole message.
"""

from __future__ import annotations

import struct
from typing import Any

from hiseg_ros.errors import BagError


def stamp_ns_of(stamp: Any) -> int:
    """Return a builtin_interfaces/Time of rclpy or rosbags in nanoseconds."""
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def header_stamp_ns(message: Any) -> int:
    """Return the header stamp of a message of rclpy or rosbags in nanoseconds."""
    return stamp_ns_of(message.header.stamp)


def read_stamp_ns(data: bytes) -> int:
    """Return the header stamp in ns of a serialised message that starts with its header.

    Raises:
        BagError: The message is too short, or not plain CDR.
    """
    seconds, nanoseconds = struct.unpack_from(_stamp_format(data), data, 4)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)


def with_stamp(data: bytes, stamp_ns: int) -> bytes:
    """Return a serialised message that starts with its header, with another stamp.

    Raises:
        BagError: The message is too short, or not plain CDR.
    """
    changed = bytearray(data)
    struct.pack_into(_stamp_format(data), changed, 4, *divmod(stamp_ns, 1_000_000_000))
    return bytes(changed)


def is_plain_cdr(data: bytes) -> bool:
    """Return whether a message is plain CDR and long enough for a stamp."""
    return len(data) >= 12 and data[0] == 0 and data[1] in (0, 1)


def _stamp_format(data: bytes) -> str:
    # Encapsulation 0x0000 is big, 0x0001 little endian; the stamp follows at once.
    if not is_plain_cdr(data):
        raise BagError(
            f'A recorded message starts with {data[:4].hex() or "nothing"} and has {len(data)} '
            'bytes; expected plain CDR (0000 or 0001) with a header: the bag is damaged.'
        )
    return '<iI' if data[1] else '>iI'
