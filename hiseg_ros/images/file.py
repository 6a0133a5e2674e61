# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Reading and writing image files and label files; claims of too many pixels are refused.

Pillow decodes and OpenCV encodes them. OpenCV's reader expands a palette of label ids to colours
and gives a JPEG file that is cut off a grey rest without an error; its writer ends the process
with a segmentation fault on a file name that is no valid text.
"""

from __future__ import annotations

import io
import logging
import os
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from hiseg_ros.errors import ImageError, reason_of
from hiseg_ros.images.bit_depth import BITS, BitDepth
from hiseg_ros.images.header import (
    JPEG_SIGNATURE,
    PNG_SIGNATURE,
    WEBP_HEADER_BYTES,
    check_claim,
    check_size,
    check_webp,
)
from hiseg_ros.output_files import output_file
from hiseg_ros.types import ImageSize, RgbImage

_log = logging.getLogger(__name__)

MAX_FILE_BYTES = 2**30
"""Largest image file."""

_FORMATS = ('PNG', 'JPEG', 'PPM', 'BMP', 'GIF', 'WEBP', 'TIFF', 'JPEG2000')
"""Names in Pillow; without EPS, for which Pillow starts Ghostscript."""

_TURNED = ('JPEG', 'MPO')
"""Formats with an EXIF orientation of the camera."""

_ORIENTATION = 0x0112
_TAIL_BYTES = 1 << 16


def visible(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield paths but those of hidden files, such as ._x.png, which macOS writes beside x.png."""
    return (path for path in paths if not path.name.startswith('.'))


def in_any_form(path: Path) -> Path:
    """Return a path, or that of the file whose name has another Unicode form (NFC, NFD)."""
    if os.path.lexists(path):
        return path
    try:
        beside = list(path.parent.iterdir())
    except OSError:
        return path
    wanted = unicodedata.normalize('NFC', path.name)
    return next((p for p in beside if unicodedata.normalize('NFC', p.name) == wanted), path)


def is_turned(path: Path) -> bool:
    """Return whether the EXIF orientation of an image turns it by a quarter.

    Raises:
        ImageError: The file is missing or no image, or claims too many pixels.
    """
    with _opened(path, 'readable image') as image:
        return image.format in _TURNED and _is_quarter(image)


def _is_quarter(image: Image.Image) -> bool:
    return image.getexif().get(_ORIENTATION) in (5, 6, 7, 8)


def read_image(path: Path) -> RgbImage:
    """Read an image file, turned as its EXIF orientation says.

    Of a PNG with 16 bits for each colour the bit depth is measured, and a depth of less than 16
    is said in the log.

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
        if image.format == 'PNG' and _is_wide_color(image):
            return _narrowed(path)
        turned = ImageOps.exif_transpose(image) if image.format in _TURNED else image
        return np.array(turned.convert('RGB'))


def _is_wide_color(image: Image.Image) -> bool:
    """Return whether an open PNG has 16 bits for each colour, of which Pillow takes the high 8."""
    return ';16' in _packing(image) and image.mode in ('RGB', 'RGBA')


def _packing(image: Image.Image) -> str:
    """Return how the pixels of an open file are packed, in Pillow's words; '' if unknown."""
    tiles = getattr(image, 'tile', None)
    return str(tiles[0][3]) if tiles else ''


def _narrowed(path: Path) -> RgbImage:
    """Return a colour PNG of 16 bits as (H, W, 3) uint8, stretched by its measured depth."""
    data = np.frombuffer(path.read_bytes(), np.uint8)
    pixels = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    if pixels is None:
        raise ValueError('OpenCV gives no image')
    depth = BitDepth()
    rgb = depth.to_bytes(pixels[..., ::-1])
    if depth.bits != BITS[-1]:
        _log.warning('%s: %s', path, depth.text())
    return np.ascontiguousarray(rgb)


def read_ids(path: Path) -> NDArray[Any]:
    """Read the values of an image file as they are stored; a palette gives its indices.

    Values of less than a byte are kept, too: 0 and 1 of a PNG with one bit, not 0 and 255.

    Returns:
        (H, W) or (H, W, channels), of the type that the file has.

    Raises:
        ImageError: The file is missing, cut off or damaged, is no image, or claims too many
            pixels.
    """
    with _opened(path, 'readable label file', whole=True) as image:
        return stored_values(image)


def stored_values(image: Image.Image) -> NDArray[Any]:
    """Return the values of an open image as they are stored, see `read_ids`.

    Pillow stretches grey values of 2 and 4 bits to a byte.
    """
    packing = _packing(image)
    values = np.array(image)
    if values.dtype == bool:
        return values.astype(np.uint8)
    bits = {'L;2': 2, 'L;4': 4}.get(packing)
    return values if bits is None else values // (255 // (2**bits - 1))


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
        if image.format in _TURNED and _is_quarter(image):
            return width, height
        return height, width


def write_image(path: Path, pixels: NDArray[Any], options: Sequence[int] = ()) -> None:
    """Write an image file.

    Args:
        path: The file; its suffix names the format.
        pixels: (H, W), or (H, W, 3) with red first.
        options: As of `cv2.imwrite`.

    Raises:
        ConfigError: The path is a symbolic link or another thing that is no plain file.
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
    output_file(path)
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
