# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The digest of an ONNX file, as an entry of its metadata; see `model.digest`."""

from __future__ import annotations

import hashlib
from pathlib import Path

from hiseg_ros.inference.onnx_bytes import outside_files, placed_fields
from hiseg_ros.model.digest import DIGEST_KEY, check_digest

METADATA_FIELD = 14
"""Number of the field `metadata_props` in the ModelProto of the ONNX format."""

MAX_OUTSIDE_BYTES = 1 << 30
"""Of the files together in which a network keeps its numbers."""

_CHUNK = 1 << 20


def check_onnx(content: memoryview, path: Path) -> None:
    """Check that an ONNX file and the files that it refers to have the digest that it states.

    Args:
        content: Bytes of the file.
        path: The file.

    Raises:
        CheckpointError: They differ.
        OSError: A file that it refers to cannot be read.
        ValueError: Its bytes are damaged, or it states a digest and a file that it refers to is
            missing.
    """
    stated = next((said for _, _, said in _parts(content) if said is not None), '')
    check_digest(path, stated, _digest(content, path) if stated else '')


def check_outside(content: memoryview, path: Path) -> None:
    """Check that the files that a network refers to are in its folder and not too large.

    Raises:
        ValueError: They are not, or its bytes are damaged.
    """
    sizes = [file.stat().st_size for file in outside_files(content, path) if file.is_file()]
    if sum(sizes) > MAX_OUTSIDE_BYTES:
        raise ValueError(f'it refers to files of more than {MAX_OUTSIDE_BYTES} bytes')


def add_digest(path: Path) -> None:
    """Write the digest into an ONNX file; everything else stays as it is.

    Raises:
        OSError: The file cannot be written.
        ValueError: It is no ONNX file.
    """
    content = path.read_bytes()
    rest = b''.join(content[begin:end] for begin, end, stated in _parts(content) if stated is None)
    found = _digest(memoryview(rest), path).encode()
    entry = _field(1, DIGEST_KEY.encode()) + _field(2, found)
    path.write_bytes(rest + _field(METADATA_FIELD, entry))


def _digest(content: memoryview, path: Path) -> str:
    """Return the SHA-256 of all fields but the digest, and of the files referred to."""
    digest = hashlib.sha256()
    for begin, end, stated in _parts(content):
        if stated is None:
            digest.update(content[begin:end])
    for outside in outside_files(content, path):
        if not outside.is_file():
            raise ValueError(f'it refers to {outside.name!r}, which is no file')
        with outside.open('rb') as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    return digest.hexdigest()


def _parts(content: bytes | memoryview) -> list[tuple[int, int, str | None]]:
    """Return first and last position of each field, and the digest where it states that."""
    parts = []
    for number, value, begin, end in placed_fields(memoryview(content)):
        stated = None
        if number == METADATA_FIELD and value is not None:
            entry = {
                key: bytes(text) for key, text, *_ in placed_fields(value) if text is not None
            }
            if entry.get(1) == DIGEST_KEY.encode():
                stated = entry.get(2, b'').decode('ascii', 'replace')
        parts.append((begin, end, stated))
    return parts


def _field(number: int, content: bytes) -> bytes:
    """Return a field of a protocol buffer that holds bytes."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    groups = bytearray()
    while value > 127:
        groups.append(value & 127 | 128)
        value >>= 7
    return bytes([*groups, value])
