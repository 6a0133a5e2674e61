# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What every data set yields, and how pictures and label files are read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import DatasetError
from hiseg_ros.types import RgbImage


@dataclass(frozen=True)
class Box:
    """A box label: columns x1 to x2 and rows y1 to y2, both ends inclusive, in pixels."""

    x1: int
    y1: int
    x2: int
    y2: int
    label_id: int


@dataclass(frozen=True)
class Sample:
    """One image with its labels in the data set's own ids."""

    name: str
    image: RgbImage
    label_ids: NDArray[np.uint8]
    """(H, W) uint8 in the ids of the data set's mapping."""
    boxes: tuple[Box, ...] = ()


class SegmentationDataset(Protocol):
    """Samples of one data set in one mapping."""

    mapping_name: str

    def __len__(self) -> int:
        """Return the number of samples."""

    def __getitem__(self, index: int) -> Sample:
        """Return one sample."""


def read_image(path: Path) -> RgbImage:
    """Read a picture as (H, W, 3) uint8 RGB.

    Raises:
        DatasetError: The file is missing or not a picture.
    """
    data = cv2.imread(str(path), cv2.IMREAD_COLOR) if path.is_file() else None
    if data is None:
        raise DatasetError(
            f'{path} is missing or not a readable picture; expected a PNG, JPEG, WebP or PPM file.'
        )
    return np.asarray(cv2.cvtColor(data, cv2.COLOR_BGR2RGB), np.uint8)


def read_label_ids(path: Path) -> NDArray[np.uint8]:
    """Read a one-byte label file, palette indices kept as they are, as (H, W) uint8.

    Raises:
        DatasetError: The file is missing, not a picture, or not of one byte a pixel.
    """
    from PIL import Image  # OpenCV expands palettes to colours

    try:
        with Image.open(path) as picture:
            array = np.array(picture)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as problem:
        raise DatasetError(
            f'{path} is missing or not a readable label file: {problem}.'
        ) from problem
    if array.ndim != 2 or array.dtype != np.uint8:
        raise DatasetError(
            f'{path} has shape {array.shape} and type {array.dtype}; expected one byte a pixel '
            '(a palette or grey PNG of label ids).'
        )
    return array
