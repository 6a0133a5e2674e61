# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Camera images of every encoding, compressed or not, as RGB; damaged ones are refused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from hiseg_ros.errors import ImageError
from hiseg_ros.images.image_message import ENCODINGS, rgb_of

RNG = np.random.default_rng(1)
RGB = cv2.GaussianBlur(RNG.integers(0, 256, (12, 16, 3), np.uint8), (5, 5), 0)


def raw(encoding: str, *, padding: int = 0, big: int = 0, **fields: Any) -> SimpleNamespace:
    """Return a message of random samples, those of the rows' ends apart always the same."""
    about = ENCODINGS[encoding]
    rows, width = (18 if encoding.startswith('nv') else 12), 16 * about.channels
    samples = np.random.default_rng(2).integers(0, 256, (rows, width), np.uint8)
    if about.sample_bytes == 2:
        pair = [samples, RNG.integers(0, 256, samples.shape, np.uint8)]
        samples = np.stack(pair if big else pair[::-1], axis=2).reshape(rows, -1)
    data = np.pad(samples, ((0, 0), (0, padding)), constant_values=77)
    message = {
        'encoding': encoding, 'height': 12, 'width': 16, 'step': data.shape[1],
        'is_bigendian': big, 'data': data.reshape(-1),
    }  # fmt: skip
    return SimpleNamespace(**{**message, **fields})


def packed(image: np.ndarray, suffix: str, form: str) -> SimpleNamespace:
    """Return a compressed message."""
    return SimpleNamespace(format=form, data=cv2.imencode(suffix, image)[1].reshape(-1))


@pytest.mark.parametrize('encoding', sorted(ENCODINGS))
def test_padding_byte_order_and_low_bytes_do_not_matter(encoding: str) -> None:
    """test_image_codec.py tests the colours of each encoding."""
    plain = rgb_of(raw(encoding))
    assert plain.shape == (12, 16, 3) and plain.dtype == np.uint8
    for padding in (0, 6):
        for big in (0, 1):
            message = raw(encoding, padding=padding, big=big)
            np.testing.assert_array_equal(rgb_of(message), plain)


@pytest.mark.parametrize(
    ('form', 'is_rgb'),
    [
        ('png', False), ('', False), ('rgb8; png compressed bgr8', False),
        ('rgb8; png compressed ', True), ('bgr8; png compressed ', True),
    ],
)  # fmt: skip
def test_a_compressed_image_has_its_colours_in_the_order_that_its_format_says(
    form: str, is_rgb: bool
) -> None:
    """With one channel and with four, with 8 bits and with 16."""
    expected = RGB if is_rgb else RGB[:, :, ::-1]
    np.testing.assert_array_equal(rgb_of(packed(RGB, '.png', form)), expected)
    gray = rgb_of(packed(np.ascontiguousarray(RGB[:, :, 0]), '.png', form))
    np.testing.assert_array_equal(gray, np.dstack([RGB[:, :, 0]] * 3))
    np.testing.assert_array_equal(
        rgb_of(packed(RGB.astype(np.uint16) * 257, '.png', form)), expected
    )
    four = np.ascontiguousarray(np.dstack([RGB, RGB[:, :, 0]]))
    np.testing.assert_array_equal(rgb_of(packed(four, '.png', form)), expected)


@pytest.mark.parametrize(
    'message',
    [
        raw('rgb8', height=0),
        raw('rgb8', height=100_000, width=100_000),
        raw('rgb8', step=3),
        raw('rgb8', data=np.zeros(20, np.uint8)),
        raw('yuyv', width=15),
        raw('nv12', height=11),
        raw('bayer_rggb8', width=2),
        SimpleNamespace(**{**vars(raw('rgb8')), 'encoding': 'smell8'}),
        SimpleNamespace(format='jpeg', data=np.zeros(0, np.uint8)),
        SimpleNamespace(format='jpeg', data=np.arange(90, dtype=np.uint8)),
        SimpleNamespace(format='jpeg', data=packed(RGB, '.jpg', '').data[:-40]),
        SimpleNamespace(format='png', data=packed(RGB, '.png', '').data[:-20]),
    ],
)
def test_a_bad_image_is_refused(message: SimpleNamespace) -> None:
    """Nothing half is segmented."""
    with pytest.raises(ImageError, match='expected'):
        rgb_of(message)
