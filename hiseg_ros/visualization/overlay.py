# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Camera image with the labels laid over it."""

from __future__ import annotations

import cv2
import numpy as np

from hiseg_ros.errors import ImageError
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.types import UNLABELED, LabelImage, RgbImage
from hiseg_ros.visualization.colorize import colorize

_LINE_SHARE = 1 / 540
"""Width of the line between two nodes, as a share of the picture's height; at least a pixel."""


def overlay(
    rgb: RgbImage, labels: LabelImage, taxonomy: Taxonomy, alpha: float = 0.5
) -> RgbImage:
    """Blend a camera image with the colours of its labels.

    A line in the full colour of its node separates different nodes: one pixel, wider from 1080
    rows on. Unlabeled pixels keep the camera image.

    Args:
        rgb: (H, W, 3) uint8 RGB; not changed.
        labels: (H, W) uint8 node ids; 255 = unlabeled.
        taxonomy: The tree whose colours are used.
        alpha: Share of colour, 0 (outlines only) to 1 (colours only).

    Returns:
        (H, W, 3) uint8 RGB, a new array.

    Raises:
        ImageError: The image is not uint8 RGB or differs from the labels in size, or alpha is not
            from 0 to 1.
    """
    if rgb.dtype != np.uint8 or rgb.shape != (*labels.shape, 3):
        raise ImageError(
            f'The image has shape {rgb.shape} and type {rgb.dtype}; expected (H, W, 3) uint8 of '
            f'the size of the labels, {labels.shape}.'
        )
    if not 0 <= alpha <= 1:
        raise ImageError(f'The overlay has alpha {alpha}; expected a number from 0 to 1.')
    colors = colorize(labels, taxonomy)
    blended = cv2.addWeighted(rgb, 1 - alpha, colors, alpha, 0)
    # Not zero where a pixel differs from its left, upper or upper left neighbour; from 1080 rows
    # on also from the right and lower ones.
    side = 1 + max(1, int(labels.shape[0] * _LINE_SHARE))
    edges = cv2.morphologyEx(labels, cv2.MORPH_GRADIENT, np.ones((side, side), np.uint8))
    cv2.copyTo(colors, edges, blended)
    cv2.copyTo(rgb, (labels == UNLABELED).astype(np.uint8), blended)
    return np.asarray(blended, np.uint8)
