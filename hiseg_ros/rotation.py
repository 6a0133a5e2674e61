# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Images of cameras that are mounted turned: upright for the network, results turned back."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from hiseg_ros.threads import run_in_parallel
from hiseg_ros.types import ImageSize, NodeProbabilities, RgbImage, Segmentation

ROTATIONS = (0, 90, 180, 270)
"""Clockwise degrees."""

_CLOCKWISE = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}


def upright(rgb: RgbImage, rotation: int) -> RgbImage:
    """Return an image as the world stands.

    A camera that is mounted turned clockwise shows the world turned counter-clockwise, so its
    images are turned clockwise by the same angle.

    Args:
        rgb: (H, W, 3) uint8, as the camera sees.
        rotation: Clockwise degrees by which the camera is mounted, seen from behind; one of
            `ROTATIONS`.

    Returns:
        (H, W, 3), or (W, H, 3) for 90 and 270 degrees; the image itself for 0.
    """
    if rotation == 0:
        return rgb
    return np.asarray(cv2.rotate(rgb, _CLOCKWISE[rotation]), np.uint8)


def upright_size(size: ImageSize, rotation: int) -> ImageSize:
    """Return the (height, width) of the upright image of a camera image."""
    return (size[1], size[0]) if rotation in (90, 270) else size


def turned_back(segmentation: Segmentation, rotation: int) -> Segmentation:
    """Return the segmentation of an upright image for the image as the camera sees.

    Nothing is interpolated: cells and pixels change places.

    Args:
        segmentation: Of `upright(rgb, rotation)`; parts that were not wanted may be empty.
        rotation: As for `upright`.
    """
    if rotation == 0:
        return segmentation
    back = _CLOCKWISE[360 - rotation]

    def turned(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.asarray(cv2.rotate(image, back), np.uint8) if image.size else image

    probabilities = segmentation.probabilities
    size = upright_size(probabilities.image_size, rotation)
    return replace(
        segmentation,
        labels=turned(segmentation.labels),
        confidence=turned(segmentation.confidence),
        probabilities=NodeProbabilities(_planes(probabilities.values, back, rotation), size),
    )


def _planes(values: NDArray[np.float32], back: int, rotation: int) -> NDArray[np.float32]:
    """Return (V, h, w) planes, each turned; contiguous."""
    if not values.size:
        return values
    count, height, width = values.shape
    result = np.empty((count, *upright_size((height, width), rotation)), np.float32)

    def turn(worker: int, workers: int) -> None:
        for node in range(worker, count, workers):
            cv2.rotate(values[node], back, dst=result[node])

    run_in_parallel(turn)
    return result
