# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Encoding and decoding of probability maps and masks; damaged ones are refused."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from hiseg_ros.errors import ConfigError, ImageError
from hiseg_ros.messages.codec import (
    decode_mask,
    decode_probability_bytes,
    decode_probability_map,
    encode_mask,
    encode_probabilities,
    map_size,
)


def map_message(values: NDArray[np.float32], encoding: str) -> SimpleNamespace:
    data = encode_probabilities(values, encoding).tobytes()
    channels, height, width = values.shape
    return SimpleNamespace(
        encoding=encoding, node_ids=range(channels), height=height, width=width, data=data
    )


def mask_message(mask: NDArray[np.bool_], encoding: str) -> SimpleNamespace:
    roi = SimpleNamespace(height=mask.shape[0], width=mask.shape[1])
    return SimpleNamespace(encoding=encoding, roi=roi, data=encode_mask(mask, encoding).tobytes())


SHAPES = hnp.array_shapes(min_dims=3, max_dims=3, max_side=6)


@settings(deadline=None)
@given(hnp.arrays(np.float32, SHAPES, elements=st.floats(0, 1, width=32)))
def test_uint8_probabilities_are_rounded_to_the_nearest_255th(values: NDArray[np.float32]) -> None:
    stored = encode_probabilities(values, 'uint8')
    np.testing.assert_array_equal(stored, np.rint(values * np.float32(255)))
    _, read = decode_probability_map(map_message(values, 'uint8'))
    assert np.abs(read - values).max() <= 1 / 510 + 1e-6


@settings(deadline=None)
@given(hnp.arrays(np.float32, SHAPES, elements=st.floats(0, 1, width=32)))
def test_float16_probabilities_keep_eleven_bits(values: NDArray[np.float32]) -> None:
    node_ids, read = decode_probability_map(map_message(values, 'float16'))
    assert node_ids == tuple(range(len(values)))
    assert np.all(np.abs(read - values) <= values * 2**-11 + 2**-25)


def test_float16_probabilities_are_little_endian_and_channel_by_channel() -> None:
    values = np.array([[[0.5, 1.0]], [[0.25, 0.0]]], np.float32)
    expected = b'\x00\x38\x00\x3c\x00\x34\x00\x00'
    assert encode_probabilities(values, 'float16').tobytes() == expected


@settings(deadline=None)
@given(
    mask=hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12)),
    encoding=st.sampled_from(['packbits', 'raw']),
)
def test_a_mask_of_any_size_comes_back(mask: NDArray[np.bool_], encoding: str) -> None:
    read = decode_mask(mask_message(mask, encoding))
    assert read.dtype == np.bool_
    np.testing.assert_array_equal(read, mask)


def test_packed_masks_begin_at_the_highest_bit_and_rows_are_not_padded() -> None:
    mask = np.array([[1, 0, 0], [0, 1, 1], [0, 0, 1]], np.bool_)
    assert encode_mask(mask, 'packbits').tobytes() == bytes([0b10001100, 0b10000000])
    assert encode_mask(mask, 'raw').tobytes() == bytes([1, 0, 0, 0, 1, 1, 0, 0, 1])


@settings(deadline=None, max_examples=50)
@given(
    image_size=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    grid=st.tuples(st.integers(1, 8), st.integers(1, 8)),
    stride=st.integers(0, 20),
    seed=st.integers(0, 99),
)
def test_resampling_keeps_sums_and_stays_between_the_extremes(
    image_size: tuple[int, int], grid: tuple[int, int], stride: int, seed: int
) -> None:
    children = np.random.default_rng(seed).random((3, *grid)).astype(np.float32)
    parent = children.sum(axis=0, keepdims=True)
    values = np.concatenate([parent, children]) / 4
    size = map_size(grid, image_size, stride)
    assert size == (grid if stride == 0 else tuple(-(-side // stride) for side in image_size))
    stored = encode_probabilities(values, 'float16', node_ids=(1, 2, 3, 0), size=size)
    assert stored.shape == (4, *size)
    read = stored.astype(np.float32)
    np.testing.assert_allclose(read[:3].sum(axis=0), read[3], atol=2e-3)
    assert read.min() >= values.min() - 1e-3
    assert read.max() <= values.max() + 1e-3


@pytest.mark.parametrize('encoding', ['uint8', 'float16'])
def test_a_map_of_the_wrong_length_is_refused(encoding: str) -> None:
    message = map_message(np.zeros((2, 3, 4), np.float32), encoding)
    for data in (message.data[:-1], message.data + b'\0', b''):
        message.data = data
        with pytest.raises(ImageError, match=f'{len(data)} bytes; expected'):
            decode_probability_map(message)


@pytest.mark.parametrize('encoding', ['packbits', 'raw'])
def test_a_mask_of_the_wrong_length_is_refused(encoding: str) -> None:
    message = mask_message(np.ones((3, 5), np.bool_), encoding)
    for data in (message.data[:-1], message.data + b'\0', b''):
        message.data = data
        with pytest.raises(ImageError, match=f'{len(data)} bytes; expected'):
            decode_mask(message)


def test_unknown_encodings_are_refused_both_ways() -> None:
    message = mask_message(np.ones((3, 5), np.bool_), 'raw')
    message.encoding = 'rle'
    with pytest.raises(ImageError, match="'rle'; expected one of packbits, raw"):
        decode_mask(message)
    with pytest.raises(ConfigError, match="'rle'; expected one of packbits, raw"):
        encode_mask(np.ones((3, 5), np.bool_), 'rle')
    values = np.zeros((1, 2, 2), np.float32)
    other = map_message(values, 'uint8')
    other.encoding = ''
    with pytest.raises(ImageError, match="''; expected one of uint8, float16"):
        decode_probability_map(other)
    with pytest.raises(ConfigError, match="'float64'; expected one of uint8, float16"):
        encode_probabilities(values, 'float64')


@pytest.mark.parametrize('encoding', ['uint8', 'float16'])
def test_probability_bytes_are_255_times_the_probability(encoding: str) -> None:
    values = np.random.default_rng(2).random((3, 4, 5), np.float32)
    message = map_message(values, encoding)
    stored = decode_probability_bytes(message)
    assert stored.dtype == np.uint8
    _, read = decode_probability_map(message)
    np.testing.assert_array_equal(stored, np.rint(read * 255))
    message.data = message.data[:-1]
    with pytest.raises(ImageError, match='the message is damaged'):
        decode_probability_bytes(message)


@pytest.mark.parametrize('module', ['messages.codec', 'messages.build'])
def test_importing_it_loads_neither_ros_nor_torch(module: str) -> None:
    """Programs without ROS read our messages with it; run in a process of its own."""
    program = (
        f'import sys, hiseg_ros.{module}; '
        'print([name for name in ("rclpy", "hiseg_ros.msg", "torch") if name in sys.modules])'
    )
    result = subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True, check=True, timeout=60
    )
    assert result.stdout.strip() == '[]'
