# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Bicycles, motorcycles and horses, with and without those who ride them."""

from __future__ import annotations

import math

import numpy as np

from hiseg_ros.datasets.scenes.drawing.atmosphere import Light
from hiseg_ros.datasets.scenes.drawing.canvas import Canvas
from hiseg_ros.datasets.scenes.drawing.pen import arc
from hiseg_ros.datasets.scenes.drawing.scene import LEAF, Colour, Floats
from hiseg_ros.datasets.scenes.vehicles.figures import (
    CLOTHES,
    DARKEST,
    SKIN,
    Figure,
    blob,
    sideways,
)


def draw_bicycle(canvas: Canvas, light: Light, foot: Floats, heading: float, seed: int) -> Figure:
    """Draw a bicycle and return the plane it was drawn on."""
    rng = np.random.default_rng([seed, 51])
    across, side = sideways(canvas, foot, heading)
    scale = max(side, 0.14)
    figure = Figure(canvas, light, foot, across * scale)
    blob(canvas, foot, 0.4, light)
    label = LEAF['Bicycle']
    paint = CLOTHES[int(rng.integers(len(CLOTHES)))]
    line = 0.06
    for x in (-0.52, 0.52):
        figure.ring(x, 0.34, 0.31, 0.07, (28, 28, 30), label)
    figure.limb(
        [(-0.52, 0.34), (-0.18, 0.78), (0.38, 0.8), (0.0, 0.34), (-0.52, 0.34)], line, paint, label
    )
    figure.limb([(0.0, 0.34), (-0.22, 0.95)], line, paint, label)
    figure.limb([(-0.34, 0.96), (-0.1, 0.96)], 0.09, DARKEST, label)
    figure.limb([(0.52, 0.34), (0.36, 0.98), (0.46, 1.05)], line, DARKEST, label)
    handle = Figure(canvas, light, foot, across)
    handle.limb(
        [(0.36 * scale - 0.25 * (1 - side), 1.02), (0.36 * scale + 0.25 * (1 - side), 1.02)],
        0.05,
        DARKEST,
        label,
    )
    return figure


def draw_rider(
    canvas: Canvas,
    light: Light,
    foot: Floats,
    heading: float,
    phase: float,
    seed: int,
    motor: bool,
) -> None:
    """Draw a bicyclist or motorcyclist on the machine."""
    rng = np.random.default_rng([seed, 52])
    across, side = sideways(canvas, foot, heading)
    if motor:
        draw_motorcycle(canvas, light, foot, heading, seed)
    else:
        draw_bicycle(canvas, light, foot, heading, seed)
    label = LEAF['Motorcyclist' if motor else 'Bicyclist']
    scale = max(side, 0.2)
    body = Figure(canvas, light, foot, across)
    coat = CLOTHES[int(rng.integers(len(CLOTHES)))]
    legs = CLOTHES[int(rng.integers(5))]
    skin = SKIN[int(rng.integers(len(SKIN)))]
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
    body.poly(
        [
            (seat[0] - wide, seat[1] - 0.05),
            (seat[0] + wide, seat[1] - 0.05),
            (shoulder[0] + wide, shoulder[1]),
            (shoulder[0] - wide, shoulder[1]),
        ],
        coat,
        label,
    )
    for way in (-1, 1):
        start = (shoulder[0] + way * wide * (1 - side), shoulder[1] - 0.06)
        body.limb(
            [
                start,
                (start[0] + 0.14 * scale + way * 0.08 * (1 - side), seat[1] + 0.25),
                (0.38 * scale + way * 0.24 * (1 - side), seat[1] + 0.1),
            ],
            0.1,
            (coat[0] * 0.85, coat[1] * 0.85, coat[2] * 0.85),
            label,
        )
    head = (shoulder[0] + 0.08 * scale, shoulder[1] + 0.17)
    body.ellipse(head[0], head[1], 0.1, 0.13, skin, label)
    helmet = CLOTHES[int(rng.integers(len(CLOTHES)))]
    if motor:
        body.ellipse(head[0], head[1], 0.13, 0.15, helmet, label)
    else:
        body.poly(arc(head[0], head[1] + 0.03, 0.115, 0, 190, 0.12), helmet, label)


def draw_motorcycle(canvas: Canvas, light: Light, foot: Floats, heading: float, seed: int) -> None:
    """Draw a motorcycle."""
    rng = np.random.default_rng([seed, 53])
    across, side = sideways(canvas, foot, heading)
    scale = max(side, 0.24)
    figure = Figure(canvas, light, foot, across * scale)
    blob(canvas, foot, 0.55, light)
    label = LEAF['Motorcycle']
    paint = CLOTHES[int(rng.integers(len(CLOTHES)))]
    for x in (-0.68, 0.7):
        figure.ellipse(x, 0.31, 0.31, 0.31, DARKEST, label)
        figure.ellipse(x, 0.31, 0.14, 0.14, (110, 110, 114), label)
    figure.poly(
        [
            (-0.85, 0.72),
            (-0.3, 0.4),
            (0.35, 0.35),
            (0.6, 0.8),
            (0.35, 0.98),
            (0.0, 0.88),
            (-0.3, 0.82),
        ],
        paint,
        label,
    )
    figure.poly([(-0.35, 0.28), (0.35, 0.28), (0.35, 0.55), (-0.35, 0.55)], (70, 70, 74), label)
    figure.limb([(0.7, 0.31), (0.45, 1.0)], 0.09, (90, 90, 94), label)
    figure.poly([(0.4, 0.9), (0.62, 0.85), (0.5, 1.15), (0.38, 1.1)], paint, label)


def draw_horse(
    canvas: Canvas, light: Light, foot: Floats, heading: float, phase: float, seed: int
) -> None:
    """Draw somebody on a horse."""
    rng = np.random.default_rng([seed, 55])
    across, side = sideways(canvas, foot, heading)
    figure = Figure(canvas, light, foot, across * max(side, 0.35))
    blob(canvas, foot, 0.7, light)
    label = LEAF['Ground Animal']
    shade = rng.uniform(0.35, 1.0)
    fur: Colour = (150 * shade, 104 * shade, 70 * shade)
    swing = 0.16 * math.sin(phase)
    for x, way in ((-0.75, 1), (-0.6, -1), (0.55, -1), (0.7, 1)):
        figure.limb(
            [(x, 1.0), (x + way * swing * 0.5, 0.5), (x + way * swing, 0.0)], 0.14, fur, label
        )
    figure.ellipse(0, 1.15, 0.95, 0.34, fur, label)
    figure.poly([(0.6, 1.1), (0.95, 1.05), (1.3, 1.75), (1.05, 1.95)], fur, label)
    figure.poly([(1.02, 1.95), (1.25, 1.98), (1.62, 1.6), (1.5, 1.48), (1.15, 1.65)], fur, label)
    figure.limb(
        [(-0.9, 1.3), (-1.1, 0.7)], 0.12, (fur[0] * 0.5, fur[1] * 0.5, fur[2] * 0.5), label
    )
    rider, body = LEAF['Other Rider'], Figure(canvas, light, foot, across)
    coat = CLOTHES[int(rng.integers(len(CLOTHES)))]
    body.limb([(0, 1.4), (0.18, 1.05), (0.08, 0.7)], 0.18, (46, 44, 48), rider)
    body.poly([(-0.18, 1.35), (0.18, 1.35), (0.2, 1.9), (-0.18, 1.9)], coat, rider)
    body.limb([(0.05, 1.82), (0.2, 1.6), (0.42, 1.52)], 0.1, coat, rider)
    body.ellipse(0.03, 2.06, 0.1, 0.13, SKIN[int(rng.integers(len(SKIN)))], rider)
    body.poly(arc(0.03, 2.1, 0.13, 0, 190, 0.13), DARKEST, rider)
