# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The parts of a vehicle: flanks with windows and doors, wheels, lights and plates."""

from __future__ import annotations

import math

import numpy as np

from hiseg_ros.datasets.scenes.drawing.atmosphere import Light
from hiseg_ros.datasets.scenes.drawing.canvas import Canvas
from hiseg_ros.datasets.scenes.drawing.pen import arc
from hiseg_ros.datasets.scenes.drawing.scene import Colour, Floats
from hiseg_ros.datasets.scenes.vehicles.vehicle_bodies import Body

GLASS: Colour = (42, 50, 58)
DARK: Colour = (26, 26, 28)


class Placed:
    """A body at a place: its own (x forward, y up, z to the left) to street points."""

    def __init__(self, foot: Floats, heading: float) -> None:
        """Stand at `foot`, pointing along `heading` radians."""
        self.foot = foot
        self.forward = np.array([math.sin(heading), 0.0, math.cos(heading)])
        self.left = np.array([-math.cos(heading), 0.0, math.sin(heading)])

    def points(self, local: list[tuple[float, float, float]]) -> Floats:
        """Return (N, 3) street points of own points."""
        array = np.array(local, np.float64)
        up = np.array([0.0, 1.0, 0.0])
        return np.asarray(
            self.foot + array[:, :1] * self.forward + array[:, 1:2] * up + array[:, 2:] * self.left
        )


def flank(
    canvas: Canvas,
    light: Light,
    placed: Placed,
    body: Body,
    paint: Colour,
    label: int,
    side: float,
) -> None:
    """Draw the side towards the camera."""
    normal = placed.left * side
    w = body.half_width * side
    if body.belt:
        lower = [point for point in body.outline if not body.above_belt(point[1])]
        shade = light.lit(paint, normal + np.array([0, 0.15, 0]))
        upper = [(x, y) for x, y in body.outline if y >= body.belt - 0.02]
        roof = [(x, y, body.half_at(y) * side) for x, y in upper]
        canvas.polygon(placed.points(roof), shade, label)
        canvas.polygon(placed.points([(x, y, w) for x, y in lower]), shade, label)
        low = tuple(part * 0.8 for part in shade)
        sill = [(x, min(y, 0.55), w) for x, y in lower]
        canvas.polygon(placed.points(sill), (low[0], low[1], low[2]), label)
    else:
        canvas.polygon(
            placed.points([(x, y, w) for x, y in body.outline]), light.lit(paint, normal), label
        )
    for x1, y1, x2, y2 in body.windows:
        lean = (w - body.roof_half * side) * 0.85 if body.belt else 0.0
        slant = 0.3 * (y2 - y1) if body.belt else 0.0
        rear, front = (slant if x1 < 0 else 0.0), (slant * 1.4 if x1 > -0.3 else 0.0)
        pane = [(x1, y1, w), (x2, y1, w), (x2 - front, y2, w - lean), (x1 + rear, y2, w - lean)]
        canvas.polygon(placed.points(pane), (GLASS[0] + 8, GLASS[1] + 8, GLASS[2] + 10), label)
    if body.belt:
        _doors(canvas, light, placed, body, paint, label, side)
    wheels(canvas, placed, body, side, label, hub=True)


def _doors(
    canvas: Canvas,
    light: Light,
    placed: Placed,
    body: Body,
    paint: Colour,
    label: int,
    side: float,
) -> None:
    """Draw door seams, handles, wheel arches and the outside mirror."""
    w = body.half_width * side * 1.002
    seam: Colour = (paint[0] * 0.3, paint[1] * 0.3, paint[2] * 0.3)
    first, last = body.windows[0], body.windows[-1]
    for x in (first[0] + 0.15, (first[2] + last[0]) / 2, last[2] - 0.1):
        line = [
            (x - 0.012, 0.38, w),
            (x + 0.012, 0.38, w),
            (x + 0.012, 0.92, w),
            (x - 0.012, 0.92, w),
        ]
        canvas.polygon(placed.points(line), seam, label)
    for x in (first[0] + 0.3, last[0] + 0.1):
        grip = [(x, 0.79, w), (x + 0.17, 0.79, w), (x + 0.17, 0.82, w), (x, 0.82, w)]
        canvas.polygon(placed.points(grip), seam, label)
    for x in body.wheels:
        arch = [(px, py, w) for px, py in arc(x, body.wheel, body.wheel * 1.2, 180, 360)]
        canvas.polygon(placed.points(arch), DARK, label)
    x, out = last[2] + 0.02, w + 0.16 * side
    mirror = [(x, 0.96, w), (x, 0.96, out), (x, 1.12, out), (x, 1.12, w)]
    canvas.polygon(placed.points(mirror), light.lit(paint, placed.forward), label)


def wheels(canvas: Canvas, placed: Placed, body: Body, side: float, label: int, hub: bool) -> None:
    """Draw the wheels of one side; without hubs they are the far side's."""
    w = (body.half_width - (0.0 if hub else 0.1)) * side
    for x in body.wheels:
        circle = arc(x, body.wheel, body.wheel, 0, 345)
        tyre = [(px, py, w) for px, py in circle]
        canvas.polygon(placed.points(tyre), DARK, label)
        inner = [(px, py, w - 0.22 * side) for px, py in circle]
        canvas.polygon(placed.points(inner), DARK, label) if not hub else None
        if hub:
            canvas.polygon(
                placed.points(
                    [(px, py, w) for px, py in arc(x, body.wheel, body.wheel * 0.6, 0, 330)]
                ),
                (120, 122, 126),
                label,
            )
            canvas.polygon(
                placed.points(
                    [(px, py, w) for px, py in arc(x, body.wheel, body.wheel * 0.2, 0, 330)]
                ),
                (60, 60, 64),
                label,
            )


def patch(
    canvas: Canvas,
    placed: Placed,
    x: float,
    z: float,
    y: float,
    w: float,
    h: float,
    colour: Colour,
    label: int,
) -> None:
    """Draw an upright rectangle across the vehicle; w and h are half its width and height."""
    corners = [(x, y - h, z - w), (x, y - h, z + w), (x, y + h, z + w), (x, y + h, z - w)]
    canvas.polygon(placed.points(corners), colour, label)


def front(
    canvas: Canvas, light: Light, placed: Placed, body: Body, label: int, half: float
) -> None:
    """Draw headlights, grille and plate."""
    x = half + 0.02
    lamp: Colour = (255, 250, 225) if light.night else (225, 228, 230)
    for side in (-1, 1):
        patch(canvas, placed, x, side * body.half_width * 0.72, 0.62, 0.17, 0.08, lamp, label)
    patch(canvas, placed, x, 0.0, 0.56, body.half_width * 0.45, 0.09, DARK, label)
    patch(canvas, placed, x, 0.0, 0.38, 0.26, 0.055, (235, 235, 230), label)
    patch(canvas, placed, x, 0.0, 0.27, body.half_width * 0.9, 0.05, DARK, label)


def rear(
    canvas: Canvas,
    light: Light,
    placed: Placed,
    body: Body,
    label: int,
    braking: bool,
    plate: Colour,
) -> None:
    """Draw tail lights, plate and bumper."""
    x = min(body.outline)[0] - 0.02
    glow = braking or light.night > 0
    lamp: Colour = (250, 40, 36) if glow else (150, 22, 24)
    high = 0.74 if body.belt else 0.95
    for side in (-1, 1):
        patch(canvas, placed, x, side * body.half_width * 0.84, high, 0.11, 0.12, lamp, label)
    patch(
        canvas,
        placed,
        x,
        0.0,
        high - 0.08,
        0.27,
        0.06,
        plate,
        label,
    )
    patch(
        canvas,
        placed,
        x,
        0.0,
        0.34 if body.belt else 0.47,
        body.half_width * 0.92,
        0.06,
        (52, 52, 54),
        label,
    )
    if not body.belt:
        patch(canvas, placed, x, 0.0, 1.4, 0.015, 0.75, (70, 70, 72), label)
