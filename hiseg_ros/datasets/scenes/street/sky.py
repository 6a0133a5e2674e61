# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Background: sky with clouds, mountains, and the town or wood at the horizon."""

from __future__ import annotations

import math

import numpy as np

from hiseg_ros.datasets.scenes.drawing.atmosphere import Light
from hiseg_ros.datasets.scenes.drawing.canvas import Canvas
from hiseg_ros.datasets.scenes.drawing.scene import LEAF, Colour, Floats
from hiseg_ros.datasets.scenes.drawing.textures import cloud_noise, look_up
from hiseg_ros.datasets.scenes.street.plan import StreetPlan


def draw_sky(canvas: Canvas, light: Light, seed: int, drift: float) -> None:
    """Fill the whole image with sky; `drift` is how far the clouds have moved, in metres."""
    canvas.labels[:] = LEAF['Sky']
    canvas.rgb[:] = np.array(light.sky_low).astype(np.uint8)
    ray_x, ray_y, ray_z = canvas.camera.rays()
    rows = int((ray_y > -0.01).any(axis=1).sum())
    if rows == 0:
        return
    x, y, z = ray_x[:rows], ray_y[:rows], ray_z[:rows]
    length = np.sqrt(x * x + y * y + z * z)
    up = np.clip(y / length, 0.0, 1.0)
    low, top = np.array(light.sky_low, np.float32), np.array(light.sky_top, np.float32)
    colours = low + np.sqrt(up)[..., None] * (top - low)
    sun = np.array(light.sun, np.float32)
    towards = (x * sun[0] + y * sun[1] + z * sun[2]) / length
    if light.sunshine > 0.1 and float(towards.max()) > 0.75:
        glow = np.float32(0.85 * light.sunshine) * np.clip(towards, 0, 1) ** 24
        colours += (255 - colours) * glow[..., None]
    if light.clouds > 0.02:
        plane = 81.0 / (np.maximum(up, 0.03) * length)
        shift = seed % 97 * 31.0
        layer = look_up(cloud_noise(11, 1.55), x * plane + shift, z * plane + 0.09 * drift)
        cover = 1.6 - 2.6 * light.clouds
        amount = np.clip((layer - cover) * 0.8 + 0.5, 0, 1) * np.clip(up * 14, 0, 1) * 0.9
        bright = (200 + 45 * np.clip(1.2 - layer * 0.35, 0, 1)) * (0.9 + 0.1 * light.sunshine)
        colours += (bright[..., None] - colours) * amount[..., None]
    canvas.rgb[:rows] = np.clip(colours, 0, 255).astype(np.uint8)


def draw_horizon(canvas: Canvas, plan: StreetPlan, light: Light) -> None:
    """Draw ridges and rows of trees or roofs around the horizon."""
    rng = np.random.default_rng([plan.seed, 5])
    if rng.random() < (0.3 if plan.kind in ('urban', 'suburban') else 0.6):
        for layer in range(int(rng.integers(1, 3))):
            high = float(rng.uniform(0.03, 0.09)) * (1 - 0.35 * layer)
            tone = 0.75 + 0.2 * layer
            colour = (88 * tone, 104 * tone, 118 * tone)
            _ridge(canvas, light, rng, high, 2500.0 - 800 * layer, 'Mountain', colour, 0.9)
    if plan.kind == 'urban' or rng.random() < 0.4:
        _ridge(canvas, light, rng, 0.035, 480.0, 'Building', (128, 118, 112), 0.0)
    green = (62.0 + 40 * plan.season, 84.0, 46.0)
    _ridge(canvas, light, rng, float(rng.uniform(0.014, 0.034)), 420.0, 'Vegetation', green, 0.5)


def _ridge(
    canvas: Canvas,
    light: Light,
    rng: np.random.Generator,
    height: float,
    distance: float,
    name: str,
    colour: Colour,
    smooth: float,
) -> None:
    """Draw a silhouette whose height is a function of direction, given as a tangent."""
    camera = canvas.camera
    phases = rng.uniform(0, 2 * math.pi, 14)
    gains = rng.uniform(0.5, 1, 14)
    steps = int(rng.integers(150, 260))
    reach = math.atan(camera.size[1] / 2 / camera.focal) + 0.1
    angles = camera.yaw + np.linspace(-reach, reach, 260)
    if not smooth:
        angles = np.floor(angles * steps) / steps
    profile = np.zeros_like(angles)
    for index in range(14):
        frequency = (3.0 + 5.3 * index) if smooth > 0.7 else (11.0 + 17.0 * index)
        falloff = 1 / (1 + index) if smooth > 0.7 else 0.33
        profile += gains[index] * falloff * np.sin(angles * frequency + phases[index])
    if not smooth:
        profile = np.sin(profile * 40) * 1.2
    tangent = height * np.maximum(0.15, 1 + 0.45 * profile)
    top = [_direction(angle, t, distance) for angle, t in zip(angles, tangent, strict=True)]
    bottom = [_direction(angle, -0.02, distance) for angle in (angles[-1], angles[0])]
    origin = np.array([camera.position[0], 0.0, camera.position[2]])
    points = np.array([*top, *bottom]) + origin
    canvas.polygon(points, light.lit(colour, (0, 0.3, 0)), LEAF[name])


def _direction(angle: float, tangent: float, distance: float) -> Floats:
    return np.array([math.sin(angle), tangent, math.cos(angle)]) * distance
