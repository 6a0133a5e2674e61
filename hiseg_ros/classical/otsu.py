# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Otsu threshold: the bright region at the top of the image is sky, the rest is the prior's.

Otsu: A Threshold Selection Method from Gray-Level Histograms, 1979.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from hiseg_ros.classical.arrays import Arrays, array
from hiseg_ros.classical.image import grey
from hiseg_ros.classical.labels import Planes
from hiseg_ros.classical.options import OtsuOptions
from hiseg_ros.classical.packages import classical_packages
from hiseg_ros.classical.prior import shares
from hiseg_ros.types import RgbImage


def bright_top(rgb: RgbImage) -> NDArray[np.bool_]:
    """Return (H, W) bool: pixels above Otsu's threshold, connected to the top edge.

    Without two grey levels there is no threshold, and no pixel is bright.
    """
    with classical_packages():
        from skimage.filters import threshold_otsu

    light = grey(rgb)
    if light.min() == light.max():
        return np.zeros(light.shape, np.bool_)
    bright = (light > threshold_otsu(light)).astype(np.uint8)
    _, regions = cv2.connectedComponents(bright, connectivity=4)
    at_top = np.unique(regions[0])
    return np.isin(regions, at_top[at_top > 0])


@dataclass(frozen=True)
class Otsu:
    """Sky by brightness, everything else by position."""

    table: Planes
    """(K, rows, columns) float32: labels of training pixels outside the bright region."""
    bright: NDArray[np.float32]
    """(K,) float32: shares of the labels of training pixels in the bright region, with at least
    half for the sky."""

    @staticmethod
    def read(arrays: Arrays, options: OtsuOptions, labels: int) -> Otsu:
        """Return the method of a file's arrays; raise ValueError where they cannot be used."""
        shape = (labels, options.rows, options.columns)
        return Otsu(
            shares(array(arrays, 'prior', 'float32', shape), 'prior'),
            shares(array(arrays, 'bright', 'float32', (labels,)), 'bright'),
        )

    def arrays(self) -> Arrays:
        """Return the arrays to be written."""
        return {'prior': self.table, 'bright': self.bright}

    def probabilities(self, rgb: RgbImage) -> Planes:
        """Return (K, H, W) probabilities of an image."""
        height, width = rgb.shape[:2]
        is_sky = bright_top(rgb)
        planes = np.empty((len(self.table), height, width), np.float32)
        for plane, grid, share in zip(planes, self.table, self.bright, strict=True):
            plane[:] = cv2.resize(grid, (width, height), interpolation=cv2.INTER_LINEAR)
            plane[is_sky] = share
        return planes
