# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Image and label files of datasets, read by `hiseg_ros.images.file`; faults are DatasetErrors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import DatasetError, ImageError
from hiseg_ros.images import file
from hiseg_ros.types import ImageSize, RgbImage

IMAGE_ENDINGS = ('.jpg', '.jpeg', '.png', '.ppm', '.webp')


def read_image(path: Path) -> RgbImage:
    """Read an image as (H, W, 3) uint8 RGB, rotated as its EXIF orientation says.

    Raises:
        DatasetError: See the ImageError of `hiseg_ros.images.file.read_image`.
    """
    with _dataset_fault():
        return file.read_image(path)


def read_ids(path: Path) -> NDArray[Any]:
    """Read a file of numbers, palette indices kept as they are, in its own shape and type.

    Raises:
        DatasetError: See the ImageError of `hiseg_ros.images.file.read_ids`.
    """
    with _dataset_fault():
        return file.read_ids(path)


def read_label_ids(path: Path) -> NDArray[np.uint8]:
    """Read a one-byte label file, palette indices kept as they are, as (H, W) uint8.

    Raises:
        DatasetError: See the ImageError of `hiseg_ros.images.file.read_label_ids`.
    """
    with _dataset_fault():
        return file.read_label_ids(path)


def image_size(path: Path) -> ImageSize:
    """Return (height, width) and check that the file is complete, mostly without decoding it.

    Raises:
        DatasetError: See the ImageError of `hiseg_ros.images.file.image_size`.
    """
    with _dataset_fault():
        return file.image_size(path)


def is_turned(path: Path) -> bool:
    """Return whether the EXIF orientation of an image turns it by a quarter.

    Raises:
        DatasetError: See the ImageError of `hiseg_ros.images.file.is_turned`.
    """
    with _dataset_fault():
        return file.is_turned(path)


@contextmanager
def _dataset_fault() -> Iterator[None]:
    try:
        yield
    except ImageError as problem:
        raise DatasetError(str(problem)) from problem
