# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Compressed image messages become the right pixels, or one sentence that says why not."""

from __future__ import annotations

import struct
import time
import zlib
from array import array
from dataclasses import dataclass

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hiseg_ros.errors import ImageError
from hiseg_ros.images.image_message import MAX_PIXELS, decode_compressed

END_OF_JPEG = b'\xff\xd9'


@dataclass(frozen=True)
class Message:
    """The fields of sensor_msgs/msg/CompressedImage that matter."""

    data: bytes
    format: str = 'jpeg'


def smooth_rgb(height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    """Return an image that JPEG keeps well: red grows to the right, green down, blue is 40."""
    rgb = np.full((height, width, 3), 40, np.uint8)
    rgb[:, :, 0] = np.linspace(0, 255, width)
    rgb[:, :, 1] = np.linspace(0, 255, height)[:, np.newaxis]
    return rgb


def encoded(kind: str, rgb: NDArray[np.uint8], *options: int) -> bytes:
    """Return the file that a camera would send of an image."""
    pixels = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR) if rgb.ndim == 3 else rgb
    done, data = cv2.imencode(f'.{kind}', pixels, list(options))
    assert done
    return bytes(data)


JPEG = encoded('jpg', smooth_rgb(), cv2.IMWRITE_JPEG_QUALITY, 95)
PROGRESSIVE = encoded('jpg', smooth_rgb(), cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
WITH_RESTARTS = encoded('jpg', smooth_rgb(), cv2.IMWRITE_JPEG_RST_INTERVAL, 2)
PNG = encoded('png', smooth_rgb())


def chunk(name: bytes, content: bytes) -> bytes:
    """Return a PNG chunk with a valid checksum."""
    return (
        struct.pack('>I', len(content))
        + name
        + content
        + struct.pack('>I', zlib.crc32(name + content))
    )


def jpeg_with_size(height: int, width: int) -> bytes:
    """Return the JPEG with another size in its frame header."""
    frame = JPEG.index(b'\xff\xc0')
    return JPEG[: frame + 5] + struct.pack('>HH', height, width) + JPEG[frame + 9 :]


def png_with_size(height: int, width: int) -> bytes:
    """Return the PNG with another size in its header, whose checksum fits."""
    header = chunk(b'IHDR', struct.pack('>II', width, height) + PNG[24:29])
    return PNG[:8] + header + PNG[33:]


@pytest.mark.parametrize('data', [JPEG, PROGRESSIVE, WITH_RESTARTS])
@pytest.mark.parametrize('form', ['jpeg', 'jpg', '', 'rgb8; jpeg compressed bgr8'])
def test_a_jpeg_gives_its_colours_in_the_right_order(data: bytes, form: str) -> None:
    rgb = decode_compressed(Message(data, form))
    assert rgb.flags.c_contiguous
    assert np.abs(rgb.astype(int) - smooth_rgb()).max() <= 12


@pytest.mark.parametrize('form', ['png', 'bgr8; png compressed bgr8'])
def test_a_png_gives_its_exact_pixels(form: str) -> None:
    np.testing.assert_array_equal(decode_compressed(Message(PNG, form)), smooth_rgb())


@pytest.mark.parametrize('form', ['rgb8; jpeg compressed ', 'bgr8; jpeg compressed rgb8'])
def test_colours_that_image_transport_stored_unswapped_are_read_as_it_reads_them(
    form: str,
) -> None:
    # The publisher gave the encoder red-green-blue where it takes blue-green-red.
    swapped = encoded('png', np.ascontiguousarray(smooth_rgb()[:, :, ::-1]))
    np.testing.assert_array_equal(decode_compressed(Message(swapped, form)), smooth_rgb())


@pytest.mark.parametrize('kind', ['jpg', 'png'])
@pytest.mark.parametrize('form', ['mono8; jpeg compressed ', 'jpeg'])
def test_a_gray_image_becomes_three_equal_channels(kind: str, form: str) -> None:
    gray = smooth_rgb()[:, :, 0]
    rgb = decode_compressed(Message(encoded(kind, gray), form))
    assert np.abs(rgb.astype(int) - gray[:, :, np.newaxis]).max() <= 3


def test_a_16_bit_png_becomes_8_bit_over_the_full_range() -> None:
    deep = np.array([[0, 255, 256, 0x1234, 0xFFFF]], np.uint16)
    done, data = cv2.imencode('.png', deep)
    assert done
    rgb = decode_compressed(Message(bytes(data), 'mono16; png compressed '))
    assert rgb[0, :, 0].tolist() == [0, 0, 1, 0x12, 0xFF]


def test_a_png_loses_its_alpha_channel() -> None:
    rgb = smooth_rgb()
    done, data = cv2.imencode('.png', np.dstack([rgb[:, :, ::-1], rgb[:, :, 0]]))
    assert done
    np.testing.assert_array_equal(decode_compressed(Message(bytes(data), 'png')), rgb)


def test_a_compressed_bayer_mosaic_becomes_colour() -> None:
    mosaic = np.full((6, 8), 90, np.uint8)
    mosaic[0::2, 0::2], mosaic[1::2, 1::2] = 200, 30
    rgb = decode_compressed(Message(encoded('png', mosaic), 'bayer_rggb8; png compressed '))
    np.testing.assert_array_equal(rgb, np.broadcast_to([200, 90, 30], (6, 8, 3)))


def test_an_orientation_tag_does_not_turn_the_image() -> None:
    entry = struct.pack('>HHIHH', 0x0112, 3, 1, 6, 0)
    tiff = b'MM\x00*\x00\x00\x00\x08\x00\x01' + entry + bytes(4)
    content = b'Exif\x00\x00' + tiff
    tagged = JPEG[:2] + b'\xff\xe1' + struct.pack('>H', len(content) + 2) + content + JPEG[2:]
    np.testing.assert_array_equal(
        decode_compressed(Message(tagged)), decode_compressed(Message(JPEG))
    )


def test_the_pixels_equal_those_of_rosbags_image() -> None:
    from rosbags.image import compressed_image_to_cvimage

    for data in (JPEG, PROGRESSIVE, PNG):
        expected = compressed_image_to_cvimage(Message(data), 'rgb8')  # type: ignore[arg-type]
        np.testing.assert_array_equal(decode_compressed(Message(data)), expected)


@pytest.mark.parametrize('data', [JPEG, PROGRESSIVE, WITH_RESTARTS, PNG])
def test_a_file_that_is_cut_off_anywhere_is_refused(data: bytes) -> None:
    for size in range(len(data)):
        with pytest.raises(ImageError, match=rf'\b{size} bytes.*expected'):
            decode_compressed(Message(data[:size]))


@pytest.mark.parametrize('data', [JPEG, PNG])
def test_bytes_after_the_end_do_no_harm(data: bytes) -> None:
    np.testing.assert_array_equal(
        decode_compressed(Message(data + bytes(500))), decode_compressed(Message(data))
    )


def test_the_end_marker_of_an_embedded_thumbnail_does_not_hide_a_cut() -> None:
    content = b'JFXX\x00\x10' + JPEG
    segment = b'\xff\xe0' + struct.pack('>H', len(content) + 2) + content
    with_thumbnail = JPEG[:2] + segment + JPEG[2:]
    assert decode_compressed(Message(with_thumbnail)).shape == (48, 64, 3)
    with pytest.raises(ImageError, match='cut off'):
        decode_compressed(Message(with_thumbnail[: len(with_thumbnail) - 20]))


@pytest.mark.parametrize('data', [b'', b'\x00' * 200, b'GIF89a' + bytes(50), b'\xff\xd8', b'x'])
def test_what_is_neither_jpeg_nor_png_is_refused(data: bytes) -> None:
    with pytest.raises(ImageError, match=f'of {len(data)} bytes.*expected a JPEG'):
        decode_compressed(Message(data))


def test_a_jpeg_without_a_frame_or_scan_is_refused() -> None:
    with pytest.raises(ImageError, match='no frame'):
        decode_compressed(Message(b'\xff\xd8\xff' + END_OF_JPEG))
    scan = JPEG.index(b'\xff\xda')
    with pytest.raises(ImageError):
        decode_compressed(Message(JPEG[:scan] + END_OF_JPEG))


def test_a_png_with_a_changed_byte_is_refused() -> None:
    for position in range(8, len(PNG)):
        changed = bytearray(PNG)
        changed[position] ^= 0x40
        with pytest.raises(ImageError):
            decode_compressed(Message(bytes(changed), 'png'))


@pytest.mark.alone
@pytest.mark.parametrize('remake', [jpeg_with_size, png_with_size])
def test_a_header_that_claims_an_absurd_size_costs_nothing(remake: object) -> None:
    data = remake(60000, 60000)  # type: ignore[operator]
    begin = time.perf_counter()
    with pytest.raises(ImageError, match=f'claims 60000x60000 pixels.*{MAX_PIXELS}'):
        decode_compressed(Message(data))
    assert time.perf_counter() - begin < 0.1


@pytest.mark.parametrize('remake', [jpeg_with_size, png_with_size])
def test_a_header_that_claims_more_pixels_than_its_data_can_hold_is_refused(
    remake: object,
) -> None:
    data = remake(8000, 8000)  # type: ignore[operator]
    with pytest.raises(ImageError, match=rf'8000x8000 pixels has {len(data)} bytes'):
        decode_compressed(Message(data))


def test_a_blank_image_is_not_taken_for_a_damaged_one() -> None:
    blank = np.full((1024, 2048, 3), 128, np.uint8)
    for kind in ('jpg', 'png'):
        data = encoded(kind, blank, cv2.IMWRITE_JPEG_QUALITY, 1, cv2.IMWRITE_JPEG_OPTIMIZE, 1)
        assert decode_compressed(Message(data)).shape == blank.shape


@pytest.mark.parametrize('remake', [jpeg_with_size, png_with_size])
def test_a_zero_size_is_refused(remake: object) -> None:
    with pytest.raises(ImageError, match='64x0 pixels; expected at least one'):
        decode_compressed(Message(remake(0, 64)))  # type: ignore[operator]


@settings(deadline=None, max_examples=200)
@given(
    data=st.sampled_from([JPEG, PROGRESSIVE, WITH_RESTARTS, PNG]),
    changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=4),
    form=st.sampled_from(['jpeg', 'png', 'bayer_rggb8; png compressed ']) | st.text(max_size=9),
)
def test_whatever_the_bytes_are_it_is_an_image_or_an_image_error(
    data: bytes, changes: list[tuple[int, int]], form: str
) -> None:
    changed = bytearray(data)
    for position, value in changes:
        changed[position % len(data)] = value
    try:
        rgb = decode_compressed(Message(bytes(changed), form))
    except ImageError as error:
        assert 'expected' in str(error)
    else:
        assert rgb.shape[2:] == (3,)


@pytest.mark.needs('ros')
def test_a_message_that_went_through_serialisation_is_read() -> None:
    from rclpy.serialization import deserialize_message, serialize_message
    from sensor_msgs.msg import CompressedImage

    message = CompressedImage(format='rgb8; png compressed bgr8', data=array('B', PNG))
    received = deserialize_message(serialize_message(message), CompressedImage)
    np.testing.assert_array_equal(decode_compressed(received), smooth_rgb())
