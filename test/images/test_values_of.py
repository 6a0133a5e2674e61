# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Image messages as values: label ids are kept, colour becomes RGB."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from hiseg_ros.errors import ImageError
from hiseg_ros.images.image_message import ENCODINGS, rgb_of, values_of

RGB = np.random.default_rng(2).integers(0, 256, (5, 7, 3), np.uint8)
MONO = RGB[:, :, 0]


def image(encoding: str, pixels: np.ndarray, padding: int = 0, **fields: Any) -> SimpleNamespace:
    """Return a message with `padding` bytes at the end of each row."""
    rows = np.ascontiguousarray(pixels).view(np.uint8).reshape(len(pixels), -1)
    data = np.pad(rows, ((0, 0), (0, padding)), constant_values=99)
    message = {
        'encoding': encoding,
        'height': pixels.shape[0],
        'width': pixels.shape[1],
        'step': data.shape[1],
        'is_bigendian': 0,
        'data': data.reshape(-1),
    }
    return SimpleNamespace(**{**message, **fields})


@pytest.mark.parametrize('padding', [0, 3])
@pytest.mark.parametrize(
    ('encoding', 'pixels'),
    [
        ('rgb8', RGB),
        ('bgr8', RGB[:, :, ::-1]),
        ('8UC3', RGB[:, :, ::-1]),
        ('rgba8', np.dstack([RGB, MONO])),
        ('bgra8', np.dstack([RGB[:, :, ::-1], MONO])),
    ],
)
def test_colour_becomes_rgb(encoding: str, pixels: np.ndarray, padding: int) -> None:
    np.testing.assert_array_equal(values_of(image(encoding, pixels, padding)), RGB)


@pytest.mark.parametrize('padding', [0, 1])
@pytest.mark.parametrize('encoding', ['mono8', '8UC1'])
def test_one_channel_keeps_every_value(encoding: str, padding: int) -> None:
    result = values_of(image(encoding, MONO, padding))
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result, MONO)


@pytest.mark.parametrize('bigendian', [0, 1])
def test_sixteen_bits_keep_every_value_in_both_byte_orders(bigendian: int) -> None:
    wide = MONO.astype(np.uint16) * 257 + 1
    sent = wide.astype('>u2' if bigendian else '<u2')
    result = values_of(image('mono16', sent, is_bigendian=bigendian))
    np.testing.assert_array_equal(result, wide)


def test_a_png_of_ids_keeps_every_value() -> None:
    data = cv2.imencode('.png', MONO)[1].reshape(-1)
    message = SimpleNamespace(format='mono8; png compressed mono8', data=data)
    np.testing.assert_array_equal(values_of(message), MONO)


def test_a_png_in_colour_becomes_rgb() -> None:
    data = cv2.imencode('.png', RGB[:, :, ::-1])[1].reshape(-1)
    np.testing.assert_array_equal(values_of(SimpleNamespace(format='png', data=data)), RGB)


@pytest.mark.parametrize(
    'message',
    [
        image('rgb8', RGB, data=RGB.reshape(-1)[:-1]),
        image('rgb8', RGB, height=0),
        image('smell8', RGB),
        image('rgb8', RGB, step=3, data=np.zeros(15, np.uint8)),
        SimpleNamespace(format='jpeg', data=np.zeros(0, np.uint8)),
        SimpleNamespace(format='jpeg', data=np.arange(50, dtype=np.uint8)),
    ],
    ids=['truncated', 'no rows', 'unknown encoding', 'short rows', 'empty file', 'no image'],
)
def test_a_bad_image_ends_in_one_sentence(message: SimpleNamespace) -> None:
    with pytest.raises(ImageError, match='expected'):
        values_of(message)


def test_a_png_of_sixteen_bits_keeps_every_value() -> None:
    wide = MONO.astype(np.uint16) * 257 + 1
    data = cv2.imencode('.png', wide)[1].reshape(-1)
    np.testing.assert_array_equal(values_of(SimpleNamespace(format='png', data=data)), wide)


@pytest.mark.parametrize('encoding', sorted(ENCODINGS))
def test_colour_is_that_of_the_camera_image(encoding: str) -> None:
    """Whatever the encoding; one channel of values becomes grey there."""
    about = ENCODINGS[encoding]
    rows = 6 if about.has_chroma_plane else 4
    samples = np.random.default_rng(3).integers(0, 256, (rows, 6 * about.channels), np.uint8)
    pixels = np.repeat(samples, about.sample_bytes, axis=1)
    message = image(encoding, pixels, 2, height=4, width=6)
    values, rgb = values_of(message), rgb_of(message)
    if about.is_gray:
        assert values.shape == (4, 6)
        assert values.dtype.itemsize == about.sample_bytes
        values = np.dstack([(values >> 8 * (about.sample_bytes - 1)).astype(np.uint8)] * 3)
    np.testing.assert_array_equal(values, rgb)


@pytest.mark.parametrize(
    'form', ['rgb8; png compressed ', 'rgb8; png compressed bgr8', 'bayer_rggb8; png compressed ']
)
def test_compressed_colour_is_that_of_the_camera_image(form: str) -> None:
    """Its order of colours and its mosaic are those that the format names."""
    pixels = MONO if form.startswith('bayer') else RGB
    data = cv2.imencode('.png', pixels)[1].reshape(-1)
    message = SimpleNamespace(format=form, data=data)
    assert values_of(message).shape == (5, 7, 3)
    np.testing.assert_array_equal(values_of(message), rgb_of(message))
