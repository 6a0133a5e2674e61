# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Image files of any common kind, refused before they cost memory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import ImageError
from hiseg_ros.images.header import JPEG_SIGNATURE, PNG_SIGNATURE, check_claim, check_size

MAX_FILE_BYTES = 2**30
"""Of an image file."""


def read_image(path: Path, flags: int = cv2.IMREAD_COLOR) -> NDArray[Any]:
    """Read an image file.

    Args:
        path: PNG, JPEG, WebP, PPM or another kind that OpenCV reads.
        flags: As of `cv2.imread`.

    Returns:
        What OpenCV makes of it: (H, W, 3) uint8, blue first, with the default flags.

    Raises:
        ImageError: It is missing, cut off, damaged, or claims too many pixels.
    """
    if not os.path.isfile(path):
        raise ImageError(
            f'{path} is missing or not a readable image; expected a file: check the path.'
        )
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ImageError(
                f'{path} has {path.stat().st_size} bytes; expected at most {MAX_FILE_BYTES}.'
            )
        data = path.read_bytes()
    except OSError as problem:
        raise ImageError(f'{path} cannot be read ({problem}); expected an image file.') from None
    try:
        _check(path, data)
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    except (ImageError, cv2.error) as problem:
        reason = ' '.join(str(problem).split())
        raise ImageError(f'{path} is not a readable image: {reason}') from problem
    if pixels is None:
        raise ImageError(
            f'{path} is not a readable image; expected PNG, JPEG, WebP or PPM: copy it again.'
        )
    return pixels


def write_image(path: Path, pixels: NDArray[Any], options: Sequence[int] = ()) -> None:
    """Write an image file.

    OpenCV's own writer ends the process with a segmentation fault on a name that is no text.

    Args:
        path: Its suffix names the kind.
        pixels: (H, W) or (H, W, 3), blue first.
        options: As of `cv2.imwrite`.

    Raises:
        ImageError: The suffix is no image's, or the file cannot be written.
    """
    try:
        is_known, data = cv2.imencode(path.suffix, np.ascontiguousarray(pixels), list(options))
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


def _check(path: Path, data: bytes) -> None:
    """Refuse an image that claims too many pixels.

    Raises:
        ImageError: It does.
    """
    if data.startswith((JPEG_SIGNATURE, PNG_SIGNATURE)):
        check_claim(memoryview(data))
        return
    from PIL import Image

    try:
        # Only the header is read; what Pillow does not know OpenCV may, within its own limit.
        with Image.open(path) as image:
            width, height = image.size
    except Image.DecompressionBombError as problem:
        raise ImageError(f'{problem}; expected a smaller one.') from problem
    except Exception:  # noqa: BLE001  decoders raise almost anything on damaged bytes
        return
    check_size(height, width, 'It')
