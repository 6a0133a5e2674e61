# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Watershed from markers: regions of the gradient image get the majority of the windows inside.

Beucher and Meyer: The Morphological Approach to Segmentation, 1993.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from hiseg_ros.classical.arrays import Arrays
from hiseg_ros.classical.hog import Hog
from hiseg_ros.classical.image import grey
from hiseg_ros.classical.labels import Planes
from hiseg_ros.classical.options import WatershedOptions
from hiseg_ros.classical.packages import classical_packages
from hiseg_ros.types import RgbImage


def watershed_regions(rgb: RgbImage, smoothing: float, flat: float) -> NDArray[np.int32]:
    """Return (H, W) int32 numbers of regions, counted from 0.

    Args:
        rgb: (H, W, 3) uint8.
        smoothing: Standard deviation of the blur before the Sobel gradient, in pixels.
        flat: Share of the pixels, those of the lowest gradient, whose connected parts are the
            markers from which regions grow.
    """
    with classical_packages():
        from skimage.filters import sobel
        from skimage.segmentation import watershed

    light = grey(rgb)
    if smoothing:
        light = np.asarray(cv2.GaussianBlur(light, (0, 0), smoothing), np.float32)
    gradient = sobel(light)
    low = (gradient <= np.quantile(gradient, flat)).astype(np.uint8)
    _, markers = cv2.connectedComponents(low, connectivity=4)
    return np.asarray(watershed(gradient, markers) - 1, np.int32)


@dataclass(frozen=True)
class Watershed:
    """Outlines by watershed, labels by votes of the sliding window."""

    smoothing: float
    flat: float
    windows: Hog

    @staticmethod
    def read(arrays: Arrays, options: WatershedOptions, labels: int) -> Watershed:
        """Return the method of a file's arrays; raise ValueError where they cannot be used."""
        return Watershed(options.smoothing, options.flat, Hog.read(arrays, options, labels))

    def arrays(self) -> Arrays:
        """Return the arrays to be written."""
        return self.windows.arrays()

    def probabilities(self, rgb: RgbImage) -> Planes:
        """Return (K, H, W): in each region the shares of the labels that its pixels vote for."""
        height, width = rgb.shape[:2]
        grid = self.windows.probabilities(rgb)
        planes = np.stack(
            [cv2.resize(one, (width, height), interpolation=cv2.INTER_LINEAR) for one in grid]
        )
        regions = watershed_regions(rgb, self.smoothing, self.flat)
        votes = planes.argmax(0)
        count, labels = int(regions.max()) + 1, len(grid)
        ballots = np.bincount((regions * labels + votes).ravel(), minlength=count * labels)
        found = ballots.reshape(count, labels).astype(np.float32)
        found /= found.sum(1, keepdims=True)
        return np.ascontiguousarray(np.moveaxis(found[regions], -1, 0))
