# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""People on foot, prams, dogs and birds."""

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
from hiseg_ros.types import LabelImage


def draw_person(
    canvas: Canvas, light: Light, foot: Floats, heading: float, phase: float, seed: int
) -> None:
    """Draw a walking person; `phase` in radians moves the legs."""
    rng = np.random.default_rng([seed, 50])
    height = float(rng.normal(1.7, 0.1)) if rng.random() < 0.88 else float(rng.uniform(1.05, 1.4))
    across, side = sideways(canvas, foot, heading)
    figure = Figure(canvas, light, foot, across)
    blob(canvas, foot, 0.3, light)
    label = LEAF['Person']
    coat = CLOTHES[int(rng.integers(len(CLOTHES)))]
    legs = CLOTHES[int(rng.integers(5))]
    skin = SKIN[int(rng.integers(len(SKIN)))]
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
    right = [(1, 0.95, low), (1, 1.05, 1.38 * h), (1, 0.6, 1.48 * h)]
    trunk = [*right, *[(-1, part, up) for _, part, up in right[::-1]]]
    figure.poly(
        [(s * wide * part, up) for s, part, up in trunk],
        coat, label,
    )  # fmt: skip
    sleeve: Colour = (coat[0] * 0.82, coat[1] * 0.82, coat[2] * 0.82)
    for way in (-1, 1):
        x = way * wide * (1 - side * 0.8)
        hand = (x - way * swing * 0.8 * side + way * 0.05 * (1 - side), 0.82 * h)
        figure.limb(
            [(x, 1.4 * h), ((x + hand[0]) / 2 - 0.02, 1.1 * h), hand], 0.1 * h, sleeve, label
        )
        figure.ellipse(hand[0], hand[1] - 0.03, 0.045, 0.06, skin, label)
    figure.poly(
        [(-0.05, 1.44 * h), (0.05, 1.44 * h), (0.05, 1.56 * h), (-0.05, 1.56 * h)], skin, label
    )
    figure.ellipse(0.02 * side, 1.63 * h, 0.095 * h, 0.125 * h, skin, label)
    figure.poly(arc(-0.01, 1.66 * h, 0.102 * h, 0, 200, 0.115 * h), hair, label)
    if rng.random() < 0.3:
        figure.poly(
            [
                (-wide - 0.1 * side, 1.0 * h),
                (-wide + 0.14, 1.0 * h),
                (-wide + 0.14, 1.35 * h),
                (-wide - 0.1 * side, 1.35 * h),
            ],
            CLOTHES[int(rng.integers(len(CLOTHES)))],
            label,
        )


def draw_wheelchair(canvas: Canvas, light: Light, foot: Floats, heading: float, seed: int) -> None:
    """Draw a wheelchair, or a pram, without the person behind it."""
    rng = np.random.default_rng([seed, 56])
    across, side = sideways(canvas, foot, heading)
    figure = Figure(canvas, light, foot, across * max(side, 0.55))
    label = LEAF['Wheeled Slow']
    cloth = CLOTHES[int(rng.integers(len(CLOTHES)))]
    for x in (-0.28, 0.3):
        figure.ellipse(x, 0.15, 0.15, 0.15, DARKEST, label)
    figure.poly(
        [(-0.45, 0.45), (0.45, 0.45), (0.55, 0.8), (-0.05, 0.78), (-0.5, 1.0)], cloth, label
    )
    figure.limb([(-0.28, 0.15), (0.2, 0.5)], 0.05, (120, 120, 124), label)
    figure.limb([(-0.4, 0.8), (-0.65, 1.02)], 0.05, DARKEST, label)


def draw_dog(canvas: Canvas, light: Light, foot: Floats, heading: float, seed: int) -> None:
    """Draw a dog."""
    rng = np.random.default_rng([seed, 54])
    across, _ = sideways(canvas, foot, heading)
    figure = Figure(canvas, light, foot, across)
    label = LEAF['Ground Animal']
    shade = float(rng.uniform(0.3, 1.0))
    fur: Colour = (190 * shade, 150 * shade, 110 * shade)
    for x in (-0.28, -0.2, 0.2, 0.28):
        figure.limb([(x, 0.4), (x + 0.03, 0.0)], 0.07, fur, label)
    figure.ellipse(0, 0.44, 0.38, 0.15, fur, label)
    figure.ellipse(0.42, 0.6, 0.14, 0.11, fur, label)
    figure.limb([(-0.36, 0.5), (-0.55, 0.68)], 0.06, fur, label)


def draw_birds(canvas: Canvas, rng: np.random.Generator, labels: LabelImage) -> None:
    """Draw a few birds where (H, W) labels say that there is sky, none over another."""
    height, width = canvas.camera.size
    for _ in range(int(rng.integers(1, 6))):
        x, y = rng.uniform(0, width), rng.uniform(0, height * 0.3)
        size = rng.uniform(3, 9) * width / 1024
        points = np.array(
            [
                (-1, -0.35),
                (-0.4, -0.3),
                (0, 0.1),
                (0.4, -0.3),
                (1, -0.35),
                (0.35, 0.05),
                (0, 0.35),
                (-0.35, 0.05),
            ]
        )
        pixels = np.array([x, y]) + points * size
        at = int(y), int(x)
        if labels[at] == LEAF['Sky'] and canvas.labels[at] != LEAF['Bird']:
            canvas.flat(pixels, 200.0, (50, 50, 54), LEAF['Bird'])
