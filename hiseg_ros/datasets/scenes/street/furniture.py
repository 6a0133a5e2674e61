# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Street furniture: poles, lights, signs, fences, benches, bins, boards."""

from __future__ import annotations

import math

import numpy as np

from hiseg_ros.datasets.scenes.drawing.atmosphere import Light
from hiseg_ros.datasets.scenes.drawing.canvas import Canvas
from hiseg_ros.datasets.scenes.drawing.pen import arc
from hiseg_ros.datasets.scenes.drawing.scene import LEAF, Colour, Floats

UP = np.array([0.0, 1.0, 0.0])
STEEL: Colour = (138, 142, 146)


def post(
    canvas: Canvas,
    light: Light,
    foot: Floats,
    height: float,
    radius: float,
    name: str,
    colour: Colour,
) -> None:
    """Draw a round post as a board that faces the camera, darker on one side."""
    view = foot - np.array(canvas.camera.position)
    right = np.array([view[2], 0, -view[0]]) / max(float(np.hypot(view[0], view[2])), 1e-6)
    top = foot + UP * height
    thin = radius * 0.8
    left_shade, right_shade = light.shade(-right), light.shade(right)
    tone = (left_shade + right_shade) / 2 + 0.15
    quads = ((-1.0, 1.0, tone), (-1.0, -0.3, left_shade), (0.45, 1.0, right_shade))
    for start, end, shade in quads:
        points = [
            foot + right * radius * start,
            foot + right * radius * end,
            top + right * thin * end,
            top + right * thin * start,
        ]
        shaded: Colour = (
            min(255, colour[0] * shade),
            min(255, colour[1] * shade),
            min(255, colour[2] * shade),
        )
        canvas.polygon(np.array(points), shaded, LEAF[name])


def box(
    canvas: Canvas,
    light: Light,
    foot: Floats,
    size: tuple[float, float, float],
    heading: float,
    name: str,
    colour: Colour,
) -> None:
    """Draw a block of (width, height, depth) metres whose front faces against `heading`."""
    width, height, depth = size
    forward = np.array([math.sin(heading), 0.0, math.cos(heading)])
    right = np.array([forward[2], 0.0, -forward[0]])
    eye = np.array(canvas.camera.position)
    centre = foot + UP * height / 2
    sides = (
        (-forward, right * width / 2, depth / 2),
        (forward, right * width / 2, depth / 2),
        (right, forward * depth / 2, width / 2),
        (-right, forward * depth / 2, width / 2),
    )
    for normal, along, reach in sides:
        face = centre + normal * reach
        if (eye - face) @ normal > 0:
            low, high = face - UP * height / 2, face + UP * height / 2
            canvas.polygon(
                np.array([low - along, low + along, high + along, high - along]),
                light.lit(colour, normal),
                LEAF[name],
            )
    if eye[1] > height + foot[1]:
        top = foot + UP * height
        a, b = right * width / 2, forward * depth / 2
        canvas.polygon(
            np.array([top - a - b, top + a - b, top + a + b, top - a + b]),
            light.lit(colour, UP),
            LEAF[name],
        )


def street_light(
    canvas: Canvas, light: Light, foot: Floats, inward: Floats, height: float, style: int
) -> None:
    """Draw a lamp post; `inward` is the unit vector to the road."""
    colour: Colour = STEEL if style % 2 else (70, 78, 74)
    post(canvas, light, foot, height, 0.085, 'Pole', colour)
    top = foot + UP * height
    lamp: Colour = (255, 240, 190) if light.night else (205, 206, 200)
    if style % 3 == 2:
        for ring, tone in ((0.3, colour), (0.24, lamp)):
            points = np.array([top + inward * x - UP * y for x, y in arc(0, -0.2, ring, 0, 340)])
            canvas.polygon(points, tone, LEAF['Street Light'])
        return
    end = top + inward * 1.6 + UP * 0.35
    canvas.polygon(
        np.array([top - UP * 0.1, end - UP * 0.06, end + UP * 0.04, top + UP * 0.06]),
        light.lit(colour, (0, 0.3, -0.5)),
        LEAF['Pole'],
    )
    head = [
        end - inward * 0.15 - UP * 0.07,
        end + inward * 0.65 - UP * 0.03,
        end + inward * 0.6 + UP * 0.1,
        end - inward * 0.1 + UP * 0.1,
    ]
    canvas.polygon(
        np.array(head), light.lit((120, 124, 124), (0, 0.3, -0.5)), LEAF['Street Light']
    )
    under = [end - UP * 0.08, end + inward * 0.6 - UP * 0.05, end + inward * 0.55, end]
    canvas.polygon(np.array(under), lamp, LEAF['Street Light'])


def traffic_light(
    canvas: Canvas,
    light: Light,
    foot: Floats,
    heading: float,
    state: int,
    arm: float,
    inward: Floats,
) -> None:
    """Draw signals on a post; `state` 0 red, 1 yellow, 2 green; `arm` metres over the road."""
    colour: Colour = (92, 96, 96)
    post(canvas, light, foot, 3.4 if not arm else 5.6, 0.07, 'Pole', colour)
    places = [foot + UP * 2.5 - inward * 0.05]
    if arm:
        start = foot + UP * 5.5
        end = start + inward * arm
        canvas.polygon(
            np.array([start, end, end + UP * 0.12, start + UP * 0.16]),
            light.lit(colour, (0, 0.3, -0.5)),
            LEAF['Pole'],
        )
        places.append(end - UP * 0.9)
    forward = np.array([math.sin(heading), 0.0, math.cos(heading)])
    right = np.array([forward[2], 0.0, -forward[0]])
    lamps: tuple[Colour, ...] = ((255, 50, 40), (255, 190, 40), (60, 240, 150))
    for low in places:
        seen = float((low - np.array(canvas.camera.position)) @ forward) > 0
        box(canvas, light, low, (0.34, 0.98, 0.24), heading, 'Traffic Light', (34, 36, 36))
        if not seen:
            continue
        face = low - forward * 0.13
        for index, lamp in enumerate(lamps):
            y = 0.81 - 0.32 * index
            glow = lamp if index == state else (lamp[0] * 0.2, lamp[1] * 0.2, lamp[2] * 0.2)
            circle = [face + right * x + UP * (y + dy) for x, dy in arc(0, 0, 0.12, 0, 340)]
            canvas.polygon(np.array(circle), glow, LEAF['Traffic Light'])


def utility_pole(canvas: Canvas, light: Light, foot: Floats, right: Floats) -> None:
    """Draw a wooden pole with a crossbar."""
    wood: Colour = (98, 82, 66)
    post(canvas, light, foot, 8.0, 0.13, 'Utility Pole', wood)
    for height in (7.5, 6.9):
        start, end = foot + UP * height - right * 0.95, foot + UP * height + right * 0.95
        canvas.polygon(
            np.array([start, end, end + UP * 0.12, start + UP * 0.12]),
            light.lit(wood, (0, 0.3, -0.6)),
            LEAF['Utility Pole'],
        )
        for shift in (-0.85, -0.4, 0.4, 0.85):
            base = foot + UP * (height + 0.12) + right * shift
            canvas.polygon(
                np.array([base - right * 0.04, base + right * 0.04, base + UP * 0.18]),
                (70, 74, 80),
                LEAF['Utility Pole'],
            )


def bench(canvas: Canvas, light: Light, foot: Floats, heading: float) -> None:
    """Draw a bench whose back is turned along `heading`."""
    forward = np.array([math.sin(heading), 0.0, math.cos(heading)])
    right = np.array([forward[2], 0.0, -forward[0]])
    for shift in (-0.7, 0.7):
        box(canvas, light, foot + right * shift, (0.08, 0.45, 0.4), heading, 'Bench', (58, 58, 60))
    for low, lean in ((0.44, 0.0), (0.6, 0.22), (0.76, 0.25)):
        box(
            canvas,
            light,
            foot + UP * low + forward * lean,
            (1.7, 0.09, 0.4 if low < 0.5 else 0.05),
            heading,
            'Bench',
            (128, 88, 54),
        )


def billboard(
    canvas: Canvas, light: Light, foot: Floats, heading: float, seed: int, large: bool
) -> None:
    """Draw an advertisement board on posts."""
    rng = np.random.default_rng([seed, 62])
    right = np.array([math.cos(heading), 0.0, -math.sin(heading)])
    width, height, low = (3.6, 2.6, 1.6) if large else (1.3, 1.8, 0.5)
    for shift in (-0.35, 0.35):
        post(canvas, light, foot + right * shift * width, low, 0.07, 'Pole', (90, 92, 94))
    image = np.ones((60, 84, 3)) * rng.uniform(60, 250, 3)
    for _ in range(int(rng.integers(4, 10))):
        y, x = int(rng.integers(0, 50)), int(rng.integers(0, 70))
        image[y : y + int(rng.integers(4, 30)), x : x + int(rng.integers(6, 50))] = rng.uniform(
            20, 255, 3
        )
    for row in range(8, 24, 6):
        image[row : row + 3, 10 : int(rng.integers(30, 74))] = 25
    image[:2], image[-2:], image[:, :2], image[:, -2:] = 60, 60, 60, 60
    shade = light.shade((-math.sin(heading), 0, -math.cos(heading)))
    lit = np.clip(image * shade, 0, 255).astype(np.uint8)
    corner = foot + UP * (low + height) - right * width / 2
    canvas.textured(corner, right * width, -UP * height, lit, LEAF['Billboard'])
