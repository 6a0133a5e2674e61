# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Camera messages of a bag as RGB pictures, decoded as the node decodes them."""

from __future__ import annotations

from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import ImageError
from hiseg_ros.pictures import check_claim, check_size
from hiseg_ros.types import RgbImage

_BAYER = {
    'bayer_rggb': cv2.COLOR_BayerBG2RGB,
    'bayer_bggr': cv2.COLOR_BayerRG2RGB,
    'bayer_gbrg': cv2.COLOR_BayerGR2RGB,
    'bayer_grbg': cv2.COLOR_BayerGB2RGB,
}
_PACKED: dict[str, tuple[int, int | None]] = {
    'rgb': (3, None),
    'bgr': (3, cv2.COLOR_BGR2RGB),
    'rgba': (4, cv2.COLOR_RGBA2RGB),
    'bgra': (4, cv2.COLOR_BGRA2RGB),
    'mono': (1, cv2.COLOR_GRAY2RGB),
    **{name: (1, code) for name, code in _BAYER.items()},
}
"""By encoding without its bits: samples per pixel, and OpenCV's code for the way to RGB."""

ENCODINGS: dict[str, tuple[int, int | None, int]] = {
    **{f'{name}{bits}': (*how, bits // 8) for name, how in _PACKED.items() for bits in (8, 16)},
    # By custom of OpenCV blue comes first.
    **{f'{bits}UC1': (*_PACKED['mono'], bits // 8) for bits in (8, 16)},
    **{f'{bits}UC3': (*_PACKED['bgr'], bits // 8) for bits in (8, 16)},
    **{f'{bits}UC4': (*_PACKED['bgra'], bits // 8) for bits in (8, 16)},
    **{name: (2, cv2.COLOR_YUV2RGB_UYVY, 1) for name in ('yuv422', 'uyvy')},
    **{name: (2, cv2.COLOR_YUV2RGB_YUYV, 1) for name in ('yuv422_yuy2', 'yuyv')},
    'nv12': (1, cv2.COLOR_YUV2RGB_NV12, 1),
    'nv21': (1, cv2.COLOR_YUV2RGB_NV21, 1),
}
"""Samples per pixel in the first plane, conversion to RGB, bytes per sample."""

_TWO_PLANES = ('nv12', 'nv21')


def rgb_of(message: Any) -> RgbImage:
    """Return the picture of a sensor_msgs Image or CompressedImage.

    Of 16-bit samples the high byte is taken; an orientation tag is ignored.

    Returns:
        (H, W, 3) uint8, red first, contiguous.

    Raises:
        ImageError: The picture is cut off or damaged, has no pixels or too many, or an encoding
            that is no picture's.
    """
    try:
        return _unpacked(message) if hasattr(message, 'format') else _raw(message)
    except cv2.error as error:
        raise ImageError(
            f'A picture cannot be decoded ({error}); expected a whole one: the recording is '
            'damaged.'
        ) from error


def _raw(message: Any) -> RgbImage:
    name, height, width, step = message.encoding, message.height, message.width, message.step
    if name not in ENCODINGS:
        raise ImageError(
            f'An image has the encoding {name!r}; expected one of {", ".join(ENCODINGS)}: choose '
            'another topic.'
        )
    channels, code, sample_bytes = ENCODINGS[name]
    check_size(height, width, f'An image in {name}')
    has_two_planes = name in _TWO_PLANES
    if (channels == 2 or has_two_planes) and width % 2 or (has_two_planes and height % 2):
        raise ImageError(
            f'An image in {name} has {width}x{height} pixels; expected even sides, since two '
            'pixels share one colour.'
        )
    if name.startswith('bayer') and min(height, width) < 3:
        raise ImageError(f'An image in {name} has {width}x{height} pixels; expected 3x3 or more.')
    rows, row_bytes = height + height // 2 * has_two_planes, width * channels * sample_bytes
    data = np.frombuffer(message.data, np.uint8) if len(message.data) else np.empty(0, np.uint8)
    # The last row may lack its padding.
    if step < row_bytes or len(data) < step * (rows - 1) + row_bytes:
        raise ImageError(
            f'An image in {name} of {width}x{height} pixels has {len(data)} bytes at {step} bytes '
            f'a row; expected {rows} rows of at least {row_bytes}: the recording is damaged.'
        )
    # Of two bytes the high one: the first where the camera is big-endian.
    offset = int(sample_bytes == 2 and not message.is_bigendian)
    samples: NDArray[np.uint8] = np.ndarray(
        (rows, width, channels), np.uint8, data, offset,
        (step, channels * sample_bytes, sample_bytes),
    )  # fmt: skip
    return _converted(samples[:, :, 0] if channels == 1 else samples, code)


def _unpacked(message: Any) -> RgbImage:
    data = np.frombuffer(message.data, np.uint8) if len(message.data) else np.empty(0, np.uint8)
    check_claim(data.data)
    pixels: Any = cv2.imdecode(data, cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    if pixels is None:
        raise ImageError(
            f'A picture of {len(data)} bytes and format {message.format!r} cannot be decoded; '
            'expected a whole JPEG or PNG: the recording is damaged.'
        )
    origin, separator, compression = message.format.partition(';')
    if pixels.ndim == 2:
        if pixels.dtype != np.uint8:
            pixels = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
        if origin.removesuffix('8') in _BAYER and min(pixels.shape) >= 3:
            return _converted(pixels, _BAYER[origin.removesuffix('8')])
        return _converted(pixels, cv2.COLOR_GRAY2RGB)
    bgr = pixels
    if pixels.dtype != np.uint8 or pixels.shape[2:] != (3,):
        # Of deeper or transparent pictures OpenCV's own way to 8-bit colour is taken.
        bgr = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    is_color = origin in ENCODINGS and origin.startswith(('rgb', 'bgr'))
    if separator and is_color and 'compressed bgr' not in compression:
        # image_transport stored the colours in the camera's own order.
        return np.ascontiguousarray(bgr, np.uint8)
    return _converted(bgr, cv2.COLOR_BGR2RGB)


def _converted(pixels: Any, code: int | None) -> RgbImage:
    pixels = np.ascontiguousarray(pixels)
    return cast(RgbImage, pixels if code is None else cv2.cvtColor(pixels, code))
