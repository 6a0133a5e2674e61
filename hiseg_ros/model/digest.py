# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The digest of a weights file: written into it, and compared when it is loaded; without torch.

A disk, a memory card or a transfer changes bytes that are still numbers. It shows damage and
protects from nobody: who alters a file can alter its digest too.
"""

from __future__ import annotations

import hashlib
import io
import json
import warnings
from pathlib import Path
from typing import Any, BinaryIO

from hiseg_ros.errors import CheckpointError

DIGEST_KEY = 'hiseg_ros_sha256'
"""Name of the digest among a file's metadata, whatever the kind of file."""

MAX_HEADER_BYTES = 32_000_000
"""Largest header of a safetensors file: it is JSON, which takes many times its size in memory."""

_CHUNK = 1 << 20


def check_digest(path: Path, stated: str, found: str) -> None:
    """Compare the digest that a file states with that of its content.

    A file without one is accepted with a warning, which Python gives once for each file.

    Args:
        path: The file, for messages.
        stated: Digest in its metadata; '' where it has none.
        found: Digest of its content.

    Raises:
        CheckpointError: They differ.
    """
    if not stated:
        warnings.warn(
            f'{path} has no digest, so damage to its numbers cannot be noticed; expected one, as '
            '`hiseg train`, `export`, `quantize` and `wrap` write it now: write the file again.',
            RuntimeWarning,
            stacklevel=2,
        )
    elif stated != found:
        raise CheckpointError(
            f'{path} says that its content has the digest {stated[:12]!r}, and it has '
            f'{found[:12]!r}; expected them equal: the file is damaged or was altered, copy or '
            'export it again.'
        )


def check_safetensors(path: Path) -> None:
    """Check that a safetensors file is whole and has the digest that it states.

    Raises:
        CheckpointError: They differ, or the file is not safetensors.
    """
    try:
        with path.open('rb') as file:
            header, start = read_header(file)
            check_digest(path, _metadata(header).get(DIGEST_KEY, ''), _digest(file, header, start))
    except (OSError, ValueError) as problem:
        raise CheckpointError(
            f'{path} is not a readable safetensors file ({problem}); expected weights written by '
            '`hiseg train`.'
        ) from problem


def with_digest(content: bytes) -> bytes:
    """Return the bytes of a safetensors file with its digest; the numbers stay as they are.

    Raises:
        ValueError: They are not safetensors.
    """
    file = io.BytesIO(content)
    header, start = read_header(file)
    metadata = {k: v for k, v in _metadata(header).items() if k != DIGEST_KEY}
    header['__metadata__'] = {**metadata, DIGEST_KEY: _digest(file, header, start)}
    text = json.dumps(header, separators=(',', ':'), ensure_ascii=False).encode()
    text += b' ' * (-len(text) % 8)  # the numbers begin at a multiple of 8 bytes
    return len(text).to_bytes(8, 'little') + text + content[start:]


def read_header(file: BinaryIO) -> tuple[dict[str, Any], int]:
    """Return the header of a safetensors file, and the position at which its numbers begin.

    Raises:
        ValueError: The file is not safetensors, is cut off, or its header is too large.
    """
    total = file.seek(0, io.SEEK_END)
    file.seek(0)
    length = int.from_bytes(file.read(8), 'little')
    if total < 10 or length > total - 8:
        raise ValueError(f'a header of {length} bytes in a file of {total}')
    if length > MAX_HEADER_BYTES:
        raise ValueError(f'a header of {length} bytes, more than {MAX_HEADER_BYTES}')
    try:
        header = json.loads(file.read(length))
    except RecursionError:
        raise ValueError('a header that is nested too deep') from None
    if not isinstance(header, dict):
        raise ValueError('a header without names')
    start = 8 + length
    for name, (begin, end) in _ranges(header).items():
        if not 0 <= begin <= end <= total - start:
            raise ValueError(f'the numbers of {name[:80]!r} lie outside the file')
    return header, start


def _metadata(header: dict[str, Any]) -> dict[str, str]:
    metadata = header.get('__metadata__') or {}
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise ValueError('metadata that are no texts')
    return metadata


def _ranges(header: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Return first and last position of each tensor's numbers, by its name."""
    found = {}
    for name, entry in header.items():
        if name == '__metadata__':
            continue
        offsets = entry.get('data_offsets') if isinstance(entry, dict) else None
        if not isinstance(offsets, list) or [type(number) for number in offsets] != [int, int]:
            raise ValueError(f'the entry {name[:80]!r} of its header is no tensor')
        found[name] = (offsets[0], offsets[1])
    return found


def _digest(file: BinaryIO, header: dict[str, Any], start: int) -> str:
    """Return the SHA-256 of metadata, names, types, shapes and numbers, in the order of names."""
    metadata = {k: v for k, v in _metadata(header).items() if k != DIGEST_KEY}
    ranges = dict(sorted(_ranges(header).items()))
    tensors = [[name, header[name].get('dtype'), header[name].get('shape')] for name in ranges]
    found = hashlib.sha256(json.dumps([metadata, tensors], sort_keys=True).encode())
    for begin, end in ranges.values():
        file.seek(start + begin)
        left = end - begin
        while left > 0:
            chunk = file.read(min(left, _CHUNK))
            if not chunk:
                raise ValueError('it ends before its numbers do')
            found.update(chunk)
            left -= len(chunk)
    return found.hexdigest()
