# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Image messages, of rclpy or of rosbags, as RGB images or as the values of their one channel.

Every encoding that a camera driver sends is decoded here and nowhere else. cv_bridge and
rosbags-image read part of them: the latter ignores row padding and the second plane of NV12. Both
convert colours with OpenCV, which is used here directly.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hiseg_ros.errors import ImageError
from hiseg_ros.images.bit_depth import BitDepth, shifted_bytes
from hiseg_ros.images.file import stored_values
from hiseg_ros.images.header import MAX_PIXELS, ImageHeader, check_claim, check_size
from hiseg_ros.types import RgbImage

__all__ = [
    'ENCODINGS',
    'MAX_PIXELS',
    'Encoding',
    'Values',
    'bytes_of',
    'decode_compressed',
    'decode_image',
    'rgb_of',
    'values_of',
]

Values = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True)
class Encoding:
    """Layout of the pixels of one encoding."""

    channels: int
    """Samples per pixel; in the first plane where there are two."""
    conversion: int | None
    """OpenCV's code for the conversion to RGB; None for RGB itself."""
    sample_bytes: int = 1
    smallest_side: int = 1
    """Least height and width that hold all colours."""
    even_width: bool = False
    has_chroma_plane: bool = False
    """Whether a plane of chroma with half as many rows follows; the height must be even too."""

    @property
    def is_gray(self) -> bool:
        """Whether a pixel is one value, such as a label id."""
        return self.conversion == cv2.COLOR_GRAY2RGB


def _encodings() -> dict[str, Encoding]:
    gray = Encoding(1, cv2.COLOR_GRAY2RGB)
    bgr = Encoding(3, cv2.COLOR_BGR2RGB)
    bgra = Encoding(4, cv2.COLOR_BGRA2RGB)
    eight = {
        'rgb8': Encoding(3, None),
        'bgr8': bgr,
        'rgba8': Encoding(4, cv2.COLOR_RGBA2RGB),
        'bgra8': bgra,
        'mono8': gray,
        '8UC1': gray,
        '8UC3': bgr,  # OpenCV's channel order
        '8UC4': bgra,
        # ROS names a pattern by the pixels from (0, 0) on, OpenCV by (1, 1) and (1, 2).
        'bayer_rggb8': Encoding(1, cv2.COLOR_BayerBG2RGB, smallest_side=3),
        'bayer_bggr8': Encoding(1, cv2.COLOR_BayerRG2RGB, smallest_side=3),
        'bayer_gbrg8': Encoding(1, cv2.COLOR_BayerGR2RGB, smallest_side=3),
        'bayer_grbg8': Encoding(1, cv2.COLOR_BayerGB2RGB, smallest_side=3),
    }
    sixteen = {
        name.replace('8', '16'): Encoding(e.channels, e.conversion, 2, e.smallest_side)
        for name, e in eight.items()
    }
    uyvy = Encoding(2, cv2.COLOR_YUV2RGB_UYVY, even_width=True)
    yuyv = Encoding(2, cv2.COLOR_YUV2RGB_YUYV, even_width=True)
    return {
        **eight,
        **sixteen,
        'yuv422': uyvy,
        'uyvy': uyvy,
        'yuv422_yuy2': yuyv,
        'yuyv': yuyv,
        'nv12': Encoding(1, cv2.COLOR_YUV2RGB_NV12, even_width=True, has_chroma_plane=True),
        'nv21': Encoding(1, cv2.COLOR_YUV2RGB_NV21, even_width=True, has_chroma_plane=True),
    }


_ALIGNMENTS = (4, 8, 16, 32, 64, 128)
"""Numbers that the rows of a plane are rounded up to a multiple of."""

ENCODINGS = _encodings()
"""Encodings by their names in sensor_msgs/image_encodings."""


def rgb_of(message: Any, depth: BitDepth | None = None) -> RgbImage:
    """Return the image of a sensor_msgs Image or CompressedImage.

    Args:
        message: The message.
        depth: Bits of the camera's 16-bit samples; None measures those of this image alone.

    Returns:
        (H, W, 3) uint8, red first, contiguous; not to be written to.

    Raises:
        ImageError: See `decode_image` and `decode_compressed`.
    """
    decode = decode_compressed if hasattr(message, 'format') else decode_image
    return decode(message, depth)


def values_of(message: Any) -> Values:
    """Return the values of a label image, or of another sensor_msgs Image or CompressedImage.

    Returns:
        (H, W) uint8 or uint16 of one channel with every value kept, of a PNG as `read_ids` of a
        file: the indices of a palette, and values of less than a byte as they are stored; else
        (H, W, 3) uint8, red first; contiguous, not to be written to.

    Raises:
        ImageError: See `decode_image` and `decode_compressed`.
    """
    if hasattr(message, 'format'):
        return _decompressed(message, keep_values=True)
    encoding, data, rows = _checked(message)
    if not encoding.is_gray:
        samples = _samples(data, encoding, rows, message, BitDepth())
        return _to_rgb(samples, encoding.conversion)
    order = '>' if message.is_bigendian else '<'
    values: NDArray[Any] = np.ndarray(
        (message.height, message.width),
        np.dtype(f'{order}u{encoding.sample_bytes}'),
        buffer=data,
        strides=(message.step, encoding.sample_bytes),
    )
    return np.ascontiguousarray(values, values.dtype.newbyteorder('='))


def decode_image(message: Any, depth: BitDepth | None = None) -> RgbImage:
    """Return the image of a sensor_msgs/msg/Image.

    16-bit samples become bytes by their bit depth: of 16 bits the high byte is taken. The YUV
    encodings are BT.601 with limited range, as in OpenCV and cv_bridge.

    Args:
        message: The message.
        depth: Bits of the camera's 16-bit samples; None measures those of this image alone.

    Returns:
        (H, W, 3) uint8, red first, contiguous; for rgb8 without row padding a view of the
        message's data, which is not to be written to.

    Raises:
        ImageError: The encoding is unknown, the size is zero, too large, or odd where it must be
            even, the step is too small, or the data ends early.
    """
    encoding, data, rows = _checked(message)
    samples = _samples(data, encoding, rows, message, depth or BitDepth())
    return _to_rgb(samples, encoding.conversion)


def _checked(message: Any) -> tuple[Encoding, NDArray[np.uint8], int]:
    """Check that the fields of an image message fit together; return encoding, data and rows.

    Raises:
        ImageError: See `decode_image`.
    """
    name, height, width, step = message.encoding, message.height, message.width, message.step
    encoding = ENCODINGS.get(name)
    if encoding is None:
        raise ImageError(
            f'An image has the encoding {name!r}; expected one of {", ".join(ENCODINGS)}: set '
            "the camera driver's pixel format to one of them."
        )
    check_size(height, width, f'An image in {name}')
    if min(height, width) < encoding.smallest_side:
        raise ImageError(
            f'An image in {name} has {width}x{height} pixels; expected at least '
            f'{encoding.smallest_side} along each side, since fewer do not show all colours.'
        )
    if (encoding.even_width and width % 2) or (encoding.has_chroma_plane and height % 2):
        sides = 'width and height' if encoding.has_chroma_plane else 'width'
        raise ImageError(
            f'An image in {name} has {width}x{height} pixels; expected an even {sides}, since two '
            'pixels share one colour: correct what the camera driver announces.'
        )
    row_bytes = width * encoding.channels * encoding.sample_bytes
    if step < row_bytes:
        raise ImageError(
            f'An image in {name} of {width}x{height} pixels has a step of {step} bytes; expected '
            f'at least {row_bytes} for a row: correct what the camera driver announces.'
        )
    rows = height + height // 2 if encoding.has_chroma_plane else height
    expected = step * (rows - 1) + row_bytes  # the last row may lack its padding
    data = bytes_of(message.data)
    if len(data) < expected:
        raise ImageError(
            f'An image in {name} of {width}x{height} pixels has {len(data)} bytes of data; '
            f'expected {step * rows}, {rows} rows of {step}: it was cut off on its way, skip it.'
        )
    return encoding, data, rows


def decode_compressed(message: Any, depth: BitDepth | None = None) -> RgbImage:
    """Return the image of a sensor_msgs/msg/CompressedImage, a JPEG or PNG.

    The format string is read as image_transport reads it: 'bayer_rggb8; jpeg compressed ' is a
    mosaic, and the colours of 'rgb8; jpeg compressed ' were stored in the wrong order unless it
    says 'compressed bgr8' there. An EXIF orientation is ignored, since camera_info has none.
    Bytes that changed inside a JPEG without ending it early cannot be detected.

    Args:
        message: The message.
        depth: Bits of the samples of the camera's 16-bit PNGs; None measures those of this image
            alone.

    Returns:
        (H, W, 3) uint8, red first, contiguous.

    Raises:
        ImageError: The data is no JPEG or PNG, is cut off or damaged, or claims too many pixels.
    """
    return _decompressed(message, depth)


def _decompressed(
    message: Any, depth: BitDepth | None = None, *, keep_values: bool = False
) -> Any:
    """Return the RGB image, or with `keep_values` the values where there is one channel."""
    data = bytes_of(message.data)
    header = check_claim(data.data)
    origin, separator, compression = message.format.partition(';')
    if keep_values and (header.has_palette or (header.is_gray and header.sample_bits < 8)):
        return _stored(data, header, message.format)
    is_bayer = header.is_gray and origin.startswith('bayer_') and origin in ENCODINGS
    has_values = keep_values and header.is_gray and not is_bayer
    flags = cv2.IMREAD_GRAYSCALE if header.is_gray else cv2.IMREAD_COLOR
    is_wide = header.sample_bits == 16
    flags |= cv2.IMREAD_ANYDEPTH if has_values or is_wide else 0
    try:
        pixels = cv2.imdecode(data, flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise _undecodable(header.kind, len(data), message.format, str(error)) from error
    if pixels is None or pixels.shape[:2] != (header.height, header.width):
        raise _undecodable(header.kind, len(data), message.format, 'OpenCV gives no image')
    if has_values:
        return pixels
    if is_wide:
        pixels = (depth or BitDepth()).to_bytes(pixels)
    image = cast(NDArray[np.uint8], pixels)
    if is_bayer and min(image.shape) >= 3:
        return _to_rgb(image, ENCODINGS[origin].conversion)
    if header.is_gray:
        return _to_rgb(image, cv2.COLOR_GRAY2RGB)
    if separator and _is_color(origin) and 'compressed bgr' not in compression:
        return image
    return _to_rgb(image, cv2.COLOR_BGR2RGB)


def _stored(data: NDArray[np.uint8], header: ImageHeader, format_field: str) -> Any:
    """Return the values of a PNG as they are stored, (H, W) uint8.

    OpenCV would give the colours of a palette, and stretch values of less than a byte.
    """
    try:
        with Image.open(io.BytesIO(data.tobytes()), formats=('PNG',)) as image:
            indices = stored_values(image)
    except Exception as error:  # damaged bytes make Pillow raise anything
        raise _undecodable(header.kind, len(data), format_field, str(error)) from error
    if indices.shape != (header.height, header.width) or indices.dtype != np.uint8:
        raise _undecodable(header.kind, len(data), format_field, 'Pillow gives no values')
    return indices


def _is_color(encoding: str) -> bool:
    return encoding in ENCODINGS and encoding.startswith(('rgb', 'bgr'))


def _samples(
    data: NDArray[np.uint8], encoding: Encoding, rows: int, message: Any, depth: BitDepth
) -> NDArray[np.uint8]:
    """Return one byte of each sample: (rows, W) or (rows, W, channels)."""
    size = encoding.sample_bytes
    if size == 2:
        wide: NDArray[Any] = np.ndarray(
            (rows, message.width, encoding.channels),
            np.dtype(f'{">" if message.is_bigendian else "<"}u2'),
            buffer=data,
            strides=(message.step, encoding.channels * size, size),
        )
        if (shift := depth.shift_of(wide)) < 8:
            narrow = shifted_bytes(wide, shift)
            return narrow[:, :, 0] if encoding.channels == 1 else narrow
    # Of two bytes the high one: the first where the camera is big-endian.
    offset = 1 if size == 2 and not message.is_bigendian else 0
    gap = _gap(data, message) if encoding.has_chroma_plane else 0
    samples: NDArray[np.uint8] = np.ndarray(
        (rows + gap, message.width, encoding.channels),
        np.uint8,
        buffer=data,
        offset=offset,
        strides=(message.step, encoding.channels * size, size),
    )
    if gap:
        height = message.height
        samples = np.concatenate([samples[:height], samples[height + gap :]])
    return samples[:, :, 0] if encoding.channels == 1 else samples


def _gap(data: NDArray[np.uint8], message: Any) -> int:
    """Return the number of rows between the planes of brightness and chroma.

    Video decoders align the planes, 1080 rows to 1088; how far is told by the number of all rows.
    """
    height, step = message.height, message.step
    total, rest = divmod(len(data), step)
    for multiple in _ALIGNMENTS:
        aligned = -(-height // multiple) * multiple
        if not rest and aligned > height and total in (aligned * 3 // 2, aligned + height // 2):
            return int(aligned - height)
    return 0


def _to_rgb(pixels: NDArray[np.uint8], conversion: int | None) -> RgbImage:
    pixels = np.ascontiguousarray(pixels)
    if conversion is None:
        return pixels
    return cast(RgbImage, cv2.cvtColor(pixels, conversion))


def bytes_of(data: Any) -> NDArray[np.uint8]:
    """Return a view of the bytes of a message's data, flat; writable where the data is."""
    return np.frombuffer(data, np.uint8) if len(data) else np.empty(0, np.uint8)


def _undecodable(kind: str, size: int, form: str, reason: str) -> ImageError:
    return ImageError(
        f'A {kind} of {size} bytes and format {form!r} cannot be decoded ({reason}); expected an '
        'undamaged image: it was changed on its way, skip it.'
    )
