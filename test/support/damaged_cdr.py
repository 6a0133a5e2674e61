# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Damaged forms of serialised ROS messages."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator


def damaged(sound: bytes, chance: random.Random) -> Iterator[bytes]:
    """Yield changed forms of a serialized message: cut off, lengths, encapsulation, noise."""
    for length in (0, 1, 3, 4, 5, 8, 12, 13, len(sound) // 2, len(sound) - 1):
        yield sound[:length]
    for kind in (b'\x00\x00', b'\x00\x02', b'\x00\x03', b'\x00\x06', b'\x00\x07', b'\xff\xff'):
        yield kind + sound[2:]
    for place in range(4, min(len(sound) - 4, 64), 4):
        for number in (0, 1, 2**31 - 1, 2**31, 2**32 - 1):
            yield sound[:place] + struct.pack('<I', number) + sound[place + 4 :]
    for _ in range(20):
        yield sound[:4] + chance.randbytes(chance.randrange(200))
        yield chance.randbytes(chance.randrange(200))
    yield sound + bytes(100_000)
