# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Pictures of a bag are decoded as the node decodes them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from hiseg_ros.errors import ImageError
from hiseg_ros.replay.camera_image import ENCODINGS, rgb_of
from hiseg_ros.ros import image_codec

RNG = np.random.default_rng(1)
RGB = cv2.GaussianBlur(RNG.integers(0, 256, (12, 16, 3), np.uint8), (5, 5), 0)


def raw(encoding: str, *, padding: int = 0, big: int = 0, **fields: Any) -> SimpleNamespace:
    """Return a message of random samples."""
    channels, _, sample_bytes = ENCODINGS[encoding]
    step = 16 * channels * sample_bytes + padding
    rows = 18 if encoding.startswith('nv') else 12
    message = {
        'encoding': encoding, 'height': 12, 'width': 16, 'step': step, 'is_bigendian': big,
        'data': RNG.integers(0, 256, step * rows, np.uint8),
    }  # fmt: skip
    return SimpleNamespace(**{**message, **fields})


def packed(picture: np.ndarray, suffix: str, form: str) -> SimpleNamespace:
    """Return a compressed message."""
    return SimpleNamespace(format=form, data=cv2.imencode(suffix, picture)[1].reshape(-1))


def test_the_encodings_are_those_of_the_node() -> None:
    """No more and no fewer."""
    assert set(ENCODINGS) == set(image_codec.ENCODINGS)


@pytest.mark.parametrize('padding', [0, 6])
@pytest.mark.parametrize('encoding', sorted(ENCODINGS))
def test_a_raw_picture_is_the_nodes(encoding: str, padding: int) -> None:
    """Row padding and byte order included."""
    for big in (0, 1):
        message = raw(encoding, padding=padding, big=big)
        np.testing.assert_array_equal(rgb_of(message), image_codec.decode_image(message))


@pytest.mark.parametrize('suffix', ['.png', '.jpg'])
@pytest.mark.parametrize(
    'form',
    ['jpeg', 'png', 'rgb8; jpeg compressed bgr8', 'rgb8; png compressed ', '',
     'bgr8; jpeg compressed ', 'mono8; png compressed mono8', 'bayer_rggb8; jpeg compressed '],
)  # fmt: skip
def test_a_compressed_picture_is_the_nodes(suffix: str, form: str) -> None:
    """In each order of colours, with one channel and with four, with 8 bits and with 16."""
    pictures = [RGB, RGB[:, :, 0]]
    if suffix == '.png':
        wide = RGB.astype(np.uint16) * 257
        pictures += [np.dstack([RGB, RGB[:, :, 0]]), wide, wide[:, :, 0]]
    for picture in pictures:
        message = packed(np.ascontiguousarray(picture), suffix, form)
        np.testing.assert_array_equal(rgb_of(message), image_codec.decode_compressed(message))


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
def test_a_bad_picture_is_refused_as_by_the_node(message: SimpleNamespace) -> None:
    """Nothing half is segmented."""
    decode = image_codec.decode_compressed if hasattr(message, 'format') else None
    with pytest.raises(ImageError, match='expected'):
        (decode or image_codec.decode_image)(message)
    with pytest.raises(ImageError, match='expected'):
        rgb_of(message)
