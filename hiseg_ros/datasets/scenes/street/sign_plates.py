# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Sign plates placed in the street, with their boxes."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.datasets.scenes.drawing.atmosphere import Light
from hiseg_ros.datasets.scenes.drawing.canvas import Canvas
from hiseg_ros.datasets.scenes.drawing.scene import LEAF, Floats
from hiseg_ros.datasets.scenes.signs.signs import draw_sign
from hiseg_ros.datasets.scenes.street.furniture import UP
from hiseg_ros.types import RgbImage


@lru_cache(maxsize=512)
def _plate(name: str, seed: int) -> tuple[RgbImage, NDArray[np.float32]]:
    rgb, mask = draw_sign(name, 96, np.random.default_rng([seed, 60]))
    return rgb, mask.astype(np.float32)


def sign_plate(
    canvas: Canvas,
    light: Light,
    centre: Floats,
    side: float,
    heading: float,
    name: str,
    seed: int,
    instance: int,
) -> None:
    """Draw a sign of `side` metres that is read by those who drive along `heading`."""
    right = np.array([math.cos(heading), 0.0, -math.sin(heading)])
    forward = np.array([math.sin(heading), 0.0, math.cos(heading)])
    seen = float((centre - np.array(canvas.camera.position)) @ forward)
    corner = centre - right * side / 2 + UP * side / 2
    across, down = right * side, -UP * side
    if canvas.project(np.stack([corner, corner + across, corner + across + down])) is None:
        return
    rgb, mask = _plate(name, seed)
    if seen > 0:
        # Signs are retroreflecting: they keep most of their brightness in the shade.
        shade = 0.45 + 0.55 * light.shade(-forward)
        lit = np.clip(rgb * shade, 0, 255).astype(np.uint8)
        label = LEAF.get(name, LEAF['other sign'])
        known = instance if name in LEAF else 0
        canvas.textured(corner, right * side, -UP * side, lit, label, mask, known)
        return
    grey = np.full_like(rgb, 0) + np.array(light.lit((140, 143, 146), forward)).astype(np.uint8)
    canvas.textured(
        corner, right * side, -UP * side, grey.astype(np.uint8), LEAF['Traffic Sign (Back)'], mask
    )
