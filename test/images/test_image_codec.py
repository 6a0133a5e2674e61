# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Raw image messages become the right pixels."""

from __future__ import annotations

from array import array
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_messages import Message, message_of, random_rows
from numpy.typing import NDArray

from hiseg_ros.images.image_message import ENCODINGS, decode_image

# Which byte of a pixel is red, green and blue; 16-bit samples are little-endian here.
BYTES_OF_RGB = {
    'rgb8': (3, (0, 1, 2)),
    'bgr8': (3, (2, 1, 0)),
    'rgba8': (4, (0, 1, 2)),
    'bgra8': (4, (2, 1, 0)),
    'mono8': (1, (0, 0, 0)),
    '8UC1': (1, (0, 0, 0)),
    '8UC3': (3, (2, 1, 0)),
    '8UC4': (4, (2, 1, 0)),
    'mono16': (2, (1, 1, 1)),
    '16UC1': (2, (1, 1, 1)),
    'rgb16': (6, (1, 3, 5)),
    'bgr16': (6, (5, 3, 1)),
    'rgba16': (8, (1, 3, 5)),
    'bgra16': (8, (5, 3, 1)),
    '16UC3': (6, (5, 3, 1)),
    '16UC4': (8, (5, 3, 1)),
}
# A name says the colours at (row, column) = (0, 0), (0, 1), (1, 0), (1, 1).
BAYER = ('rggb', 'bggr', 'gbrg', 'grbg')
# Position of y0, u, y1, v in the four bytes of two pixels.
YUV422 = {
    'uyvy': (1, 0, 3, 2),
    'yuv422': (1, 0, 3, 2),
    'yuyv': (0, 1, 2, 3),
    'yuv422_yuy2': (0, 1, 2, 3),
}


def test_every_encoding_has_a_reference_here() -> None:
    bayer = {f'bayer_{pattern}{bits}' for pattern in BAYER for bits in (8, 16)}
    assert set(ENCODINGS) == {*BYTES_OF_RGB, *bayer, *YUV422, 'nv12', 'nv21'}


@settings(deadline=None, max_examples=200)
@given(
    encoding=st.sampled_from(sorted(BYTES_OF_RGB)),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    padding=st.integers(0, 7),
    is_bigendian=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_interleaved_pixels_are_read_byte_for_byte_at_any_size_step_and_endianness(
    encoding: str, height: int, width: int, padding: int, is_bigendian: bool, seed: int
) -> None:
    pixel_bytes, where = BYTES_OF_RGB[encoding]
    rows = random_rows(seed, height, width * pixel_bytes)
    if '16' in encoding:  # of 16 bits, not of the fewer that dark pixels would be taken for
        rows[0, 0 if is_bigendian else 1] |= 128
    message = message_of(encoding, rows, height=height, width=width, padding=padding)
    shift = int('16' in encoding and is_bigendian)
    rgb = decode_image(replace(message, is_bigendian=int(is_bigendian)))
    assert rgb.shape == (height, width, 3)
    assert rgb.dtype == np.uint8
    for y in range(height):
        for x in range(width):
            pixel = rows[y, x * pixel_bytes : (x + 1) * pixel_bytes]
            assert tuple(rgb[y, x]) == tuple(pixel[byte - shift] for byte in where)


def test_sixteen_bits_become_eight_over_the_full_range() -> None:
    values = np.array([[0, 255, 256, 0x1234, 0xFEFF, 0xFFFF]])
    little, big = values.astype('<u2').tobytes(), values.astype('>u2').tobytes()
    for encoding in ('mono16', '16UC1'):
        expected = [0, 0, 1, 0x12, 0xFE, 0xFF]
        assert decode_image(Message(encoding, 1, 6, 12, little))[0, :, 1].tolist() == expected
        assert decode_image(Message(encoding, 1, 6, 12, big, 1))[0, :, 1].tolist() == expected


def mosaic_of(rgb: NDArray[np.uint8], pattern: str) -> NDArray[np.uint8]:
    mosaic = np.empty(rgb.shape[:2], np.uint8)
    for position, color in enumerate(pattern):
        y, x = divmod(position, 2)
        mosaic[y::2, x::2] = rgb[y::2, x::2, 'rgb'.index(color)]
    return mosaic


def bilinear_from_mosaic(
    mosaic: NDArray[np.uint8], pattern: str, y: int, x: int, color: str
) -> float:
    """Return the mean of the nearest pixels of that colour, or the pixel itself."""
    near = [(0, 0)], [(0, -1), (0, 1)], [(-1, 0), (1, 0)], [(-1, -1), (-1, 1), (1, -1), (1, 1)]
    if color == 'g' and pattern[y % 2 * 2 + x % 2] != 'g':
        near = ([(0, -1), (0, 1), (-1, 0), (1, 0)],)  # type: ignore[assignment]
    for offsets in near:
        spots = [(y + dy, x + dx) for dy, dx in offsets]
        if all(pattern[v % 2 * 2 + u % 2] == color for v, u in spots):
            return float(np.mean([mosaic[spot] for spot in spots]))
    raise AssertionError('every pixel has a neighbour of each colour')


@pytest.mark.parametrize('bits', [8, 16])
@pytest.mark.parametrize('pattern', BAYER)
def test_a_bayer_mosaic_of_one_colour_gives_that_colour_everywhere(
    pattern: str, bits: int
) -> None:
    rgb = np.broadcast_to(np.array([200, 90, 30], np.uint8), (6, 8, 3))
    mosaic = mosaic_of(rgb, pattern)
    rows = mosaic if bits == 8 else (mosaic.astype('<u2') << 8).view(np.uint8)
    message = message_of(f'bayer_{pattern}{bits}', rows, height=6, width=8, padding=3)
    np.testing.assert_array_equal(decode_image(message), rgb)


@settings(deadline=None, max_examples=40)
@given(
    pattern=st.sampled_from(BAYER),
    height=st.integers(3, 9),
    width=st.integers(3, 9),
    padding=st.integers(0, 3),
    seed=st.integers(0, 1000),
)
def test_a_bayer_mosaic_is_interpolated_from_the_nearest_pixels_of_each_colour(
    pattern: str, height: int, width: int, padding: int, seed: int
) -> None:
    mosaic = random_rows(seed, height, width)
    message = message_of(f'bayer_{pattern}8', mosaic, height=height, width=width, padding=padding)
    rgb = decode_image(message)
    assert rgb.shape == (height, width, 3)
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            for channel, color in enumerate('rgb'):
                expected = bilinear_from_mosaic(mosaic, pattern, y, x, color)
                assert abs(float(rgb[y, x, channel]) - expected) <= 0.5


def rgb_of_yuv(y: int, u: int, v: int) -> NDArray[np.float64]:
    """Return BT.601 with limited range: y 16..235, u and v 16..240 about 128; below 16 is 16."""
    luma, blue, red = 255 / 219 * max(y - 16, 0), 255 / 224 * (u - 128), 255 / 224 * (v - 128)
    r, b = luma + 1.402 * red, luma + 1.772 * blue
    g = luma - (0.299 * 1.402 * red + 0.114 * 1.772 * blue) / 0.587
    return np.clip([r, g, b], 0, 255)


@settings(deadline=None, max_examples=60)
@given(
    encoding=st.sampled_from(sorted(YUV422)),
    height=st.integers(1, 5),
    pairs=st.integers(1, 5),
    padding=st.integers(0, 5),
    seed=st.integers(0, 1000),
)
def test_yuv_422_pixels_share_their_colour_in_pairs(
    encoding: str, height: int, pairs: int, padding: int, seed: int
) -> None:
    rows = random_rows(seed, height, 4 * pairs)
    message = message_of(encoding, rows, height=height, width=2 * pairs, padding=padding)
    rgb = decode_image(message)
    y0, u, y1, v = YUV422[encoding]
    for row in range(height):
        for pair in range(pairs):
            four = rows[row, 4 * pair : 4 * pair + 4]
            for x, luma in ((2 * pair, y0), (2 * pair + 1, y1)):
                expected = rgb_of_yuv(*(int(four[k]) for k in (luma, u, v)))
                np.testing.assert_allclose(rgb[row, x], expected, atol=2.5)


@settings(deadline=None, max_examples=60)
@given(
    encoding=st.sampled_from(['nv12', 'nv21']),
    half_height=st.integers(1, 4),
    half_width=st.integers(1, 4),
    padding=st.integers(0, 5),
    seed=st.integers(0, 1000),
)
def test_nv12_and_nv21_take_their_colour_from_the_second_plane(
    encoding: str, half_height: int, half_width: int, padding: int, seed: int
) -> None:
    height, width = 2 * half_height, 2 * half_width
    rows = random_rows(seed, height + half_height, width)
    message = message_of(encoding, rows, height=height, width=width, padding=padding)
    rgb = decode_image(message)
    assert rgb.shape == (height, width, 3)
    for y in range(height):
        for x in range(width):
            first, second = rows[height + y // 2, x // 2 * 2 : x // 2 * 2 + 2]
            u, v = (first, second) if encoding == 'nv12' else (second, first)
            expected = rgb_of_yuv(int(rows[y, x]), int(u), int(v))
            np.testing.assert_allclose(rgb[y, x], expected, atol=2.5)


# What rosbags-image reads as well: without padding, one plane, eight bits. It takes 8UCn as is.
READ_BY_ROSBAGS = sorted(
    set(ENCODINGS) - {name for name in ENCODINGS if 'C' in name or '16' in name or 'nv' in name}
)


@pytest.mark.parametrize('encoding', READ_BY_ROSBAGS)
def test_the_pixels_equal_those_of_rosbags_image(encoding: str) -> None:
    from rosbags.image import image_to_cvimage

    rows = random_rows(5, 6, 8 * ENCODINGS[encoding].channels)
    message = message_of(encoding, rows, height=6, width=8)
    expected = image_to_cvimage(message, 'rgb8')  # type: ignore[arg-type]
    np.testing.assert_array_equal(decode_image(message), expected)


def test_rgb8_without_padding_is_a_view_of_the_message() -> None:
    data = array('B', bytes(range(24)))
    rgb = decode_image(Message('rgb8', 2, 4, 12, data))  # type: ignore[arg-type]
    assert np.shares_memory(rgb, np.frombuffer(data, np.uint8))
    assert rgb.flags.c_contiguous


@pytest.mark.parametrize('container', [bytes, bytearray, lambda b: array('B', b)])
def test_the_data_may_be_any_kind_of_buffer(container: type[bytes]) -> None:
    data = container(bytes(range(24)))
    assert decode_image(Message('bgr8', 2, 4, 12, data))[1, 3].tolist() == [23, 22, 21]


def test_the_last_row_may_lack_its_padding() -> None:
    whole = message_of('rgb8', random_rows(0, 3, 6), height=3, width=2, padding=4)
    short = replace(whole, data=whole.data[:-4])
    np.testing.assert_array_equal(decode_image(short), decode_image(whole))


@pytest.mark.needs('ros')
def test_a_message_that_went_through_serialisation_is_read() -> None:
    from rclpy.serialization import deserialize_message, serialize_message
    from sensor_msgs.msg import Image

    rows = random_rows(2, 3, 15)
    message = Image(height=3, width=5, encoding='bgr8', step=15)
    message.data = array('B', rows.tobytes())
    received = deserialize_message(serialize_message(message), Image)
    np.testing.assert_array_equal(decode_image(received), rows.reshape(3, 5, 3)[:, :, ::-1])
