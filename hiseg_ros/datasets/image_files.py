# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Reading of image and label files, and a quick check whether they are complete.

With Pillow: OpenCV expands palettes to colours, and silently fills the end of a truncated JPEG
file with grey.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from hiseg_ros.errors import DatasetError
from hiseg_ros.types import ImageSize, RgbImage

IMAGE_ENDINGS = ('.jpg', '.jpeg', '.png', '.ppm', '.webp')

_WITH_ORIENTATION = ('JPEG', 'MPO')
"""Formats with an EXIF orientation."""

_ORIENTATION = 0x0112
_TAIL_BYTES = 1 << 16


def read_image(path: Path) -> RgbImage:
    """Read an image as (H, W, 3) uint8 RGB, rotated as its EXIF orientation says.

    Raises:
        DatasetError: The file is missing, cut short, or not an image of one byte a colour.
    """
    with _opened(path, 'readable image') as image:
        if image.mode.startswith(('I', 'F')):
            raise DatasetError(
                f'{path} is an image of mode {image.mode!r}; expected one byte a colour: '
                'convert it.'
            )
        turned = ImageOps.exif_transpose(image) if image.format in _WITH_ORIENTATION else image
        return np.array(turned.convert('RGB'))


def read_ids(path: Path) -> NDArray[Any]:
    """Read a file of numbers, palette indices kept as they are, in its own shape and type.

    Raises:
        DatasetError: The file is missing, cut short, or not an image.
    """
    with _opened(path, 'readable label file') as image:
        return np.array(image)


def image_size(path: Path) -> ImageSize:
    """Return (height, width) and check that the file is complete, mostly without decoding it.

    Raises:
        DatasetError: The file is missing, cut short, or not an image.
    """
    with _opened(path, 'readable image') as image:
        width, height = image.size
        if not _is_complete(path, image):
            image.load()  # looks truncated, or has something appended
        if image.format in _WITH_ORIENTATION and image.getexif().get(_ORIENTATION) in (5, 6, 7, 8):
            return width, height
        return height, width


@contextmanager
def _opened(path: Path, what: str) -> Iterator[Image.Image]:
    try:
        with Image.open(path) as image:
            yield image
    except DatasetError:
        raise
    except Exception as problem:  # decoders raise almost anything on damaged bytes
        reason = ' '.join(str(problem).split()) or type(problem).__name__
        raise DatasetError(
            f'{path} is missing or not a {what} ({reason}); expected a whole PNG, JPEG, WebP or '
            'PPM file: copy it again.'
        ) from problem


def _is_complete(path: Path, image: Image.Image) -> bool:
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
