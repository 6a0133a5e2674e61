# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Antialiased reduction of a camera image on all threads, for the CPU backends.

The filter is that of training: a triangle as wide as the reduction, as in Pillow and torch, whose
results differ only by rounding. OpenCV has no such filter, and Pillow takes six times as long: it
uses one thread and repacks the image first.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.decision.compiled import compiled
from hiseg_ros.decision.kernel_checks import check_reduce_rows, checked
from hiseg_ros.threads import run_in_parallel
from hiseg_ros.types import ImageSize, RgbImage

Taps = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]
"""For each of n places in the result: index of the first source, number of sources, and their
weights (n, most)."""

ROUND = np.float32(0.5)


def reduced(rgb: RgbImage, size: ImageSize) -> NDArray[np.uint8]:
    """Return an image at a smaller size.

    Args:
        rgb: (H, W, 3) uint8, C-contiguous.
        size: (h, w); a side that stays or grows is interpolated.

    Returns:
        (h, w, 3) uint8.
    """
    height, width = size
    rows, columns = _taps(rgb.shape[0], height), _taps(rgb.shape[1], width)
    result = np.empty((height, width, 3), np.uint8)
    lines, target = rgb.reshape(rgb.shape[0], -1), result.reshape(height, -1)

    def band(worker: int, workers: int) -> None:
        first, last = height * worker // workers, height * (worker + 1) // workers
        _reduce_rows(lines, target, first, last, *rows, *columns)

    run_in_parallel(band)
    return result


def warm_up() -> None:
    """Compile the loop or load it from the cache, so that no image waits for it."""
    image = np.zeros((4, 4, 3), np.uint8)
    for is_writable in (True, False):  # compiled for each; images from messages are read-only
        image.flags.writeable = is_writable
        reduced(image, (2, 2))


@lru_cache(maxsize=32)
def _taps(source: int, target: int) -> Taps:
    """Return the weights of the triangle, from `source` places to `target` places."""
    step = source / target
    reach = max(step, 1.0)
    centres = (np.arange(target) + 0.5) * step
    first = np.maximum((centres - reach + 0.5).astype(np.int32), 0)
    last = np.minimum((centres + reach + 0.5).astype(np.int32), source)
    count = last - first
    places = first[:, None] + np.arange(count.max())
    weights = np.maximum(1 - np.abs(places + 0.5 - centres[:, None]) / reach, 0)
    weights[places >= last[:, None]] = 0
    weights /= weights.sum(1, keepdims=True)
    return first, count.astype(np.int32), weights.astype(np.float32)


@checked(check_reduce_rows)
@compiled
def _reduce_rows(
    source: NDArray[np.uint8],
    target: NDArray[np.uint8],
    first_row: int,
    last_row: int,
    top: NDArray[np.int32],
    rows: NDArray[np.int32],
    row_weights: NDArray[np.float32],
    left: NDArray[np.int32],
    columns: NDArray[np.int32],
    column_weights: NDArray[np.float32],
) -> None:
    """Fill rows of the target: sum up rows of the source first, then pixels along that sum."""
    line = np.empty(source.shape[1], np.float32)
    for y in range(first_row, last_row):
        line[:] = 0
        for tap in range(rows[y]):
            weight = row_weights[y, tap]
            pixels = source[top[y] + tap]
            for x in range(line.size):
                line[x] += weight * np.float32(pixels[x])
        for x in range(left.size):
            start = 3 * left[x]
            red = green = blue = ROUND
            for tap in range(columns[x]):
                weight = column_weights[x, tap]
                red += weight * line[start]
                green += weight * line[start + 1]
                blue += weight * line[start + 2]
                start += 3
            target[y, 3 * x] = np.uint8(red)
            target[y, 3 * x + 1] = np.uint8(green)
            target[y, 3 * x + 2] = np.uint8(blue)
