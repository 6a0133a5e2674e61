# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Scaling of images together with their labels, so that text drawn into them is legible."""

from __future__ import annotations

import cv2
import numpy as np

from hiseg_ros.errors import ImageError
from hiseg_ros.types import LabelImage, RgbImage


def to_height(rgb: RgbImage, labels: LabelImage, height: int) -> tuple[RgbImage, LabelImage]:
    """Return an image and its labels scaled to a height, with the aspect ratio kept.

    Args:
        rgb: (H, W, 3) uint8.
        labels: (H, W) uint8 node ids; scaled by nearest neighbour, so no new ids appear.
        height: Rows of the result, at least 1.

    Raises:
        ImageError: The two differ in size.
    """
    if rgb.shape != (*labels.shape, 3):
        raise ImageError(
            f'The image has shape {rgb.shape}; expected (H, W, 3) of the size of the labels, '
            f'{labels.shape}.'
        )
    rows, columns = labels.shape
    if rows == height:
        return rgb, labels
    size = (max(1, round(columns * height / rows)), height)
    how = cv2.INTER_CUBIC if height > rows else cv2.INTER_AREA
    return (
        np.asarray(cv2.resize(rgb, size, interpolation=how), np.uint8),
        np.asarray(cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST), np.uint8),
    )
