# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Trees, bushes and hedges: noise cut to a crown's outline, and branches in winter."""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from hiseg_ros.datasets.scenes.drawing.atmosphere import Light
from hiseg_ros.datasets.scenes.drawing.canvas import Canvas
from hiseg_ros.datasets.scenes.drawing.scene import LEAF, Floats, Floats32
from hiseg_ros.datasets.scenes.drawing.textures import speckle

VARIANTS = 24
UP = np.array([0.0, 1.0, 0.0])
_SIDE = 192
_COARSE = 64


@lru_cache(maxsize=256)
def _crown(variant: int, season: float) -> tuple[Floats32, Floats32]:
    """Return the brightness (SIDE, SIDE) and coverage of a crown that fills a square."""
    rng = np.random.default_rng([variant, 30])
    y, x = np.mgrid[-1 : 1 : _COARSE * 1j, -1 : 1 : _COARSE * 1j]
    body = np.full((_COARSE, _COARSE), -2.0)
    relief = np.zeros((_COARSE, _COARSE))
    kind = variant % 4
    for _ in range(26):
        angle, reach = rng.uniform(0, 2 * math.pi), math.sqrt(rng.random()) * 0.68
        cx, cy = reach * math.cos(angle), reach * math.sin(angle)
        if kind == 3:
            cy = rng.uniform(-0.8, 0.75)
            cx = rng.uniform(-1, 1) * 0.55 * (cy + 0.95) / 1.75
        radius = rng.uniform(0.16, 0.36)
        blob = 1 - ((x - cx) ** 2 + (y - cy) ** 2) / radius**2
        above = blob > np.maximum(body, 0)
        relief = np.where(above, 0.5 - (y - cy) / radius * 0.33 - (x - cx) / radius * 0.1, relief)
        body = np.maximum(body, blob)
    body = np.asarray(cv2.resize(body, (_SIDE, _SIDE)))
    relief = np.asarray(cv2.resize(relief, (_SIDE, _SIDE)))
    down = np.linspace(-1, 1, _SIDE)[:, None]
    fine = speckle(rng, _SIDE, _SIDE, 3.5)
    middle = speckle(rng, _SIDE, _SIDE, 11)
    cover = body + 0.28 * fine + 0.3 * middle - 0.08 - 0.75 * max(0.0, season - 0.45)
    alpha = np.clip(cover * 5 + 0.5, 0, 1)
    light = 0.62 + 0.42 * relief + 0.13 * fine + 0.12 * middle - 0.18 * down
    return np.asarray(np.clip(light, 0.2, 1.6), np.float32), np.asarray(alpha, np.float32)


@lru_cache(maxsize=64)
def _branches(variant: int) -> Floats32:
    """Return the coverage (SIDE, SIDE) of bare branches, trunk at the bottom middle."""
    rng = np.random.default_rng([variant, 31])
    image = np.zeros((_SIDE, _SIDE), np.uint8)

    def grow(x: float, y: float, angle: float, length: float, thick: float, depth: int) -> None:
        end_x, end_y = x + length * math.sin(angle), y - length * math.cos(angle)
        line = np.array([[x, y], [end_x, end_y]]) * 16
        cv2.polylines(
            image, [line.astype(np.int32)], False, 255, max(1, round(thick)), cv2.LINE_AA, 4
        )
        if depth == 0:
            return
        for _ in range(3 if depth > 1 else 4):
            turn = angle + rng.uniform(-0.75, 0.75)
            share = rng.uniform(0.35, 1.0)
            grow(
                x + (end_x - x) * share, y + (end_y - y) * share, turn * 0.92,
                length * rng.uniform(0.55, 0.8), thick * 0.55, depth - 1,
            )  # fmt: skip

    grow(_SIDE / 2, _SIDE, 0.0, _SIDE * 0.33, 7, 5)
    return np.asarray(image.astype(np.float32) / 255, np.float32)


def _leaf_colour(rng: np.random.Generator, season: float) -> NDArray[np.floating]:
    green = np.array([rng.uniform(58, 105), rng.uniform(92, 128), rng.uniform(34, 62)])
    autumn = np.array([rng.uniform(120, 180), rng.uniform(88, 112), rng.uniform(38, 58)])
    part = float(np.clip(season * 1.3 - 0.25, 0, 0.8)) if rng.random() < 0.75 else 0.1
    return green * (1 - part) + autumn * part


def _facing(canvas: Canvas, foot: Floats, width: float) -> tuple[Floats, Floats]:
    """Return the left end and the vector across of a board that faces the camera."""
    to_x, to_z = foot[0] - canvas.camera.position[0], foot[2] - canvas.camera.position[2]
    length = max(math.hypot(to_x, to_z), 1e-3)
    across = np.array([to_z, 0.0, -to_x]) * (width / length)
    return foot - across / 2, across


@lru_cache(maxsize=1024)
def _small_crown(variant: int, season: float, side: int) -> tuple[Floats32, Floats32]:
    """Return a crown averaged to `side` pixels."""
    tone, mask = (
        cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
        for image in _crown(variant, season)
    )
    return np.asarray(tone, np.float32), np.asarray(mask, np.float32)


def _draw_crown(
    canvas: Canvas,
    light: Light,
    corner: Floats,
    across: Floats,
    up: Floats,
    crown: tuple[int, float],
    colour: NDArray[np.floating],
) -> None:
    """Draw a crown, a variant and a season, whose lower left corner is `corner`."""
    seen = canvas.project(np.stack([corner, corner + across, corner + across + up, corner + up]))
    if seen is None:
        return
    # No larger than it will be seen.
    extent = float(np.ptp(seen[0][:, 1]))
    side = next((side for side in (24, 48, 96) if extent < side), _SIDE)
    tone, mask = _small_crown(*crown, side)
    lit = (colour * light.shade((0.25, 0.6, -0.3)) * 0.95).astype(np.float32)
    rgb = np.clip(tone[..., None] * lit, 0, 255).astype(np.uint8)
    canvas.textured(corner + up, across, -up, rgb, LEAF['Vegetation'], mask)


def draw_tree(
    canvas: Canvas, light: Light, foot: Floats, height: float, seed: int, season: float
) -> None:
    """Draw a tree of `height` metres."""
    rng = np.random.default_rng([seed, 32])
    variant = int(rng.integers(VARIANTS))
    colour = _leaf_colour(rng, season)
    bare = season > 0.55 and variant % 4 != 3 and rng.random() < season
    conifer = variant % 4 == 3
    trunk = height * (0.1 if conifer else rng.uniform(0.18, 0.34))
    width = height * (rng.uniform(0.38, 0.5) if conifer else rng.uniform(0.55, 0.9))
    half = 0.035 * height * rng.uniform(0.5, 0.9)
    bark = light.lit((74, 62, 52), (0.3, 0.3, -0.5))
    corner, across = _facing(canvas, foot, 2 * half)
    if bare:
        up = np.array([0.0, height, 0.0])
        corner, across = _facing(canvas, foot, height * 0.9)
        mask = _branches(variant)
        wood = np.full((_SIDE, _SIDE, 3), bark, np.uint8)
        canvas.textured(corner + up, across, -up, wood, LEAF['Vegetation'], mask)
        return
    upper = np.array([0.0, trunk * 1.4, 0.0])
    canvas.polygon(
        np.array(
            [corner, corner + across, corner + across * 0.8 + upper, corner + across * 0.2 + upper]
        ),
        bark, LEAF['Vegetation'],
    )  # fmt: skip
    crown = height - trunk
    corner, across = _facing(canvas, foot + np.array([0, trunk, 0]), width)
    if rng.random() < 0.5:
        corner, across = corner + across, -across
    looks = (variant, 0.0 if conifer else round(season, 1))
    _draw_crown(canvas, light, corner, across, UP * crown, looks, colour)


def draw_bush(
    canvas: Canvas,
    light: Light,
    foot: Floats,
    width: float,
    height: float,
    seed: int,
    season: float,
) -> None:
    """Draw a bush, or a piece of a hedge."""
    rng = np.random.default_rng([seed, 33])
    looks = (int(rng.integers(VARIANTS // 4)) * 4, 0.0)
    colour = _leaf_colour(rng, season * 0.6) * 0.85
    corner, across = _facing(canvas, foot, width)
    corner = corner - UP * (height * 0.12)
    _draw_crown(canvas, light, corner, across, UP * (height * 1.15), looks, colour)
