# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Vehicles: side outlines extruded to solid bodies, with glass, wheels, lights and plates."""

from __future__ import annotations

import math

import numpy as np

from hiseg_ros.datasets.scenes.drawing.atmosphere import Light
from hiseg_ros.datasets.scenes.drawing.canvas import Canvas
from hiseg_ros.datasets.scenes.drawing.scene import LEAF, Colour, Floats
from hiseg_ros.datasets.scenes.vehicles.vehicle_bodies import Body, sample_body
from hiseg_ros.datasets.scenes.vehicles.vehicle_details import (
    DARK,
    GLASS,
    Placed,
    flank,
    front,
    patch,
    rear,
    wheels,
)

PAINTS: tuple[Colour, ...] = (
    (228, 228, 228), (190, 194, 198), (120, 124, 130), (34, 36, 40), (24, 24, 26), (150, 24, 28),
    (30, 54, 110), (60, 92, 130), (44, 70, 52), (170, 160, 140), (196, 150, 40), (90, 30, 36),
    (210, 212, 215), (70, 74, 80),
)  # fmt: skip


def draw_vehicle(
    canvas: Canvas,
    light: Light,
    foot: Floats,
    heading: float,
    name: str,
    seed: int,
    braking: bool = False,
) -> None:
    """Draw a vehicle that stands at `foot` and points along `heading` radians."""
    rng = np.random.default_rng([seed, 40])
    body = sample_body(rng, name)
    paint = PAINTS[int(rng.integers(len(PAINTS)))]
    plate: Colour = (235, 220, 90) if rng.random() < 0.25 else (230, 230, 228)
    placed = Placed(foot, heading)
    label = LEAF[name]
    _ground_shadow(canvas, placed, body, light)
    eye = np.array(canvas.camera.position)
    ahead = float((eye - foot) @ placed.forward)
    aside = float((eye - foot) @ placed.left)
    near_side = 1.0 if aside > 0 else -1.0
    for side in (-near_side, near_side):
        wheels(canvas, placed, body, side, label, hub=side == near_side)
    for x in body.wheels if ahead < 0 else body.wheels[::-1]:
        # Tyres seen from before or behind, below the body.
        for side in (-1, 1):
            patch(
                canvas, placed, x, side * (body.half_width - 0.17), 0.25, 0.13, 0.25, DARK, label
            )
    _strips(canvas, light, placed, body, paint, label, eye)
    if abs(aside) > body.half_width:
        flank(canvas, light, placed, body, paint, label, near_side)
    half = max(x for x, _ in body.outline)
    if ahead > half * 0.6:
        front(canvas, light, placed, body, label, half)
    elif ahead < -half * 0.6:
        rear(canvas, light, placed, body, label, braking, plate)


def _ground_shadow(canvas: Canvas, placed: Placed, body: Body, light: Light) -> None:
    first, last = min(body.outline)[0], max(body.outline)[0]
    for grow, factor in ((0.25, 0.75), (0.05, 0.45)):
        w = body.half_width + grow
        corners = [
            (first - grow, 0, -w),
            (last + grow, 0, -w),
            (last + grow, 0, w),
            (first - grow, 0, w),
        ]
        canvas.darken(
            placed.points([(float(a), float(b), float(c)) for a, b, c in corners]), factor
        )
    if light.sunshine > 0.2:
        height = max(y for _, y in body.outline) * 0.85
        shift = np.array([-light.sun[0], 0.0, -light.sun[2]]) * min(
            4.0, height / max(light.sun[1], 0.2)
        )
        w = body.half_width
        base = placed.points([(first, 0, -w), (last, 0, -w), (last, 0, w), (first, 0, w)])
        canvas.darken(base + shift * 0.6, 1 - 0.45 * light.sunshine)


def _strips(
    canvas: Canvas,
    light: Light,
    placed: Placed,
    body: Body,
    paint: Colour,
    label: int,
    eye: Floats,
) -> None:
    """Draw the faces across the vehicle: tail, rear window, roof, windscreen, hood, front."""
    faces = []
    for index, ((x1, y1), (x2, y2)) in enumerate(
        zip(body.outline, body.outline[1:], strict=False)
    ):
        w1, w2 = body.half_at(y1), body.half_at(y2)
        points = placed.points([(x1, y1, -w1), (x1, y1, w1), (x2, y2, w2), (x2, y2, -w2)])
        length = math.hypot(x2 - x1, y2 - y1)
        normal = placed.forward * (-(y2 - y1) / length) + np.array([0, (x2 - x1) / length, 0])
        if (eye - points.mean(axis=0)) @ normal > 0:
            distance = float(np.sum((points.mean(axis=0) - eye) ** 2))
            faces.append((-distance, index, points, normal))
    for _, index, points, normal in sorted(faces, key=lambda face: face[0]):
        canvas.polygon(points, light.lit(paint, normal), label)
        if index in body.glass:
            centre = points.mean(axis=0)
            sky = 0.25 if normal[1] > 0.3 else 0.1
            tone = tuple(
                g * (1 - sky) + s * sky for g, s in zip(GLASS, light.sky_low, strict=True)
            )
            canvas.polygon(centre + (points - centre) * 0.88, (tone[0], tone[1], tone[2]), label)
