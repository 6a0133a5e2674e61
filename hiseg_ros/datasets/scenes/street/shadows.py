# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Shadows of houses and trees on the ground."""

from __future__ import annotations

import numpy as np

from hiseg_ros.datasets.scenes.drawing.atmosphere import Light
from hiseg_ros.datasets.scenes.drawing.canvas import Canvas
from hiseg_ros.datasets.scenes.drawing.textures import cloud_noise, look_up
from hiseg_ros.datasets.scenes.street.ground import GroundPixels
from hiseg_ros.datasets.scenes.street.plan import StreetPlan


def draw_shadows(
    canvas: Canvas, plan: StreetPlan, light: Light, pixels: GroundPixels, z: float
) -> None:
    """Darken the ground where the sun is hidden by the row of houses or by trees."""
    del z
    if light.sunshine < 0.15:
        return
    x, y, _ = light.sun
    rng = np.random.default_rng([plan.seed, 10])
    shadow = np.zeros(len(pixels.z))
    sunny_side = 1.0 if x > 0 else -1.0
    if plan.kind in ('urban', 'suburban'):
        height = 9.0 if plan.kind == 'urban' else 5.0
        length = min(height * abs(x) / max(y, 0.1), 14.0)
        start = plan.edge(int(sunny_side))
        profile = look_up(cloud_noise(12, 1.2, 40), pixels.z * 6, np.zeros(len(pixels.z)))
        border = start - length * np.clip(0.75 + 0.35 * profile, 0.1, 1.3)
        over = (pixels.side * sunny_side - border) / np.maximum(pixels.wide, 0.12)
        gap = np.clip((np.abs(plan.to_crossing(pixels.z)) - plan.cross_half) / 0.4, 0, 1)
        shadow = np.clip(over + 0.5, 0, 1) * gap
    if rng.random() < 0.6:
        dapple = look_up(cloud_noise(13, 1.4, 90), pixels.side * 22, pixels.z * 22)
        grain = np.maximum(pixels.long * 2.5, 0.35)
        leaves = np.clip((dapple - rng.uniform(0.5, 1.3)) / grain + 0.5, 0, 1)
        edge = plan.half_road * rng.uniform(0.0, 1.0)
        shadow = np.maximum(shadow, leaves * np.clip((pixels.side * sunny_side - edge) * 2, 0, 1))
    factor = 1 - 0.55 * light.sunshine * shadow
    colours = canvas.rgb[pixels.inside]
    canvas.rgb[pixels.inside] = (colours * factor[:, None]).astype(np.uint8)
