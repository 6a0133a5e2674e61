# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Tileable noise textures for surfaces."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from hiseg_ros.datasets.scenes.drawing.scene import Floats32

SIDE = 512
"""Pixels of a noise tile."""
_ROW = 1024


@lru_cache(maxsize=16)
def cloud_noise(kind: int, roughness: float = 1.0, highest: int = 128) -> Floats32:
    """Return a (SIDE, SIDE) tile of fractal noise without a seam, mean 0, deviation 1.

    Args:
        kind: Different kinds are independent.
        roughness: Exponent of the spectrum; larger is smoother.
        highest: Frequencies per tile above which there is nothing.
    """
    rng = np.random.default_rng([77, kind])
    spectrum = np.fft.rfft2(rng.normal(0, 1, (SIDE, SIDE)))
    fy = np.fft.fftfreq(SIDE)[:, None] * SIDE
    fx = np.fft.rfftfreq(SIDE)[None, :] * SIDE
    radius = np.hypot(fy, fx)
    gain = np.where((radius > 0) & (radius <= highest), np.maximum(radius, 1) ** -roughness, 0)
    tile = np.fft.irfft2(spectrum * gain, (SIDE, SIDE))
    return np.asarray((tile - tile.mean()) / tile.std(), np.float32)


def look_up(tile: Floats32, x: NDArray[np.floating], y: NDArray[np.floating]) -> Floats32:
    """Return the tile's values at pixel coordinates of one shape, wrapped around."""
    # remap takes no side above 32767: fold the values into rows.
    shape = np.shape(x)
    rows = -(-x.size // _ROW)
    map_x, map_y = np.zeros(rows * _ROW, np.float32), np.zeros(rows * _ROW, np.float32)
    map_x[: x.size] = np.mod(x, SIDE).ravel()
    map_y[: y.size] = np.mod(y, SIDE).ravel()
    values = cv2.remap(
        tile, map_x.reshape(rows, _ROW), map_y.reshape(rows, _ROW),
        cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP,
    )  # fmt: skip
    return np.asarray(values.ravel()[: x.size].reshape(shape), np.float32)


def speckle(rng: np.random.Generator, height: int, width: int, cell: float) -> Floats32:
    """Return (height, width) smooth noise with blobs of about `cell` pixels, deviation near 1."""
    rows, columns = max(2, round(height / cell)), max(2, round(width / cell))
    coarse = rng.normal(0, 1, (rows, columns)).astype(np.float32)
    return np.asarray(
        cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.float32
    )
