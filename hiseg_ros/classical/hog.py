# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""HOG and a linear SVM on a window that slides in steps of a cell.

Dalal and Triggs: Histograms of Oriented Gradients for Human Detection, CVPR 2005.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from hiseg_ros.classical.arrays import Arrays
from hiseg_ros.classical.image import CELL, lab
from hiseg_ros.classical.labels import Planes
from hiseg_ros.classical.linear import LinearClassifier
from hiseg_ros.classical.options import HogOptions
from hiseg_ros.classical.packages import classical_packages
from hiseg_ros.types import RgbImage

ORIENTATIONS = 9
BLOCK = 2
"""Cells of a block's side."""


def feature_count(window: int) -> int:
    """Return F, the number of features of a window of so many pixels a side."""
    blocks = window // CELL - BLOCK + 1
    return blocks * blocks * BLOCK * BLOCK * ORIENTATIONS + 3 + 2


def window_features(rgb: RgbImage, window: int) -> NDArray[np.float32]:
    """Return (H / 8, W / 8, F) float32: features of the window around each cell of 8x8 pixels.

    HOG of the blocks inside (L2-Hys), mean Lab in units of 100, and the place of the cell in the
    image in [0, 1]: row, column. Beyond its edge the image is mirrored. Gradients are those of the
    whole image, so a block has the same values in every window that it is part of.

    Args:
        rgb: (H, W, 3) uint8; both sides are multiples of 8.
        window: Side of the window in pixels, a multiple of 8.
    """
    with classical_packages():
        from skimage.feature import hog

    rows, columns = rgb.shape[0] // CELL, rgb.shape[1] // CELL
    cells = window // CELL
    # Whole cells that begin before the image by half of what a window is larger than a cell.
    before = (window - CELL) // 2
    size = ((rows + cells - 1) * CELL, (columns + cells - 1) * CELL)
    after = (size[0] - rgb.shape[0] - before, size[1] - rgb.shape[1] - before)
    edges = (before, after[0], before, after[1])
    padded = np.asarray(cv2.copyMakeBorder(rgb, *edges, cv2.BORDER_REFLECT_101), np.uint8)
    blocks = hog(
        padded,
        orientations=ORIENTATIONS,
        pixels_per_cell=(CELL, CELL),
        cells_per_block=(BLOCK, BLOCK),
        block_norm='L2-Hys',
        feature_vector=False,
        channel_axis=-1,
    ).astype(np.float32)
    inside = cells - BLOCK + 1
    windows = sliding_window_view(blocks, (inside, inside), (0, 1))
    colors = cv2.resize(
        lab(padded), (size[1] // CELL, size[0] // CELL), interpolation=cv2.INTER_AREA
    )
    mean = sliding_window_view(colors, (cells, cells), (0, 1)).mean((-2, -1)) / 100
    place = np.stack(
        np.meshgrid(
            (np.arange(rows) + 0.5) / rows, (np.arange(columns) + 0.5) / columns, indexing='ij'
        ),
        -1,
    )
    parts = [windows.reshape(rows, columns, -1), mean, place]
    return np.concatenate(parts, -1).astype(np.float32)


@dataclass(frozen=True)
class Hog:
    """Classifies the window around each cell."""

    window: int
    classifier: LinearClassifier

    @staticmethod
    def read(arrays: Arrays, options: HogOptions, labels: int) -> Hog:
        """Return the method of a file's arrays; raise ValueError where they cannot be used."""
        features = feature_count(options.window)
        return Hog(options.window, LinearClassifier.read(arrays, labels, features))

    def arrays(self) -> Arrays:
        """Return the arrays to be written."""
        return self.classifier.arrays()

    def probabilities(self, rgb: RgbImage) -> Planes:
        """Return (K, H / 8, W / 8) probabilities of an image whose sides are multiples of 8."""
        features = window_features(rgb, self.window)
        rows, columns, count = features.shape
        found = self.classifier.probabilities(features.reshape(-1, count))
        return np.ascontiguousarray(found.T.reshape(-1, rows, columns))
