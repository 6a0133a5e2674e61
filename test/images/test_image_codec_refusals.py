# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A raw image message that cannot be an image is refused with one sentence that says why."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_messages import Message, message_of, random_rows

from hiseg_ros.errors import ImageError
from hiseg_ros.images.image_message import ENCODINGS, MAX_PIXELS, decode_image


def complete(encoding: str) -> Message:
    e = ENCODINGS[encoding]
    rows = 6 if e.has_chroma_plane else 4
    row_bytes = 4 * e.channels * e.sample_bytes
    return message_of(encoding, random_rows(1, rows, row_bytes), height=4, width=4)


@pytest.mark.parametrize('encoding', sorted(ENCODINGS))
def test_data_that_lacks_a_single_byte_is_refused(encoding: str) -> None:
    message = complete(encoding)
    decode_image(message)
    with pytest.raises(ImageError, match=rf'{len(message.data) - 1} bytes.*{len(message.data)}'):
        decode_image(replace(message, data=message.data[:-1]))
    with pytest.raises(ImageError, match='has 0 bytes of data'):
        decode_image(replace(message, data=b''))


@pytest.mark.parametrize('encoding', sorted(ENCODINGS))
def test_a_step_below_the_row_is_refused(encoding: str) -> None:
    message = complete(encoding)
    with pytest.raises(ImageError, match=f'step of {message.step - 1} bytes.*{message.step} for'):
        decode_image(replace(message, step=message.step - 1))


@pytest.mark.parametrize('encoding', ['rgb9', '', 'RGB8', '32FC1', 'jpeg'])
def test_an_unknown_encoding_is_refused_with_a_list_of_the_known(encoding: str) -> None:
    with pytest.raises(ImageError, match=f"'{encoding}'.*rgb8, .*nv21"):
        decode_image(replace(complete('rgb8'), encoding=encoding))


@pytest.mark.parametrize(('height', 'width'), [(0, 4), (4, 0), (0, 0)])
def test_a_zero_size_is_refused(height: int, width: int) -> None:
    with pytest.raises(ImageError, match=f'{width}x{height} pixels; expected at least one'):
        decode_image(Message('rgb8', height, width, 12, bytes(48)))


@pytest.mark.parametrize(('height', 'width'), [(60000, 60000), (2**32 - 1, 2**32 - 1)])
def test_an_absurd_size_is_refused_before_it_costs_anything(height: int, width: int) -> None:
    with pytest.raises(ImageError, match=f'claims {width}x{height} pixels.*{MAX_PIXELS}'):
        decode_image(Message('mono8', height, width, width, bytes(100)))


@pytest.mark.parametrize(
    ('encoding', 'height', 'width'), [('yuv422', 4, 3), ('nv12', 3, 4), ('nv21', 4, 3)]
)
def test_an_odd_size_is_refused_where_pixels_share_colour(
    encoding: str, height: int, width: int
) -> None:
    with pytest.raises(ImageError, match=f'{width}x{height} pixels; expected an even'):
        decode_image(Message(encoding, height, width, 8, bytes(100)))


def test_a_bayer_mosaic_too_small_to_show_all_colours_is_refused() -> None:
    with pytest.raises(ImageError, match='2x5 pixels; expected at least 3'):
        decode_image(Message('bayer_rggb8', 5, 2, 2, bytes(10)))


@settings(deadline=None, max_examples=100)
@given(
    encoding=st.sampled_from(sorted(ENCODINGS)) | st.text(max_size=8),
    height=st.integers(0, 20) | st.integers(0, 2**32 - 1),
    width=st.integers(0, 20) | st.integers(0, 2**32 - 1),
    step=st.integers(0, 100) | st.integers(0, 2**32 - 1),
    is_bigendian=st.integers(0, 255),
    data=st.binary(max_size=400),
)
def test_whatever_a_message_says_it_is_an_image_or_an_image_error(
    encoding: str, height: int, width: int, step: int, is_bigendian: int, data: bytes
) -> None:
    try:
        rgb = decode_image(Message(encoding, height, width, step, data, is_bigendian))
    except ImageError as error:
        assert 'expected' in str(error)
    else:
        assert rgb.shape == (height, width, 3)
