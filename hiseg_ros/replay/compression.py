# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Zstandard and LZ4 as bags use them, giving what is whole of data that was cut off."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from lz4.frame import LZ4FrameDecompressor  # type: ignore[import-untyped]

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ZSTD_SUFFIX = '.zstd'
ZSTD_MAGIC = b'\x28\xb5\x2f\xfd'
"""First bytes of a compressed message; those of a plain one are 00 and 00 to 03."""

_BLOCK = 2**20


def message_bytes(data: bytes) -> bytes:
    """Return a message as it was before rosbag2 compressed it, if it did.

    Raises:
        Exception: The compressed data is damaged; of the compressor's own kind.
    """
    return zstd.decompress(data) if data[:4] == ZSTD_MAGIC else data


def unpack_file(source: Path, target: Path) -> str | None:
    """Write what a .zstd file holds, as far as it is whole.

    Returns:
        What is wrong with it, None where nothing is.

    Raises:
        OSError: A file cannot be read or written.
    """
    reader: Any = None
    with source.open('rb') as packed, target.open('wb') as plain:
        while block := packed.read(_BLOCK):
            while block:
                reader = zstd.ZstdDecompressor() if reader is None or reader.eof else reader
                try:
                    plain.write(reader.decompress(block))
                except zstd.ZstdError as error:
                    return f'its compressed data is damaged: {error}'
                block = reader.unused_data if reader.eof else b''
    if reader is None or not reader.eof:
        return 'its compressed data is cut off'
    return None


def unpack_chunk(data: bytes, compression: str) -> bytes:
    """Return what a chunk of an MCAP file holds, as far as it is whole.

    Args:
        data: The chunk's bytes, perhaps cut off.
        compression: '', 'zstd' or 'lz4'; of any other kind nothing is returned.
    """
    if compression == '':
        return data
    if compression not in ('zstd', 'lz4'):
        return b''
    reader: Any = zstd.ZstdDecompressor() if compression == 'zstd' else LZ4FrameDecompressor()
    parts: list[bytes] = []
    try:
        # Small bites: what comes before the damage is out when the damage is met.
        for start in range(0, len(data), 4096):
            if reader.eof:
                break
            parts.append(reader.decompress(data[start : start + 4096]))
    except (zstd.ZstdError, RuntimeError):
        pass
    return b''.join(parts)
