# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Camera images with the colours of their labels blended over them."""

from __future__ import annotations

import cv2
import numpy as np

from hiseg_ros.errors import ImageError
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.threads import run_in_parallel
from hiseg_ros.types import UNLABELED, LabelImage, RgbImage
from hiseg_ros.visualization.colorize import check_labels, colorize

_LINE_SHARE = 1 / 540
"""Width of the line between two nodes, as a share of the image's height; at least a pixel."""

_STRIP_PIXELS = 65536
"""Pixels drawn at a time: their colours and outlines stay in a core's cache between the steps,
which halves the time compared to whole images."""


def overlay(
    rgb: RgbImage,
    labels: LabelImage,
    taxonomy: Taxonomy,
    alpha: float = 0.5,
    out: RgbImage | None = None,
) -> RgbImage:
    """Blend a camera image with the colours of its labels.

    A line in the full colour of its node separates different nodes: one pixel, wider from 1080
    rows on. Unlabeled pixels keep the camera image.

    Args:
        rgb: (H, W, 3) uint8 RGB; not changed.
        labels: (H, W) uint8 node ids; 255 = unlabeled.
        taxonomy: The tree whose colours are used.
        alpha: Share of colour, 0 (outlines only) to 1 (colours only).
        out: (H, W, 3) uint8, C-contiguous, not overlapping `rgb`: array to draw into instead of a
            new one.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ImageError: The image is not uint8 RGB or differs from the labels in size, or alpha is not
            from 0 to 1.
    """
    check_labels(labels)
    if rgb.dtype != np.uint8 or rgb.shape != (*labels.shape, 3):
        raise ImageError(
            f'The image has shape {rgb.shape} and type {rgb.dtype}; expected (H, W, 3) uint8 of '
            f'the size of the labels, {labels.shape}.'
        )
    if not 0 <= alpha <= 1:
        raise ImageError(f'The overlay has alpha {alpha}; expected a number from 0 to 1.')
    image = np.empty(rgb.shape, np.uint8) if out is None else out
    height, width = labels.shape
    strip = max(1, _STRIP_PIXELS // width)
    starts = range(0, height, strip)

    def draw(worker: int, workers: int) -> None:
        for start in starts[worker::workers]:
            _draw_rows(rgb, labels, taxonomy, alpha, image, start, min(start + strip, height))

    run_in_parallel(draw)
    return image


def _draw_rows(
    rgb: RgbImage,
    labels: LabelImage,
    taxonomy: Taxonomy,
    alpha: float,
    image: RgbImage,
    start: int,
    stop: int,
) -> None:
    """Draw the rows from start to stop."""
    # Not zero where a pixel differs from its left, upper or upper left neighbour; from 1080 rows
    # on also from the right and lower ones.
    side = 1 + max(1, int(labels.shape[0] * _LINE_SHARE))
    above, below = max(start - side, 0), min(stop + side, len(labels))
    edges = cv2.morphologyEx(
        labels[above:below], cv2.MORPH_GRADIENT, np.ones((side, side), np.uint8)
    )[start - above : stop - above]
    rows = labels[start:stop]
    colors = colorize(rows, taxonomy)
    target = image[start:stop]
    cv2.addWeighted(rgb[start:stop], 1 - alpha, colors, alpha, 0, dst=target)
    cv2.copyTo(colors, edges, target)
    unlabeled = rows == UNLABELED
    if unlabeled.any():
        cv2.copyTo(rgb[start:stop], unlabeled.view(np.uint8), target)
