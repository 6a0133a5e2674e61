# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Flat figures on upright planes: limbs, ellipses, wheels and the shadow at their feet."""

from __future__ import annotations

import math

import numpy as np

from hiseg_ros.datasets.scenes.drawing.atmosphere import Light
from hiseg_ros.datasets.scenes.drawing.canvas import Canvas
from hiseg_ros.datasets.scenes.drawing.pen import arc
from hiseg_ros.datasets.scenes.drawing.scene import Colour, Floats

CLOTHES: tuple[Colour, ...] = (
    (30, 32, 40), (44, 52, 78), (92, 92, 96), (150, 40, 44), (200, 196, 188), (64, 84, 60),
    (120, 96, 70), (54, 74, 120), (170, 130, 60), (24, 24, 26), (110, 60, 90), (220, 220, 215),
)  # fmt: skip
SKIN: tuple[Colour, ...] = ((224, 178, 150), (196, 140, 108), (140, 94, 70), (96, 64, 50))

DARKEST: Colour = (22, 22, 24)


class Figure:
    """Draws in metres on an upright plane through a street point."""

    def __init__(self, canvas: Canvas, light: Light, foot: Floats, across: Floats) -> None:
        """Put the plane at `foot`; `across` is the unit vector of its x axis."""
        self.canvas, self.light = canvas, light
        self.foot, self.across = foot, across
        self.normal = (0.3, 0.35, -0.4)

    def poly(self, points: list[tuple[float, float]], colour: Colour, label: int) -> None:
        """Fill a polygon of (x, y) metres, y upwards."""
        array = np.array(points)
        world = self.foot + array[:, :1] * self.across + array[:, 1:] * np.array([0.0, 1.0, 0.0])
        self.canvas.polygon(world, self.light.lit(colour, self.normal), label)

    def limb(
        self, points: list[tuple[float, float]], width: float, colour: Colour, label: int
    ) -> None:
        """Draw a bent limb of constant width with round ends."""
        for (x1, y1), (x2, y2) in zip(points, points[1:], strict=False):
            length = max(math.hypot(x2 - x1, y2 - y1), 1e-6)
            nx, ny = -(y2 - y1) / length * width / 2, (x2 - x1) / length * width / 2
            self.poly(
                [(x1 + nx, y1 + ny), (x2 + nx, y2 + ny), (x2 - nx, y2 - ny), (x1 - nx, y1 - ny)],
                colour,
                label,
            )
        for x, y in points[1:-1]:
            self.poly(arc(x, y, width / 2, 0, 315), colour, label)

    def ring(
        self, x: float, y: float, radius: float, width: float, colour: Colour, label: int
    ) -> None:
        """Draw a thin wheel."""
        outer = arc(x, y, radius + width / 2, 0, 360)
        self.poly([*outer, *arc(x, y, radius - width / 2, 360, 0)], colour, label)

    def ellipse(
        self, x: float, y: float, rx: float, ry: float, colour: Colour, label: int
    ) -> None:
        """Fill an ellipse."""
        self.poly(arc(x, y, rx, 0, 345, ry), colour, label)


def sideways(canvas: Canvas, foot: Floats, heading: float) -> tuple[Floats, float]:
    """Return a figure's x axis and how much of its side is seen, 0 from behind, 1 fully."""
    forward = np.array([math.sin(heading), 0.0, math.cos(heading)])
    view = foot - np.array(canvas.camera.position)
    view = view / max(float(np.hypot(view[0], view[2])), 1e-6)
    right = np.array([view[2], 0.0, -view[0]])
    along = float(forward @ right)
    return right * (1.0 if along >= 0 else -1.0), abs(along)


def blob(canvas: Canvas, foot: Floats, radius: float, light: Light) -> None:
    """Darken the ground below and, in the sun, beside something upright."""
    circle = np.array([foot + (x, 0.0, y) for x, y in arc(0, 0, radius, 0, 330)])
    canvas.darken(circle, 0.7)
    if light.sunshine > 0.2:
        long = min(3.5, 1.6 / max(light.sun[1], 0.3))
        away = np.array([-light.sun[0], 0, -light.sun[2]]) * long
        wide = np.array([away[2], 0, -away[0]]) * (
            0.22 / max(float(np.hypot(away[0], away[2])), 0.1)
        )
        canvas.darken(
            np.array([foot - wide, foot + wide, foot + wide + away, foot - wide + away]),
            1 - 0.4 * light.sunshine,
        )
