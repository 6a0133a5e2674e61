# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Label Studio's brush masks: RGBA bytes of an image, run-length encoded bit by bit.

The format is that of thi.ng/rle-pack: 32 bits with the number of values, 5 with their width minus
1, four times 4 with the widths of run lengths minus 1, then runs. A run is one bit (1: one value
repeated, 0: values one after the other), two bits that choose a width, the length minus 1 in that
width, and the value or values.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import DatasetError
from hiseg_ros.types import ImageSize

CHANNELS = 4
WORD = 8
SIZES = (3, 4, 8, 16)
"""Widths of run lengths that Label Studio itself writes."""

HEADER = 32 + 5 + 4 * 4


def encode_brush(mask: NDArray[np.bool_]) -> list[int]:
    """Return a mask as Label Studio's numbers.

    Args:
        mask: (H, W) bool.

    Returns:
        Bytes, 0 to 255.
    """
    flat = mask.ravel()
    ends = np.append(np.flatnonzero(flat[1:] != flat[:-1]) + 1, flat.size)
    lengths = CHANNELS * np.diff(np.append(0, ends))
    bits = [f'{CHANNELS * flat.size:032b}{WORD - 1:05b}', *(f'{size - 1:04b}' for size in SIZES)]
    longest = 1 << SIZES[-1]
    for end, length in zip(ends.tolist(), lengths.tolist(), strict=True):
        value = f'{255 if flat[end - 1] else 0:08b}'
        while length:
            part = min(length, longest)
            choice = next(place for place, size in enumerate(SIZES) if part <= 1 << size)
            bits.append(f'1{choice:02b}{part - 1:0{SIZES[choice]}b}{value}')
            length -= part
    text = ''.join(bits)
    text += '0' * (-len(text) % 8)
    return list(int(text, 2).to_bytes(len(text) // 8, 'big'))


def decode_brush(numbers: Sequence[int], size: ImageSize) -> NDArray[np.bool_]:
    """Return the mask of Label Studio's numbers.

    Args:
        numbers: Bytes, 0 to 255.
        size: (H, W) of the image.

    Returns:
        (H, W) bool: where the alpha channel is not 0.

    Raises:
        DatasetError: The numbers are no bytes, end too early, or belong to an image of another
            size. The message is a clause without a subject.
    """
    try:
        data = bytes(numbers)
    except (TypeError, ValueError) as problem:
        raise DatasetError('has an RLE that is no list of bytes') from problem
    reader = _Bits(data)
    total = reader.read(32)
    expected = CHANNELS * size[0] * size[1]
    if total != expected:
        raise DatasetError(
            f'has an RLE of {total} values, and its image has {expected} ({size[0]}x{size[1]} '
            'pixels)'
        )
    word = reader.read(5) + 1
    sizes = [reader.read(4) + 1 for _ in range(4)]
    values = np.zeros(total, np.uint8)
    place = 0
    while place < total:
        is_run = reader.read(1)
        length = 1 + reader.read(sizes[reader.read(2)])
        if place + length > total:
            raise DatasetError(
                f'has a torn RLE: a run of {length} values begins at value {place} of {total}'
            )
        if is_run:
            values[place : place + length] = min(reader.read(word), 255)
        else:
            for offset in range(length):
                values[place + offset] = min(reader.read(word), 255)
        place += length
    return values.reshape(*size, CHANNELS)[..., 3] > 0


class _Bits:
    """Reads numbers of any width up to 32 from bytes."""

    def __init__(self, data: bytes) -> None:
        self._data, self._place = data, 0

    def read(self, width: int) -> int:
        """Return the next number.

        Raises:
            DatasetError: There are fewer bits.
        """
        begin, end = self._place, self._place + width
        if end > 8 * len(self._data):
            raise DatasetError(f'has a torn RLE: it ends after {len(self._data)} bytes')
        self._place = end
        window = self._data[begin >> 3 : (end + 7) >> 3]
        return int.from_bytes(window, 'big') >> (-end % 8) & ((1 << width) - 1)
