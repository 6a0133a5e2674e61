# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""NV12 and NV21 images whose planes are aligned, as video decoders leave them."""

from __future__ import annotations

import numpy as np
import pytest
from image_messages import Message

from hiseg_ros.images.image_message import rgb_of, values_of

RNG = np.random.default_rng(9)


def planes(
    encoding: str, height: int, width: int, aligned: int, chroma_rows: int, step: int
) -> tuple[np.ndarray, Message]:
    """Return a message with so many rows of brightness and chroma, and rubbish between them."""
    rows = RNG.integers(0, 256, (aligned + chroma_rows, step), np.uint8)
    return rows, Message(encoding, height, width, step, rows.tobytes())


@pytest.mark.parametrize('encoding', ['nv12', 'nv21'])
@pytest.mark.parametrize(
    ('height', 'aligned', 'chroma_rows'),
    [(1080, 1088, 544), (1080, 1088, 540), (540, 544, 272), (720, 736, 368), (18, 32, 16),
     (34, 64, 17), (64, 64, 32), (66, 128, 64)],
)  # fmt: skip
def test_the_chroma_is_found_behind_the_aligned_rows(
    encoding: str, height: int, aligned: int, chroma_rows: int
) -> None:
    """As in the same image without alignment."""
    width, step = 8, 16
    rows, message = planes(encoding, height, width, aligned, chroma_rows, step)
    chroma = rows[aligned : aligned + height // 2]
    packed = np.concatenate([rows[:height], chroma])
    expected = rgb_of(Message(encoding, height, width, step, packed.tobytes()))
    np.testing.assert_array_equal(rgb_of(message), expected)
    np.testing.assert_array_equal(values_of(message), expected)


@pytest.mark.parametrize('more', [1, 8, 100])
def test_bytes_behind_an_image_are_no_alignment(more: int) -> None:
    """Whatever some drivers append."""
    rows, _ = planes('nv12', 48, 8, 48, 24, 8)
    expected = rgb_of(Message('nv12', 48, 8, 8, rows.tobytes()))
    found = rgb_of(Message('nv12', 48, 8, 8, rows.tobytes() + bytes(more)))
    np.testing.assert_array_equal(found, expected)
