# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Superpixels with features of colour, texture, orientation and place, and a random forest.

Achanta et al.: SLIC Superpixels Compared to State-of-the-art Superpixel Methods, PAMI 2012.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from hiseg_ros.classical.arrays import Arrays
from hiseg_ros.classical.forest import Forest
from hiseg_ros.classical.image import CELL, grey, lab
from hiseg_ros.classical.labels import Planes
from hiseg_ros.classical.options import SuperpixelOptions
from hiseg_ros.classical.packages import classical_packages
from hiseg_ros.types import RgbImage

SCALES = (1.0, 2.0, 4.0)
"""Standard deviations of the texture filters in pixels."""

PATTERNS = 10
"""Values of a uniform local binary pattern with eight neighbours."""

ORIENTATIONS = 9
ROUNDS = 10

# Mean and deviation of Lab; of gradient and Laplacian at each scale; shares of local binary
# patterns; HOG; mean and deviation of the place; the share of the image.
FEATURES = 6 + 4 * len(SCALES) + PATTERNS + ORIENTATIONS + 4 + 1


def superpixels(rgb: RgbImage, segments: int, compactness: float) -> NDArray[np.int64]:
    """Return (H, W) int64 numbers of superpixels, counted from 0 without gaps."""
    with classical_packages():
        from skimage.segmentation import slic

    found = slic(
        rgb,
        n_segments=segments,
        compactness=compactness,
        max_num_iter=ROUNDS,
        enforce_connectivity=True,
        start_label=0,
        channel_axis=-1,
    )
    _, numbers = np.unique(found, return_inverse=True)
    return np.asarray(numbers.reshape(found.shape), np.int64)


def superpixel_features(rgb: RgbImage, numbers: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return (S, FEATURES) float32 features of the superpixels of an image.

    Args:
        rgb: (H, W, 3) uint8; both sides are multiples of 8.
        numbers: (H, W) numbers of superpixels, from 0 to S - 1.
    """
    height, width = numbers.shape
    flat = numbers.ravel()
    sizes = np.bincount(flat).astype(np.float64)

    def mean(values: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.bincount(flat, values.ravel(), len(sizes)) / sizes

    def mean_and_deviation(values: NDArray[np.float32]) -> list[NDArray[np.float64]]:
        first = mean(values)
        second = np.bincount(flat, np.square(values.ravel() - first[flat]), len(sizes)) / sizes
        return [first, np.sqrt(second)]

    columns: list[NDArray[np.float64]] = []
    light = grey(rgb)
    for plane in (*np.moveaxis(lab(rgb), -1, 0), *_filtered(light)):
        columns += mean_and_deviation(plane)
    columns += _pattern_shares(light, flat, sizes)
    columns += [mean(plane) for plane in _orientations(rgb)]
    rows, across = np.mgrid[:height, :width].astype(np.float32)
    for plane in ((rows + 0.5) / height, (across + 0.5) / width):
        columns += mean_and_deviation(plane)
    columns.append(sizes / flat.size)
    return np.stack(columns, 1).astype(np.float32)


def _filtered(light: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Return (H, W) length of the gradient and Laplacian at each scale, of grey levels 0..1."""
    planes = []
    for scale in SCALES:
        smooth = cv2.GaussianBlur(light, (0, 0), scale)
        across, down = (cv2.Sobel(smooth, cv2.CV_32F, *axes) for axes in ((1, 0), (0, 1)))
        planes += [cv2.magnitude(across, down), cv2.Laplacian(smooth, cv2.CV_32F)]
    return [np.asarray(plane, np.float32) for plane in planes]


def _pattern_shares(
    light: NDArray[np.float32], flat: NDArray[np.int64], sizes: NDArray[np.float64]
) -> list[NDArray[np.float64]]:
    """Return PATTERNS columns (S,): shares of a superpixel's uniform local binary patterns."""
    with classical_packages():
        from skimage.feature import local_binary_pattern

    levels = np.round(light * 255).astype(np.uint8)
    codes = local_binary_pattern(levels, PATTERNS - 2, 1, 'uniform').astype(np.int64)
    counts = np.bincount(flat * PATTERNS + codes.ravel(), minlength=len(sizes) * PATTERNS)
    return list((counts.reshape(-1, PATTERNS) / sizes[:, None]).T)


def _orientations(rgb: RgbImage) -> list[NDArray[np.float32]]:
    """Return ORIENTATIONS planes (H, W): the normed HOG of the cell that a pixel lies in."""
    with classical_packages():
        from skimage.feature import hog

    height, width = rgb.shape[:2]
    cells = hog(
        rgb,
        orientations=ORIENTATIONS,
        pixels_per_cell=(CELL, CELL),
        cells_per_block=(1, 1),
        block_norm='L2',
        feature_vector=False,
        channel_axis=-1,
    )[:, :, 0, 0].astype(np.float32)
    return [
        np.asarray(cv2.resize(one, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
        for one in np.moveaxis(cells, -1, 0)
    ]


@dataclass(frozen=True)
class Superpixel:
    """Classifies superpixels."""

    segments: int
    compactness: float
    forest: Forest

    @staticmethod
    def read(arrays: Arrays, options: SuperpixelOptions, labels: int) -> Superpixel:
        """Return the method of a file's arrays; raise ValueError where they cannot be used."""
        forest = Forest.read(arrays, labels, FEATURES)
        return Superpixel(options.segments, options.compactness, forest)

    def arrays(self) -> Arrays:
        """Return the arrays to be written."""
        return self.forest.arrays()

    def probabilities(self, rgb: RgbImage) -> Planes:
        """Return (K, H, W) probabilities of an image whose sides are multiples of 8."""
        numbers = superpixels(rgb, self.segments, self.compactness)
        found = self.forest.probabilities(superpixel_features(rgb, numbers))
        return np.ascontiguousarray(np.moveaxis(found[numbers], -1, 0))
