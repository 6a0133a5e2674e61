# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Drawing of traffic signs: the 43 benchmark types and others."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from hiseg_ros.datasets.scenes.drawing.pen import Pen
from hiseg_ros.datasets.scenes.drawing.scene import SIGN_TYPES, Floats32
from hiseg_ros.datasets.scenes.signs.other_signs import OTHER_SIGNS
from hiseg_ros.datasets.scenes.signs.sign_designs import BENCHMARK_SIGNS
from hiseg_ros.types import RgbImage

_SIDE = 160
"""Pixels at which signs are drawn before they are scaled."""

OTHER_VARIANTS: tuple[str, ...] = tuple(OTHER_SIGNS)
"""Signs that are none of the 43 types."""


def draw_sign(
    name: str, size: int, rng: np.random.Generator
) -> tuple[RgbImage, NDArray[np.bool_]]:
    """Return a sign facing the viewer, in a paint that differs a little from sign to sign.

    Args:
        name: One of SIGN_TYPES or OTHER_VARIANTS.
        size: Side of the square image in pixels.
        rng: Decides age, dirt and light.

    Returns:
        (size, size, 3) colours and the (size, size) mask of the plate.

    Raises:
        KeyError: No sign has this name.
    """
    image, solid = _face(name)
    colours = _aged(image, rng)
    weights = cv2.resize(solid, (size, size), interpolation=cv2.INTER_AREA)
    total = cv2.resize(colours * solid[..., None], (size, size), interpolation=cv2.INTER_AREA)
    rgb = total / np.maximum(weights, 1e-3)[..., None]
    return np.clip(np.rint(rgb), 0, 255).astype(np.uint8), np.asarray(weights >= 0.5)


@lru_cache(maxsize=64)
def _face(name: str) -> tuple[RgbImage, Floats32]:
    """Return a new sign (SIDE, SIDE, 3) and where it has a plate, 0 or 1."""
    painter = BENCHMARK_SIGNS[name] if name in BENCHMARK_SIGNS else OTHER_SIGNS[name]
    # Every plate is drawn on two grounds; where they agree there is a plate.
    dark, bright = Pen(_SIDE), Pen(_SIDE)
    bright.image[:] = 255
    painter(dark)
    painter(bright)
    difference = cv2.subtract(bright.image, dark.image).max(axis=2)
    return dark.image, (difference < 25).astype(np.float32)


def _aged(image: RgbImage, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the colours faded, lit unevenly and dirty."""
    colours = image.astype(np.float32)
    fade = float(rng.beta(1.2, 4.0)) * 0.45
    grey = colours.mean(axis=2, keepdims=True)
    colours = colours * (1 - fade) + (0.5 * grey + 0.5 * 190) * fade
    tint = rng.uniform(0.92, 1.05, 3).astype(np.float32)
    slope = rng.uniform(-0.14, 0.14, 2)
    axis = np.linspace(-1, 1, _SIDE, dtype=np.float32)
    light = 1 + slope[0] * axis[None, :] + slope[1] * axis[:, None]
    coarse = rng.normal(0, 1, (10, 10)).astype(np.float32)
    dirt = cv2.resize(coarse, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC)
    light = light * (1 - rng.uniform(0, 0.07) * np.clip(dirt, 0, 3))
    return np.asarray(colours * tint * light[..., None], np.float32)


__all__ = ['OTHER_VARIANTS', 'SIGN_TYPES', 'draw_sign']
