# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Rare large objects: bridges over the street, tunnel portals, banners, boats, trains."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

import numpy as np

from hiseg_ros.datasets.scenes.drawing.atmosphere import Light
from hiseg_ros.datasets.scenes.drawing.canvas import Canvas
from hiseg_ros.datasets.scenes.drawing.scene import LEAF, Colour, Floats
from hiseg_ros.datasets.scenes.street import barriers, furniture
from hiseg_ros.datasets.scenes.street.cells import CELL, Thing
from hiseg_ros.datasets.scenes.street.plan import StreetPlan
from hiseg_ros.datasets.scenes.street.vegetation import draw_bush
from hiseg_ros.datasets.scenes.vehicles.vehicles import draw_vehicle

UP = furniture.UP


def landmarks(plan: StreetPlan, light: Light, index: int) -> Iterator[Thing]:
    """Yield what cell `index` has of them; a street has bridges or banners or neither."""
    style = np.random.default_rng([plan.seed, 19])
    rng = np.random.default_rng([plan.seed, 20, index & 0xFFFFFFFF])
    z = (index + 0.5) * CELL
    kind, phase = style.random(), int(style.integers(0, 20))
    if kind < 0.1 and index % 20 == phase:
        yield Thing(2, plan.point(z, 0.0), lambda canvas: _bridge(canvas, plan, light, z))
    elif kind < 0.17 and plan.kind == 'urban' and index % 6 == phase % 6:
        seed = int(rng.integers(1 << 30))
        yield Thing(2, plan.point(z, 0.0), lambda canvas: _banner(canvas, plan, light, z, seed))
    for side in (-1, 1):
        for name, water in (('Water', True), ('Rail Track', False)):
            out = plan.edge(side, name)
            if math.isnan(out) or rng.random() > (0.3 if water else 0.08):
                continue
            foot, seed = plan.point(z, side * out), int(rng.integers(1 << 30))
            heading = plan.heading(z)
            if water:
                yield Thing(
                    2, foot, partial(_boat, light=light, foot=foot, heading=heading, seed=seed)
                )
            else:
                yield Thing(
                    2, foot, partial(_train, light=light, foot=foot, heading=heading, seed=seed)
                )


def _bridge(canvas: Canvas, plan: StreetPlan, light: Light, z: float) -> None:
    """Draw a concrete bridge across the street, low edge at 5 m."""
    concrete: Colour = (158, 154, 146)
    reach, depth = plan.half_road + 28.0, 7.0
    for shift in (depth, 0.0):
        for side in (-1, 1):
            foot = plan.point(z + shift, side * (plan.half_road + 3.2))
            furniture.box(canvas, light, foot, (1.1, 5.2, 1.1), 0.0, 'Bridge', concrete)
    low, high = 5.0, 6.3
    near = [
        plan.point(z, side * reach, up)
        for side, up in ((-1, low), (1, low), (1, high), (-1, high))
    ]
    far = [point + np.array([0, 0, depth]) for point in near]
    shade = light.shade((0, -1, 0)) * 0.6
    dark: Colour = (concrete[0] * shade, concrete[1] * shade, concrete[2] * shade)
    canvas.polygon(np.array([near[0], near[1], far[1], far[0]]), dark, LEAF['Bridge'])
    if canvas.camera.position[2] < z:
        canvas.polygon(np.array(near), light.lit(concrete, (0, 0, -1)), LEAF['Bridge'])
        ledge = [
            near[3] - UP * 0.25,
            near[2] - UP * 0.25,
            near[2] - UP * 0.15,
            near[3] - UP * 0.15,
        ]
        canvas.polygon(np.array(ledge), light.lit((110, 108, 102), (0, 0, -1)), LEAF['Bridge'])
        barriers.fence(canvas, light, near[3], near[2], 1.1, 2, (90.0, 96.0, 100.0))


def tunnel(plan: StreetPlan, light: Light, z: float) -> Iterator[Thing]:
    """Yield, in few streets, the portal of a tunnel ahead of a camera at `z`.

    Only single images have it: no drive could go through, for nothing is drawn inside.
    """
    rng = np.random.default_rng([plan.seed, 22])
    if plan.kind not in ('highway', 'rural') or rng.random() > 0.12:
        return
    at = z + float(rng.uniform(25, 80))
    yield Thing(2, plan.point(at, 0.0), lambda canvas: _portal(canvas, plan, light, at))


def _portal(canvas: Canvas, plan: StreetPlan, light: Light, z: float) -> None:
    def face(outline: list[tuple[float, float]], shift: float = 0.0) -> Floats:
        return np.array(
            [plan.point(z, side, up) + np.array([0, 0, shift]) for side, up in outline]
        )

    half = plan.half_road + 1.6
    hill = [(-95.0, 0.0), (-60, 9), (-30, 15), (0, 17), (35, 14), (70, 7), (95, 0)]
    canvas.polygon(face(hill, 6.0), light.lit((88, 108, 56), (0, 0.6, -0.6)), LEAF['Vegetation'])
    rng = np.random.default_rng([plan.seed, 23])
    for _ in range(70):
        side = float(rng.uniform(-70, 70))
        top = 16 * (1 - (side / 95) ** 2)
        foot = face([(side, float(rng.uniform(0.1, 0.95)) * top)], 5.9)[0]
        draw_bush(canvas, light, foot, 4.5, 2.4, int(rng.integers(1 << 30)), plan.season)
    stone = light.lit((160, 154, 144), (0, 0, -1))
    canvas.polygon(
        face([(-half - 12, 0), (-half - 6, 8.4), (half + 6, 8.4), (half + 12, 0)]),
        stone,
        LEAF['Tunnel'],
    )
    arch = [
        (-half, 0.0),
        *[(half * math.cos(a), 2.5 + 3.4 * math.sin(a)) for a in np.linspace(math.pi, 0, 16)],
        (half, 0.0),
    ]
    for shrink, tone in ((1.0, 62.0), (0.93, 40.0), (0.8, 24.0)):
        inner = [(side * shrink, up * (0.5 + 0.5 * shrink)) for side, up in arch]
        canvas.polygon(face(inner, -0.02), (tone, tone, tone * 0.95), LEAF['Tunnel'])
    for side in (-0.35, 0.35):
        for up in (3.4, 3.9, 4.5):
            spot = [
                (side * half * up / 4.5 + dx, up + dy)
                for dx, dy in ((-0.12, 0), (0.12, 0), (0.12, 0.1), (-0.12, 0.1))
            ]
            canvas.polygon(face(spot, -0.04), (250, 214, 140), LEAF['Tunnel'])


def _banner(canvas: Canvas, plan: StreetPlan, light: Light, z: float, seed: int) -> None:
    """Draw a cloth hung over the street between two posts."""
    rng = np.random.default_rng([seed, 70])
    left, right = plan.point(z, -plan.half_road - 1.2), plan.point(z, plan.half_road + 1.2)
    for foot in (left, right):
        furniture.post(canvas, light, foot, 6.4, 0.07, 'Pole', furniture.STEEL)
    image = np.ones((24, 160, 3)) * rng.uniform(120, 255, 3)
    ink = rng.uniform(0, 90, 3)
    for x in range(14, 146, 8):
        if rng.random() < 0.85:
            image[6:18, x : x + 2] = ink
            image[int(rng.integers(6, 16)) :, x : x + 6][:2] = ink
    lit = np.clip(image * light.shade((0, 0, -1)), 0, 255).astype(np.uint8)
    canvas.textured(left + UP * 6.3, right - left, -UP * 1.1, lit, LEAF['Banner'])


def _boat(canvas: Canvas, light: Light, foot: Floats, heading: float, seed: int) -> None:
    """Draw a moored boat."""
    tone = float(np.random.default_rng([seed, 71]).uniform(90, 235))
    furniture.box(canvas, light, foot, (1.8, 0.7, 5.0), heading, 'Boat', (tone, tone, tone))
    cabin = foot + UP * 0.7
    furniture.box(canvas, light, cabin, (1.3, 0.9, 2.0), heading, 'Boat', (215, 215, 210))


def _train(canvas: Canvas, light: Light, foot: Floats, heading: float, seed: int) -> None:
    draw_vehicle(canvas, light, foot, heading, 'On Rails', seed)
