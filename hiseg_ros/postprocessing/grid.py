# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Probabilities of the image's size on a coarser grid."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from hiseg_ros.types import ImageSize, NodeProbabilities


def at_grid(probabilities: NodeProbabilities, grid: ImageSize) -> NodeProbabilities:
    """Return probabilities of the image's size as means over the cells of a grid.

    Args:
        probabilities: (V, H, W).
        grid: (h, w); a side that is longer than the image's is cut to it.
    """
    height, width = probabilities.values.shape[1:]
    size = (min(grid[1], width), min(grid[0], height))
    planes = [
        cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in probabilities.values
    ]
    return replace(probabilities, values=np.stack(planes).astype(np.float32, copy=False))
