# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Fences, walls and guard rails."""

from __future__ import annotations

import numpy as np

from hiseg_ros.datasets.scenes.drawing.atmosphere import Light
from hiseg_ros.datasets.scenes.drawing.canvas import Canvas
from hiseg_ros.datasets.scenes.drawing.scene import LEAF, Colour, Floats
from hiseg_ros.datasets.scenes.street.furniture import UP, post


def fence(
    canvas: Canvas,
    light: Light,
    start: Floats,
    end: Floats,
    height: float,
    kind: int,
    colour: Colour,
) -> None:
    """Draw a piece of a fence: boards, pickets, or rails and wire."""
    along = end - start
    length = float(np.linalg.norm(along))
    normal = np.array([along[2], 0, -along[0]]) / max(length, 1e-6)
    shade = 0.5 * (light.shade(normal) + light.shade(-normal))
    tone: Colour = (colour[0] * shade, colour[1] * shade, colour[2] * shade)
    columns, rows = max(8, int(length * 16)), max(8, int(height * 16))
    x = (np.arange(columns) + 0.5)[None, :] / 16
    y = (np.arange(rows) + 0.5)[:, None] / 16
    texture = np.ones((rows, columns, 3)) * np.array(tone)
    if kind == 0:
        texture *= (1 - 0.25 * (np.mod(x, 0.25) < 0.06))[..., None]
        mask = np.ones((rows, columns))
    elif kind == 1:
        mask = (
            np.maximum(
                np.mod(x, 0.19) < 0.125,
                (np.abs(y - 0.25) < 0.07) | (np.abs(y - height + 0.3) < 0.07),
            )
            * 1.0
        )
    else:
        mask = np.maximum(
            (np.mod(x, 2.5) < 0.125) * np.ones_like(y), (y < 0.125) * np.ones_like(x)
        ).astype(float)
        mask = np.maximum(mask, (np.mod(x, 0.19) < 0.07) * 1.0)
    canvas.textured(
        start + UP * height,
        along,
        -UP * height,
        np.clip(texture, 0, 255).astype(np.uint8),
        LEAF['Fence'],
        mask.astype(np.float32),
    )


def wall(
    canvas: Canvas,
    light: Light,
    start: Floats,
    end: Floats,
    height: float,
    colour: Colour,
    name: str = 'Wall',
) -> None:
    """Draw a piece of a wall with courses of stone."""
    along = end - start
    length = float(np.linalg.norm(along))
    normal = np.array([along[2], 0, -along[0]]) / max(length, 1e-6)
    if (np.array(canvas.camera.position) - start) @ normal < 0:
        normal = -normal
    columns, rows = max(8, int(length * 14)), max(8, int(height * 14))
    rng = np.random.default_rng([int(length * 100), 61])
    blocks = rng.normal(0, 0.07, (rows // 3 + 1, columns // 6 + 1))
    value = 1 + np.kron(blocks, np.ones((3, 6)))[:rows, :columns]
    value[::3] *= 0.86
    value[:2] = 1.12
    texture = np.clip(value[..., None] * np.array(colour) * light.shade(normal), 0, 255).astype(
        np.uint8
    )
    canvas.textured(start + UP * height, along, -UP * height, texture, LEAF[name])


def guard_rail(canvas: Canvas, light: Light, start: Floats, end: Floats) -> None:
    """Draw a piece of a steel guard rail with its posts."""
    for low, high, gain in ((0.45, 0.55, 0.8), (0.55, 0.62, 1.15), (0.62, 0.75, 0.95)):
        tone = light.lit((170 * gain, 174 * gain, 178 * gain), (0.5, 0.4, -0.3))
        canvas.polygon(
            np.array([start + UP * low, end + UP * low, end + UP * high, start + UP * high]),
            tone,
            LEAF['Guard Rail'],
        )
    count = max(1, int(np.linalg.norm(end - start) / 2))
    for index in range(count):
        foot = start + (end - start) * (index / count)
        post(canvas, light, foot, 0.62, 0.06, 'Guard Rail', (120, 122, 124))
