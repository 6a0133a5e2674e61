# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Images for classical methods: working size, grey levels, CIE Lab."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from hiseg_ros.types import ImageSize, RgbImage

CELL = 8
"""Pixels of a HOG cell; both sides of a working image are multiples of it."""


def working_size(size: ImageSize, height: int) -> ImageSize:
    """Return the size (h, w) at which an image is segmented.

    Args:
        size: (H, W) of the image in pixels.
        height: Its shorter side is reduced to this many pixels; a smaller one is kept.
    """
    factor = min(1.0, height / min(size))
    rows, columns = (max(CELL, round(side * factor / CELL) * CELL) for side in size)
    return rows, columns


def resized(rgb: RgbImage, size: ImageSize) -> RgbImage:
    """Return an image at another size (h, w); where it shrinks, pixels are averaged."""
    if rgb.shape[:2] == size:
        return rgb
    is_smaller = size[0] * size[1] < rgb.shape[0] * rgb.shape[1]
    how = cv2.INTER_AREA if is_smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(rgb, size[::-1], interpolation=how), np.uint8)


def grey(rgb: RgbImage) -> NDArray[np.float32]:
    """Return (H, W) float32 luma in [0, 1]."""
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.float32) / np.float32(255)


def lab(rgb: RgbImage) -> NDArray[np.float32]:
    """Return (H, W, 3) float32 CIE Lab: L in [0, 100], a and b about -128 to 127."""
    scaled = rgb.astype(np.float32) / np.float32(255)
    return np.asarray(cv2.cvtColor(scaled, cv2.COLOR_RGB2LAB), np.float32)
