# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""People on foot, on bicycles and on motorcycles, and animals: flat figures with limbs."""

from __future__ import annotations

import math

import numpy as np

from hiseg_ros.training.datasets.synthetic.atmosphere import Light
from hiseg_ros.training.datasets.synthetic.canvas import Canvas
from hiseg_ros.training.datasets.synthetic.pen import arc
from hiseg_ros.training.datasets.synthetic.scene import LEAF, Colour, Floats

_CLOTHES: tuple[Colour, ...] = (
    (30, 32, 40), (44, 52, 78), (92, 92, 96), (150, 40, 44), (200, 196, 188), (64, 84, 60),
    (120, 96, 70), (54, 74, 120), (170, 130, 60), (24, 24, 26), (110, 60, 90), (220, 220, 215),
)  # fmt: skip
_SKIN: tuple[Colour, ...] = ((224, 178, 150), (196, 140, 108), (140, 94, 70), (96, 64, 50))


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
            self.poly([(x1 + nx, y1 + ny), (x2 + nx, y2 + ny), (x2 - nx, y2 - ny), (x1 - nx, y1 - ny)], colour, label)
        for x, y in points[1:-1]:
            self.poly(arc(x, y, width / 2, 0, 315), colour, label)

    def ring(self, x: float, y: float, radius: float, width: float, colour: Colour, label: int) -> None:
        """Draw a thin wheel."""
        self.limb([*arc(x, y, radius, 0, 360)], width, colour, label)

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: Colour, label: int) -> None:
        """Fill an ellipse."""
        self.poly(arc(x, y, rx, 0, 345, ry), colour, label)


def _sideways(canvas: Canvas, foot: Floats, heading: float) -> tuple[Floats, float]:
    """Return a figure's x axis and how much of its side is seen, 0 from behind, 1 fully."""
    forward = np.array([math.sin(heading), 0.0, math.cos(heading)])
    view = foot - np.array(canvas.camera.position)
    view = view / max(float(np.hypot(view[0], view[2])), 1e-6)
    right = np.array([view[2], 0.0, -view[0]])
    along = float(forward @ right)
    return right * (1.0 if along >= 0 else -1.0), abs(along)


def _blob(canvas: Canvas, foot: Floats, radius: float, light: Light) -> None:
    circle = np.array([foot + (x, 0.0, y) for x, y in arc(0, 0, radius, 0, 330)])
    canvas.darken(circle, 0.7)
    if light.sunshine > 0.2:
        long = min(3.5, 1.6 / max(light.sun[1], 0.3))
        away = np.array([-light.sun[0], 0, -light.sun[2]]) * long
        wide = np.array([away[2], 0, -away[0]]) * (0.22 / max(float(np.hypot(away[0], away[2])), 0.1))
        canvas.darken(np.array([foot - wide, foot + wide, foot + wide + away, foot - wide + away]), 1 - 0.4 * light.sunshine)


def draw_person(
    canvas: Canvas, light: Light, foot: Floats, heading: float, phase: float, seed: int
) -> None:
    """Draw a walking person; `phase` in radians moves the legs."""
    rng = np.random.default_rng([seed, 50])
    height = float(rng.normal(1.7, 0.1)) if rng.random() < 0.88 else float(rng.uniform(1.05, 1.4))
    across, side = _sideways(canvas, foot, heading)
    figure = Figure(canvas, light, foot, across)
    _blob(canvas, foot, 0.3, light)
    label = LEAF['Person']
    coat = _CLOTHES[int(rng.integers(len(_CLOTHES)))]
    legs = _CLOTHES[int(rng.integers(5))]
    skin = _SKIN[int(rng.integers(len(_SKIN)))]
    hair: Colour = (float(rng.uniform(20, 150)), float(rng.uniform(20, 110)), 40)
    h = height / 1.75
    swing = math.sin(phase) * (0.16 + 0.24 * side)
    wide = 0.19 - 0.05 * side
    for way, tone in ((-1, 0.8), (1, 1.0)):
        hip = way * 0.08 * (1 - side)
        knee = (hip + way * swing * 0.55 * side, 0.48 * h)
        ankle = (hip + way * swing * side, 0.06 * h + 0.05 * max(0.0, -way * swing))
        dark: Colour = (legs[0] * tone, legs[1] * tone, legs[2] * tone)
        figure.limb([(hip, 0.9 * h), knee, ankle], 0.145 * h, dark, label)
        figure.limb([ankle, (ankle[0] + 0.05 + 0.1 * side, 0.04)], 0.09, (25, 24, 24), label)
    low = 0.86 * h if rng.random() < 0.6 else 0.6 * h
    figure.poly(
        [(-wide * 0.95, low), (wide * 0.95, low), (wide * 1.05, 1.38 * h), (wide * 0.6, 1.48 * h), (-wide * 0.6, 1.48 * h), (-wide * 1.05, 1.38 * h)],
        coat, label,
    )  # fmt: skip
    sleeve: Colour = (coat[0] * 0.82, coat[1] * 0.82, coat[2] * 0.82)
    for way in (-1, 1):
        x = way * wide * (1 - side * 0.8)
        hand = (x - way * swing * 0.8 * side + way * 0.05 * (1 - side), 0.82 * h)
        figure.limb([(x, 1.4 * h), ((x + hand[0]) / 2 - 0.02, 1.1 * h), hand], 0.1 * h, sleeve, label)
        figure.ellipse(hand[0], hand[1] - 0.03, 0.045, 0.06, skin, label)
    figure.poly([(-0.05, 1.44 * h), (0.05, 1.44 * h), (0.05, 1.56 * h), (-0.05, 1.56 * h)], skin, label)
    figure.ellipse(0.02 * side, 1.63 * h, 0.095 * h, 0.125 * h, skin, label)
    figure.poly(arc(-0.01, 1.66 * h, 0.102 * h, 0, 200, 0.115 * h), hair, label)
    if rng.random() < 0.3:
        figure.poly([(-wide - 0.1 * side, 1.0 * h), (-wide + 0.14, 1.0 * h), (-wide + 0.14, 1.35 * h), (-wide - 0.1 * side, 1.35 * h)], _CLOTHES[int(rng.integers(len(_CLOTHES)))], label)


def draw_bicycle(canvas: Canvas, light: Light, foot: Floats, heading: float, seed: int) -> Figure:
    """Draw a bicycle and return the plane it was drawn on."""
    rng = np.random.default_rng([seed, 51])
    across, side = _sideways(canvas, foot, heading)
    scale = max(side, 0.14)
    figure = Figure(canvas, light, foot, across * scale)
    _blob(canvas, foot, 0.4, light)
    label = LEAF['Bicycle']
    paint = _CLOTHES[int(rng.integers(len(_CLOTHES)))]
    line = 0.06
    for x in (-0.52, 0.52):
        figure.ring(x, 0.34, 0.31, 0.07, (28, 28, 30), label)
    figure.limb([(-0.52, 0.34), (-0.18, 0.78), (0.38, 0.8), (0.0, 0.34), (-0.52, 0.34)], line, paint, label)
    figure.limb([(0.0, 0.34), (-0.22, 0.95)], line, paint, label)
    figure.limb([(-0.34, 0.96), (-0.1, 0.96)], 0.09, DARKEST, label)
    figure.limb([(0.52, 0.34), (0.36, 0.98), (0.46, 1.05)], line, DARKEST, label)
    handle = Figure(canvas, light, foot, across)
    handle.limb([(0.36 * scale - 0.25 * (1 - side), 1.02), (0.36 * scale + 0.25 * (1 - side), 1.02)], 0.05, DARKEST, label)
    return figure


DARKEST: Colour = (22, 22, 24)


def draw_rider(
    canvas: Canvas, light: Light, foot: Floats, heading: float, phase: float, seed: int, motor: bool
) -> None:
    """Draw a bicyclist or motorcyclist on the machine."""
    rng = np.random.default_rng([seed, 52])
    across, side = _sideways(canvas, foot, heading)
    if motor:
        _motorcycle(canvas, light, foot, heading, seed)
    else:
        draw_bicycle(canvas, light, foot, heading, seed)
    label = LEAF['Motorcyclist' if motor else 'Bicyclist']
    scale = max(side, 0.2)
    body = Figure(canvas, light, foot, across)
    coat = _CLOTHES[int(rng.integers(len(_CLOTHES)))]
    legs = _CLOTHES[int(rng.integers(5))]
    skin = _SKIN[int(rng.integers(len(_SKIN)))]
    seat = (-0.22 * scale, 0.98 if not motor else 0.86)
    for way in (-1, 1):
        turn = phase + (math.pi if way < 0 else 0.0)
        pedal = (
            0.17 * math.cos(turn) * scale + way * 0.1 * (1 - side),
            0.34 + 0.17 * math.sin(turn),
        )
        if motor:
            pedal = (0.1 * scale + way * 0.2 * (1 - side), 0.36)
        knee = ((seat[0] + pedal[0]) / 2 + 0.22 * scale + way * 0.08 * (1 - side), 0.72)
        body.limb([seat, knee, pedal], 0.14, legs, label)
        body.limb([pedal, (pedal[0] + 0.12 * scale, pedal[1] - 0.02)], 0.09, DARKEST, label)
    shoulder = (0.06 * scale, seat[1] + 0.55)
    wide = 0.13 + 0.08 * (1 - side)
    body.poly([(seat[0] - wide, seat[1] - 0.05), (seat[0] + wide, seat[1] - 0.05), (shoulder[0] + wide, shoulder[1]), (shoulder[0] - wide, shoulder[1])], coat, label)
    for way in (-1, 1):
        start = (shoulder[0] + way * wide * (1 - side), shoulder[1] - 0.06)
        body.limb([start, (start[0] + 0.14 * scale + way * 0.08 * (1 - side), seat[1] + 0.25), (0.38 * scale + way * 0.24 * (1 - side), seat[1] + 0.1)], 0.1, (coat[0] * 0.85, coat[1] * 0.85, coat[2] * 0.85), label)
    head = (shoulder[0] + 0.08 * scale, shoulder[1] + 0.17)
    body.ellipse(head[0], head[1], 0.1, 0.13, skin, label)
    helmet = _CLOTHES[int(rng.integers(len(_CLOTHES)))]
    if motor:
        body.ellipse(head[0], head[1], 0.13, 0.15, helmet, label)
    else:
        body.poly(arc(head[0], head[1] + 0.03, 0.115, 0, 190, 0.12), helmet, label)


def _motorcycle(canvas: Canvas, light: Light, foot: Floats, heading: float, seed: int) -> None:
    rng = np.random.default_rng([seed, 53])
    across, side = _sideways(canvas, foot, heading)
    scale = max(side, 0.24)
    figure = Figure(canvas, light, foot, across * scale)
    _blob(canvas, foot, 0.55, light)
    label = LEAF['Motorcycle']
    paint = _CLOTHES[int(rng.integers(len(_CLOTHES)))]
    for x in (-0.68, 0.7):
        figure.ellipse(x, 0.31, 0.31, 0.31, DARKEST, label)
        figure.ellipse(x, 0.31, 0.14, 0.14, (110, 110, 114), label)
    figure.poly([(-0.85, 0.72), (-0.3, 0.4), (0.35, 0.35), (0.6, 0.8), (0.35, 0.98), (0.0, 0.88), (-0.3, 0.82)], paint, label)
    figure.poly([(-0.35, 0.28), (0.35, 0.28), (0.35, 0.55), (-0.35, 0.55)], (70, 70, 74), label)
    figure.limb([(0.7, 0.31), (0.45, 1.0)], 0.09, (90, 90, 94), label)
    figure.poly([(0.4, 0.9), (0.62, 0.85), (0.5, 1.15), (0.38, 1.1)], paint, label)


def draw_horse(
    canvas: Canvas, light: Light, foot: Floats, heading: float, phase: float, seed: int
) -> None:
    """Draw somebody on a horse."""
    rng = np.random.default_rng([seed, 55])
    across, side = _sideways(canvas, foot, heading)
    figure = Figure(canvas, light, foot, across * max(side, 0.35))
    _blob(canvas, foot, 0.7, light)
    label = LEAF['Ground Animal']
    shade = rng.uniform(0.35, 1.0)
    fur: Colour = (150 * shade, 104 * shade, 70 * shade)
    swing = 0.16 * math.sin(phase)
    for x, way in ((-0.75, 1), (-0.6, -1), (0.55, -1), (0.7, 1)):
        figure.limb([(x, 1.0), (x + way * swing * 0.5, 0.5), (x + way * swing, 0.0)], 0.14, fur, label)
    figure.ellipse(0, 1.15, 0.95, 0.34, fur, label)
    figure.poly([(0.6, 1.1), (0.95, 1.05), (1.3, 1.75), (1.05, 1.95)], fur, label)
    figure.poly([(1.02, 1.95), (1.25, 1.98), (1.62, 1.6), (1.5, 1.48), (1.15, 1.65)], fur, label)
    figure.limb([(-0.9, 1.3), (-1.1, 0.7)], 0.12, (fur[0] * 0.5, fur[1] * 0.5, fur[2] * 0.5), label)
    rider, body = LEAF['Other Rider'], Figure(canvas, light, foot, across)
    coat = _CLOTHES[int(rng.integers(len(_CLOTHES)))]
    body.limb([(0, 1.4), (0.18, 1.05), (0.08, 0.7)], 0.18, (46, 44, 48), rider)
    body.poly([(-0.18, 1.35), (0.18, 1.35), (0.2, 1.9), (-0.18, 1.9)], coat, rider)
    body.limb([(0.05, 1.82), (0.2, 1.6), (0.42, 1.52)], 0.1, coat, rider)
    body.ellipse(0.03, 2.06, 0.1, 0.13, _SKIN[int(rng.integers(len(_SKIN)))], rider)
    body.poly(arc(0.03, 2.1, 0.13, 0, 190, 0.13), DARKEST, rider)


def draw_wheelchair(canvas: Canvas, light: Light, foot: Floats, heading: float, seed: int) -> None:
    """Draw a wheelchair, or a pram, without the person behind it."""
    rng = np.random.default_rng([seed, 56])
    across, side = _sideways(canvas, foot, heading)
    figure = Figure(canvas, light, foot, across * max(side, 0.55))
    label = LEAF['Wheeled Slow']
    cloth = _CLOTHES[int(rng.integers(len(_CLOTHES)))]
    for x in (-0.28, 0.3):
        figure.ellipse(x, 0.15, 0.15, 0.15, DARKEST, label)
    figure.poly([(-0.45, 0.45), (0.45, 0.45), (0.55, 0.8), (-0.05, 0.78), (-0.5, 1.0)], cloth, label)
    figure.limb([(-0.28, 0.15), (0.2, 0.5)], 0.05, (120, 120, 124), label)
    figure.limb([(-0.4, 0.8), (-0.65, 1.02)], 0.05, DARKEST, label)


def draw_motorcycle(canvas: Canvas, light: Light, foot: Floats, heading: float, seed: int) -> None:
    """Draw a parked motorcycle."""
    _motorcycle(canvas, light, foot, heading, seed)


def draw_dog(canvas: Canvas, light: Light, foot: Floats, heading: float, seed: int) -> None:
    """Draw a dog."""
    rng = np.random.default_rng([seed, 54])
    across, _ = _sideways(canvas, foot, heading)
    figure = Figure(canvas, light, foot, across)
    label = LEAF['Ground Animal']
    fur: Colour = tuple(rng.uniform(0.3, 1.0) * np.array([190.0, 150, 110]))  # type: ignore[assignment]
    for x in (-0.28, -0.2, 0.2, 0.28):
        figure.limb([(x, 0.4), (x + 0.03, 0.0)], 0.07, fur, label)
    figure.ellipse(0, 0.44, 0.38, 0.15, fur, label)
    figure.ellipse(0.42, 0.6, 0.14, 0.11, fur, label)
    figure.limb([(-0.36, 0.5), (-0.55, 0.68)], 0.06, fur, label)


def draw_birds(canvas: Canvas, rng: np.random.Generator) -> None:
    """Draw a few birds in the sky."""
    height, width = canvas.camera.size
    for _ in range(int(rng.integers(1, 6))):
        x, y = rng.uniform(0, width), rng.uniform(0, height * 0.3)
        size = rng.uniform(3, 9) * width / 1024
        points = np.array([(-1, -0.35), (-0.4, -0.3), (0, 0.1), (0.4, -0.3), (1, -0.35), (0.35, 0.05), (0, 0.35), (-0.35, 0.05)])
        pixels = np.array([x, y]) + points * size
        if (canvas.labels[int(y), int(x)]) == LEAF['Sky']:
            canvas.flat(pixels, 200.0, (50, 50, 54), LEAF['Bird'])


