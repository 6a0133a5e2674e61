# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A reader of the fields of an ONNX file, for its metadata and the files that it refers to.

The package onnx, which could read both, is not installed on a robot, and ONNX Runtime gives the
metadata only once it has loaded the network with every file that it refers to. Here nothing is
loaded, and no tensor is copied.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

MAX_DEPTH = 32
"""Largest depth of graphs within graphs."""

_BELOW = {
    'model': {7: 'graph', 20: 'training', 25: 'function'},
    'training': {1: 'graph', 2: 'graph'},
    'function': {7: 'node', 11: 'attribute'},
    'graph': {1: 'node', 5: 'tensor', 15: 'sparse'},
    'node': {5: 'attribute'},
    'attribute': {5: 'tensor', 6: 'graph', 10: 'tensor', 11: 'graph', 22: 'sparse', 23: 'sparse'},
    'sparse': {1: 'tensor', 2: 'tensor'},
}
"""By kind of message: numbers of the fields that lead to a tensor, and the kinds of these."""

_EXTERNAL_DATA = 13
"""Number of a tensor's field with keys and values that name the file with its numbers."""


def refuse_outside_data(content: bytes, path: Path) -> None:
    """Refuse a network whose weights are in files outside its own folder.

    New versions of the runtimes refuse that themselves; older ones read any file.

    Args:
        content: Bytes of the ONNX file.
        path: Path of the ONNX file.

    Raises:
        ValueError: It refers to such a file, or its bytes are damaged.
    """
    outside_files(memoryview(content), path)


def outside_files(content: memoryview, path: Path) -> list[Path]:
    """Return the files in which a network keeps numbers; arguments and errors as above."""
    folder = path.resolve().parent
    found = []
    for name in dict.fromkeys(_locations(content, 'model', 0)):
        try:
            place = (folder / name).resolve()
            is_inside = not Path(name).is_absolute() and place.is_relative_to(folder)
        except (OSError, RuntimeError, ValueError):  # a circle of links, or not a file name
            is_inside = False
        if not is_inside:
            raise ValueError(f'it refers to the file {name!r}, which is not in its own folder')
        found.append(place)
    return found


def _locations(message: memoryview, kind: str, depth: int) -> Iterator[str]:
    """Yield the names of the external files of the tensors in a message."""
    if depth > MAX_DEPTH:
        raise ValueError(f'its graphs are nested more than {MAX_DEPTH} deep')
    below = _BELOW.get(kind, {})
    for number, value in fields_of(message):
        if value is None:
            continue
        if kind == 'tensor' and number == _EXTERNAL_DATA:
            entry = {key: bytes(text) for key, text in fields_of(value) if text is not None}
            if entry.get(1) == b'location':
                yield entry.get(2, b'').decode()
        elif number in below:
            yield from _locations(value, below[number], depth + 1)


def fields_of(message: memoryview) -> Iterator[tuple[int, memoryview | None]]:
    """Yield the fields of a protocol buffer.

    Yields:
        Number of the field, and its bytes, or None for a field that is a number.

    Raises:
        ValueError: The bytes are damaged or not a protocol buffer.
    """
    for number, value, _, _ in placed_fields(message):
        yield number, value


def placed_fields(message: memoryview) -> Iterator[tuple[int, memoryview | None, int, int]]:
    """Yield what `fields_of` does, and where each field begins and ends."""
    position = 0
    while position < len(message):
        begin = position
        key, position = _varint(message, position)
        number, wire = key >> 3, key & 7
        value = None
        if wire == 0:
            _, position = _varint(message, position)
        elif wire == 2:
            length, position = _varint(message, position)
            value = message[position : position + length]
            position += length
        elif wire in (1, 5):
            position += 8 if wire == 1 else 4
        if wire not in (0, 1, 2, 5) or number == 0 or position > len(message):
            raise ValueError('its bytes are damaged or of another format')
        yield number, value, begin, position


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """Return an integer stored in 7-bit groups, lowest first, and the position after it."""
    number = 0
    for index, byte in enumerate(message[position : position + 10]):
        number |= (byte & 127) << (7 * index)
        if byte < 128:
            return number, position + index + 1
    raise ValueError('its bytes are damaged or of another format')
