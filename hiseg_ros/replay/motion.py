# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Motion of the image since the frame before: optical flow on a reduced grey image."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from hiseg_ros.tracking import Roi, flow_method, moved, reduced_grey, reduced_size
from hiseg_ros.types import ImageSize, LabelImage

__all__ = ['Motion', 'motion_between', 'reduced_grey', 'reduced_labels', 'reduced_size']

MAX_ERROR = 0.5
"""Largest distance in pixels between a pixel and where forward and backward flow lead it, to which
MAX_SHARE of the length of the flow is added."""
MAX_SHARE = 0.05
MAX_GREY_CHANGE = 16
"""Largest difference in grey levels between a pixel and where the flow leads it."""


@dataclass(frozen=True)
class Motion:
    """Motion of each pixel of the reduced image from the frame before to this one."""

    flow: NDArray[np.float32]
    """(h, w, 2) x and y of the flow, in reduced pixels."""
    row: NDArray[np.int64]
    """(h, w) nearest row of the pixel in this frame; clipped to the image."""
    column: NDArray[np.int64]
    """(h, w) nearest column, likewise."""
    is_steady: NDArray[np.bool_]
    """(h, w) whether forward and backward flow agree, and the pixel stays in the image and keeps
    its grey value."""

    def moved(self, roi: Roi, image_size: ImageSize) -> Roi:
        """Return a box of the frame before moved by the median flow inside it.

        Args:
            roi: (y, x, height, width) in image pixels.
            image_size: (H, W) of the image.
        """
        return moved(roi, self.flow, image_size)


def reduced_labels(labels: LabelImage) -> LabelImage:
    """Return the labels at the centres of the reduced pixels."""
    (height, width), (h, w) = labels.shape, reduced_size((labels.shape[0], labels.shape[1]))
    rows = ((np.arange(h) + 0.5) * height / h).astype(np.int64)
    columns = ((np.arange(w) + 0.5) * width / w).astype(np.int64)
    return np.ascontiguousarray(labels[rows[:, None], columns[None]])


def motion_between(before: NDArray[np.uint8], now: NDArray[np.uint8]) -> Motion | None:
    """Return the motion between two reduced grey images of the same size; None if too small."""
    height, width = now.shape
    method = flow_method((height, width))
    if method is None:
        return None
    threads = cv2.getNumThreads()
    # The method splits the image by threads: with one, the result is the same on every machine.
    cv2.setNumThreads(1)
    try:
        forward: NDArray[np.float32] = method.calc(before, now, None)
        backward: NDArray[np.float32] = method.calc(now, before, None)
    finally:
        cv2.setNumThreads(threads)
    y, x = np.mgrid[:height, :width]
    row = np.rint(y + forward[..., 1]).astype(np.int64)
    column = np.rint(x + forward[..., 0]).astype(np.int64)
    is_inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    row, column = np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)
    error = np.linalg.norm(forward + backward[row, column], axis=2)
    is_same_way = error <= MAX_ERROR + MAX_SHARE * np.linalg.norm(forward, axis=2)
    looks_alike = np.abs(before.astype(np.int16) - now[row, column]) <= MAX_GREY_CHANGE
    return Motion(forward, row, column, is_inside & is_same_way & looks_alike)
