# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Zstandard and LZ4 as bags use them, with limits on the unpacked size.

The one-shot functions of the libraries refuse data that was cut off and unpack without a limit;
here the whole part of it is returned, and a limit ends what would fill memory or disk.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from lz4.frame import LZ4FrameDecompressor  # type: ignore[import-untyped]

from hiseg_ros.errors import ConfigError
from hiseg_ros.images.header import MAX_PIXELS

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ZSTD_SUFFIX = '.zstd'
ZSTD_MAGIC = b'\x28\xb5\x2f\xfd'
"""First bytes of a compressed message; a plain one starts with 00, then 00 to 03."""

MAX_MESSAGE_BYTES = 8 * MAX_PIXELS + 2**20
"""Largest message: an image of MAX_PIXELS pixels with 8 bytes each, and its other fields."""

MAX_CHUNK_BYTES = 2**30
"""Largest chunk of an MCAP file; recorders write chunks of about a MiB."""

FREE_BYTES, MAX_RATIO = 2**30, 1000
"""Largest unpacked file: FREE_BYTES plus MAX_RATIO times its packed size. No recording shrinks
further, only a file that is made to fill the disk."""

LEFT_BYTES = 2**28
"""Bytes of the disk that stay free beside the unpacked files."""

_BLOCK = 2**20
_HEAD_BYTES = 18
"""Largest header of a Zstandard frame, which may say how much it holds."""


def message_bytes(data: bytes) -> bytes:
    """Return a message without rosbag2's compression of single messages, if it has one.

    Raises:
        ValueError: The compressed data is cut off, or larger than MAX_MESSAGE_BYTES.
        zstd.ZstdError: It is damaged.
    """
    if data[:4] != ZSTD_MAGIC:
        return data
    reader = zstd.ZstdDecompressor()
    plain = reader.decompress(data, MAX_MESSAGE_BYTES)
    if not reader.eof:
        raise ValueError(f'it is cut off, or larger than {MAX_MESSAGE_BYTES} bytes')
    return plain


def chunk_bytes(data: bytes, compression: str, size: int) -> bytes:
    """Return a whole chunk of an MCAP file.

    Args:
        data: The chunk's bytes.
        compression: 'zstd' or 'lz4'.
        size: Unpacked size that the chunk announces.

    Raises:
        ValueError: It is cut off, or holds more than it announces or than is allowed.
        Exception: It is damaged: ZstdError of Zstandard, RuntimeError of LZ4.
    """
    parts: list[bytes] = []
    room = min(size, MAX_CHUNK_BYTES) + 1
    while data and room > 0:  # one frame after the other
        reader: Any = zstd.ZstdDecompressor() if compression == 'zstd' else LZ4FrameDecompressor()
        parts.append(reader.decompress(data, room))
        room -= len(parts[-1])
        if room > 0 and not reader.eof:
            raise ValueError('a compressed chunk is cut off')
        data = reader.unused_data or b''
    if room <= 0:
        raise ValueError(f'a chunk of {size} bytes holds more, or more than {MAX_CHUNK_BYTES}')
    return b''.join(parts)


def check_room(folder: Path, files: Sequence[Path] = ()) -> None:
    """Check that the disk has room for the content of .zstd files, as far as they announce it.

    Args:
        folder: Folder that they are unpacked to.
        files: The packed files; empty to check only that LEFT_BYTES are free.

    Raises:
        ConfigError: The disk has too little room.
        OSError: A file cannot be read.
    """
    needed, free = sum(map(_plain_bytes, files)), shutil.disk_usage(folder).free
    if free < needed + LEFT_BYTES:
        raise ConfigError(
            f'The folder {folder} has {free / 1e6:.0f} MB of room for a compressed recording of '
            f'{needed / 1e6:.0f} MB or more; expected so much and {LEFT_BYTES / 1e6:.0f} MB '
            'beside it: make room, or set TMPDIR to another folder.'
        )


def _plain_bytes(path: Path) -> int:
    """Return the unpacked size that a .zstd file announces, its own size where it has none."""
    with path.open('rb') as file:
        head = file.read(_HEAD_BYTES)
    try:
        told = zstd.get_frame_info(head).decompressed_size
    except zstd.ZstdError:
        told = None  # damaged: unpacking says so
    size = path.stat().st_size
    # An announced size that is not allowed is refused while unpacking.
    return int(size if told is None or told > FREE_BYTES + MAX_RATIO * size else told)


def unpack_file(source: Path, target: Path) -> str | None:
    """Write the content of a .zstd file, up to where it is damaged.

    Returns:
        The fault as a clause, None where the file is whole.

    Raises:
        ConfigError: The disk would be full.
        OSError: A file cannot be read or written.
    """
    check_room(target.parent, [source])
    reader: Any = None
    with source.open('rb') as packed, target.open('wb') as file:
        plain = _Growing(file, target.parent)
        while block := packed.read(_BLOCK):
            while block:
                reader = zstd.ZstdDecompressor() if reader is None or reader.eof else reader
                try:
                    plain.write(reader.decompress(block, _BLOCK))
                    # A few bytes may unpack to gigabytes: take them in pieces.
                    while not (reader.eof or reader.needs_input):
                        if plain.size > FREE_BYTES + MAX_RATIO * packed.tell():
                            return 'its compressed data grows without end'
                        plain.write(reader.decompress(b'', _BLOCK))
                except zstd.ZstdError as error:
                    return f'its compressed data is damaged: {error}'
                block = reader.unused_data if reader.eof else b''
    if reader is None or not reader.eof:
        return 'its compressed data is cut off'
    return None


class _Growing:
    """An output file that checks from time to time that the disk has room for more."""

    def __init__(self, file: BinaryIO, folder: Path) -> None:
        self._file, self._folder = file, folder
        self.size = self._checked = 0

    def write(self, data: bytes) -> None:
        """Append data.

        Raises:
            ConfigError: The disk has too little room left.
        """
        self.size += self._file.write(data)
        if self.size - self._checked > LEFT_BYTES // 4:
            check_room(self._folder)
            self._checked = self.size


def unpacked_files(files: Sequence[Path], folder: Path) -> list[Path]:
    """Unpack all files of a recording and return the paths of the unpacked ones.

    Raises:
        ConfigError: There is no room for them.
        OSError: A file cannot be read or written.
        ValueError: A file is damaged.
    """
    check_room(folder, files)
    targets = [folder / file.name.removesuffix(ZSTD_SUFFIX) for file in files]
    for file, target in zip(files, targets, strict=True):
        if fault := unpack_file(file, target):
            raise ValueError(f'{file.name}: {fault}')
    return targets


def unpack_chunk(data: bytes, compression: str) -> bytes:
    """Return the content of a chunk of an MCAP file, up to where it is damaged.

    Args:
        data: The chunk's bytes, perhaps cut off.
        compression: '', 'zstd' or 'lz4'; nothing is returned for another.
    """
    if compression == '':
        return data
    if compression not in ('zstd', 'lz4'):
        return b''
    reader: Any = zstd.ZstdDecompressor() if compression == 'zstd' else LZ4FrameDecompressor()
    parts: list[bytes] = []
    room = MAX_CHUNK_BYTES
    try:
        # In small pieces: what lies before the damage is unpacked when the damage is met.
        for start in range(0, len(data), 4096):
            bite = data[start : start + 4096]
            while room > 0 and not reader.eof:
                parts.append(reader.decompress(bite, min(room, _BLOCK)))
                room -= len(parts[-1])
                bite = b''
                if reader.needs_input:
                    break
    except (zstd.ZstdError, RuntimeError):
        pass
    return b''.join(parts)
