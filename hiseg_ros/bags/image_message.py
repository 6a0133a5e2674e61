# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Image messages of a bag as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rosbags.image import ImageError as RosbagsImageError
from rosbags.image import message_to_cvimage

from hiseg_ros.errors import ImageError
from hiseg_ros.images import check_claim, check_size

_BYTES_PER_PIXEL = {'mono8': 1, '8UC1': 1, 'rgb8': 3, 'bgr8': 3, '8UC3': 3, 'rgba8': 4, 'bgra8': 4}
_ONE_CHANNEL = ('mono8', '8UC1', 'mono16', '16UC1')


@dataclass(frozen=True)
class _Packed:
    """An image message without padding at the row ends."""

    encoding: str
    height: int
    width: int
    is_bigendian: int
    data: NDArray[np.uint8]


def array_of(message: Any) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Return the pixels of a sensor_msgs Image or CompressedImage.

    Returns:
        (H, W) uint8 or uint16 for one channel, unchanged; (H, W, 3) uint8 rgb for colour.

    Raises:
        ImageError: The image is damaged, of size zero, or of an unknown encoding.
    """
    if hasattr(message, 'format'):
        return _decompressed(message)
    rows, columns, encoding = message.height, message.width, message.encoding
    data = np.asarray(message.data, np.uint8)
    if rows * columns == 0 or message.step == 0 or len(data) < message.step * rows:
        raise ImageError(
            f'An image of {rows}x{columns} pixels has {len(data)} bytes at {message.step} bytes '
            f'a row; expected at least one pixel and {message.step * rows} bytes: the recording '
            'is damaged.'
        )
    check_size(rows, columns, f'An image in {encoding}')
    row_bytes = _BYTES_PER_PIXEL.get(encoding, 0) * columns
    if row_bytes and row_bytes <= message.step:
        padded = data[: message.step * rows].reshape(rows, message.step)
        data = np.ascontiguousarray(padded[:, :row_bytes]).reshape(-1)
    packed = _Packed(encoding, rows, columns, message.is_bigendian, data)
    wanted = None if encoding in (*_ONE_CHANNEL, '8UC3') else 'rgb8'
    try:
        pixels = message_to_cvimage(packed, wanted)  # type: ignore[arg-type]
    except (RosbagsImageError, TypeError, ValueError, cv2.error) as error:
        raise ImageError(
            f'An image of encoding {encoding!r} cannot be read ({error}); expected 8-bit colour, '
            'mono, Bayer or YUV 4:2:2 as in sensor_msgs/image_encodings.'
        ) from error
    if encoding == '8UC3':  # by custom of OpenCV
        pixels = pixels[:, :, ::-1]
    return _contiguous(pixels)


def _decompressed(message: Any) -> NDArray[np.uint8] | NDArray[np.uint16]:
    data = np.asarray(message.data, np.uint8)
    check_claim(data.data)
    try:
        pixels = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise ImageError(
            f'A compressed image of {data.size} bytes and format {message.format!r} cannot be '
            'decoded; expected JPEG or PNG: the recording is damaged or of another format.'
        )
    if pixels.ndim == 3:
        code = cv2.COLOR_BGRA2RGB if pixels.shape[2] == 4 else cv2.COLOR_BGR2RGB
        pixels = cv2.cvtColor(pixels, code)
    return _contiguous(pixels)


def _contiguous(pixels: Any) -> NDArray[np.uint8] | NDArray[np.uint16]:
    if pixels.dtype == np.uint16:
        return np.ascontiguousarray(pixels, np.uint16)
    return np.ascontiguousarray(pixels, np.uint8)
