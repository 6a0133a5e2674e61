# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Reading and writing image files and label files; claims of too many pixels are refused.

Pillow decodes and OpenCV encodes them. OpenCV's reader expands a palette of label ids to colours
and gives a JPEG file that is cut off a grey rest without an error; its writer ends the process
with a segmentation fault on a file name that is no valid text.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from hiseg_ros.errors import ImageError, reason_of
from hiseg_ros.images.header import (
    JPEG_SIGNATURE,
    PNG_SIGNATURE,
    WEBP_HEADER_BYTES,
    check_claim,
    check_size,
    check_webp,
)
from hiseg_ros.types import ImageSize, RgbImage

MAX_FILE_BYTES = 2**30
"""Largest image file."""

_FORMATS = ('PNG', 'JPEG', 'PPM', 'BMP', 'GIF', 'WEBP', 'TIFF', 'JPEG2000')
"""Names in Pillow; without EPS, for which Pillow starts Ghostscript."""

_TURNED = ('JPEG', 'MPO')
"""Formats with an EXIF orientation of the camera."""

_ORIENTATION = 0x0112
_TAIL_BYTES = 1 << 16


def read_image(path: Path) -> RgbImage:
    """Read an image file, turned as its EXIF orientation says.

    Returns:
        (H, W, 3) uint8, red first.

    Raises:
        ImageError: The file is missing, cut off or damaged, claims too many pixels, or has no
            8-bit colours.
    """
    with _opened(path, 'readable image', whole=True) as image:
        if image.mode.startswith(('I', 'F')):
            raise ImageError(
                f'{path} is an image of mode {image.mode!r}; expected one byte a colour: '
                'convert it.'
            )
        turned = ImageOps.exif_transpose(image) if image.format in _TURNED else image
        return np.array(turned.convert('RGB'))


def read_ids(path: Path) -> NDArray[Any]:
    """Read the values of an image file as they are stored; a palette gives its indices.

    Returns:
        (H, W) or (H, W, channels), of the type that the file has.

    Raises:
        ImageError: The file is missing, cut off or damaged, is no image, or claims too many
            pixels.
    """
    with _opened(path, 'readable label file', whole=True) as image:
        return np.array(image)


def read_label_ids(path: Path) -> NDArray[np.uint8]:
    """Read a label file with one byte per pixel; a palette gives its indices.

    Returns:
        (H, W) uint8.

    Raises:
        ImageError: See `read_ids`; or a pixel has not one byte.
    """
    array = read_ids(path)
    if array.ndim != 2 or array.dtype != np.uint8:
        raise ImageError(
            f'{path} has shape {array.shape} and type {array.dtype}; expected one byte a pixel '
            '(a palette or grey PNG of label ids).'
        )
    return array


def image_size(path: Path) -> ImageSize:
    """Return (height, width) of an image file and check that it is complete.

    Mostly without decoding it: from its first and last bytes.

    Raises:
        ImageError: The file is missing or cut off, is no image, or claims too many pixels.
    """
    with _opened(path, 'readable image') as image:
        width, height = image.size
        if not _ends_as_it_should(path, image):
            image.load()  # a file that looks cut short may only have something appended
        if image.format in _TURNED and image.getexif().get(_ORIENTATION) in (5, 6, 7, 8):
            return width, height
        return height, width


def write_image(path: Path, pixels: NDArray[Any], options: Sequence[int] = ()) -> None:
    """Write an image file.

    Args:
        path: The file; its suffix names the format.
        pixels: (H, W), or (H, W, 3) with red first.
        options: As of `cv2.imwrite`.

    Raises:
        ImageError: OpenCV writes no format with this suffix, or the file cannot be written.
    """
    plane = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR) if pixels.ndim == 3 else pixels
    try:
        is_known, data = cv2.imencode(path.suffix, np.ascontiguousarray(plane), list(options))
    except cv2.error:
        is_known, data = False, np.empty(0, np.uint8)
    if not is_known:
        raise ImageError(
            f'{path} has the suffix {path.suffix!r}; expected an image, .png or .jpg.'
        )
    try:
        path.write_bytes(data.tobytes())
    except OSError as problem:
        raise ImageError(
            f'{path} cannot be written ({problem}); expected a writable folder with room for it.'
        ) from problem


@contextmanager
def _opened(path: Path, what: str, *, whole: bool = False) -> Iterator[Image.Image]:
    """Open an image and read its header; any fault of the file becomes an ImageError.

    Args:
        path: The file.
        what: Its kind in words, for the error message.
        whole: Whether to read the whole file first and check a JPEG or PNG from end to end.

    Raises:
        ImageError: The file, or what the caller does with the image, fails.
    """
    try:
        if not os.path.isfile(path):  # Path.is_file raises on a name that is too long
            raise FileNotFoundError('no such file')
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ValueError(f'{path.stat().st_size} bytes, more than {MAX_FILE_BYTES}')
        with _content(path, whole) as content, Image.open(content, formats=_FORMATS) as image:
            check_size(image.height, image.width, f'A {image.format}')
            yield image
    except ImageError as problem:
        if str(path) in str(problem):
            raise
        raise ImageError(f'{path} is missing or not a {what}: {problem}') from problem
    except Exception as problem:  # decoders raise almost anything on damaged bytes
        reason = reason_of(problem).rstrip('.')
        raise ImageError(
            f'{path} is missing or not a {what} ({reason}); expected a whole PNG, JPEG, WebP or '
            'PPM file: copy it again.'
        ) from problem


@contextmanager
def _content(path: Path, whole: bool) -> Iterator[BinaryIO]:
    with path.open('rb') as file:
        # Pillow allocates the whole canvas of a WebP before it tells its size.
        check_webp(file.read(WEBP_HEADER_BYTES))
        file.seek(0)
        if not whole:
            yield file
            return
    data = path.read_bytes()
    if data.startswith((JPEG_SIGNATURE, PNG_SIGNATURE)):
        check_claim(data)
    yield io.BytesIO(data)


def _ends_as_it_should(path: Path, image: Image.Image) -> bool:
    size = path.stat().st_size
    if image.format == 'PPM':
        return size > image.width * image.height * len(image.getbands())
    if image.format == 'WEBP':
        with path.open('rb') as file:
            return int.from_bytes(file.read(8)[4:], 'little') + 8 <= size
    marks = {'PNG': b'IEND', 'JPEG': b'\xff\xd9', 'MPO': b'\xff\xd9'}
    if image.format not in marks:
        return False
    with path.open('rb') as file:
        file.seek(max(0, size - _TAIL_BYTES), os.SEEK_SET)
        return marks[image.format] in file.read()
