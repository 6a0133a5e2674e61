# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Vehicles: side outlines pulled across to solid bodies, with glass, wheels, lights and plates."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from hiseg_ros.training.datasets.synthetic.atmosphere import Light
from hiseg_ros.training.datasets.synthetic.canvas import Canvas
from hiseg_ros.training.datasets.synthetic.pen import arc
from hiseg_ros.training.datasets.synthetic.scene import LEAF, Colour, Floats

GLASS: Colour = (42, 50, 58)
DARK: Colour = (26, 26, 28)
PAINTS: tuple[Colour, ...] = (
    (228, 228, 228), (190, 194, 198), (120, 124, 130), (34, 36, 40), (24, 24, 26), (150, 24, 28),
    (30, 54, 110), (60, 92, 130), (44, 70, 52), (170, 160, 140), (196, 150, 40), (90, 30, 36),
    (210, 212, 215), (70, 74, 80),
)  # fmt: skip


@dataclass(frozen=True)
class Body:
    """A vehicle's shape; lengths in metres, its front at the larger x."""

    name: str
    """Leaf name."""
    outline: tuple[tuple[float, float], ...]
    """(x, y) from the rear bottom over the roof to the front bottom."""
    glass: tuple[int, ...]
    """Edges of the outline that are windows: edge k joins points k and k + 1."""
    belt: float
    """Height above which the sides lean in and carry windows; 0 for none."""
    half_width: float
    roof_half: float
    wheels: tuple[float, ...]
    wheel: float
    windows: tuple[tuple[float, float, float, float], ...]
    """Side windows as (x1, y1, x2, y2) lower left and upper right; the upper edge is slanted."""


def _car(length: float, height: float, hatch: float, hood: float, boot: float = 0.0) -> Body:
    half = length / 2
    roof_rear, roof_front = -half + hatch, half - hood - 0.75
    outline = (
        (-half, 0.3), (-half - 0.02, 0.75), (-half + 0.12 + boot, 0.92 + 0.1 * boot), (roof_rear, height),
        (roof_front, height), (half - hood, 0.92), (half - 0.12, 0.74), (half, 0.6), (half, 0.28),
    )  # fmt: skip
    middle = (roof_rear + roof_front) / 2
    windows = (
        (-half + 0.5 + boot * 0.8, 0.95, middle - 0.05, height - 0.1),
        (middle + 0.05, 0.95, half - hood - 0.15, height - 0.1),
    )
    return Body('Car', outline, (2, 4), 0.92, 0.88, 0.64, (-half * 0.6, half * 0.62), 0.32, windows)


def _box(name: str, length: float, height: float, half_width: float, nose: float, windows: bool) -> Body:
    half = length / 2
    outline = (
        (-half, 0.45), (-half, height * 0.5), (-half, height), (half - nose, height),
        (half - 0.06, height * 0.62), (half, 1.15), (half, 0.4),
    )  # fmt: skip
    count = int(length / 1.5)
    panes = tuple(
        (-half + 0.4 + k * 1.5, height * 0.48, -half + 1.75 + k * 1.5, height - 0.45)
        for k in range(count)
    )
    glass = (1, 3) if windows else (3,)
    wheels = (-half + length * 0.22, half - length * 0.16)
    return Body(
        name, outline, glass, 0.0, half_width, half_width, wheels, 0.48 if length > 5.5 else 0.34,
        panes if windows else panes[-1:],
    )  # fmt: skip


def sample_body(rng: np.random.Generator, name: str) -> Body:
    """Return a random vehicle of a leaf name."""
    if name == 'Car':
        kind = rng.random()
        if kind < 0.4:
            return _car(rng.uniform(3.6, 4.2), rng.uniform(1.42, 1.55), rng.uniform(0.35, 0.6), rng.uniform(0.8, 1.0))
        if kind < 0.7:
            return _car(rng.uniform(4.3, 4.9), rng.uniform(1.38, 1.48), rng.uniform(1.2, 1.5), rng.uniform(1.0, 1.25), rng.uniform(0.4, 0.75))
        if kind < 0.9:
            return _car(rng.uniform(4.2, 4.8), rng.uniform(1.6, 1.85), rng.uniform(0.25, 0.45), rng.uniform(0.8, 1.1))
        return _box('Car', rng.uniform(4.6, 5.2), rng.uniform(1.85, 2.2), 0.95, 1.1, bool(rng.random() < 0.5))
    if name == 'Bus':
        return _box('Bus', rng.uniform(9, 12), rng.uniform(2.9, 3.3), 1.25, 0.25, True)
    if name == 'Truck':
        return _box('Truck', rng.uniform(6, 10), rng.uniform(2.8, 3.8), 1.22, 0.3, False)
    if name == 'Caravan':
        return _box('Caravan', rng.uniform(4.5, 6), 2.5, 1.1, 0.3, True)
    if name == 'Trailer':
        return _box('Trailer', rng.uniform(3, 7), rng.uniform(1.2, 3.0), 1.1, 0.05, False)
    if name == 'On Rails':
        return _box('On Rails', 16.0, 3.4, 1.25, 0.5, True)
    return _box('Other Vehicle', rng.uniform(4, 6), rng.uniform(2.4, 3.0), 1.1, 0.9, True)


class _Placed:
    """A body at a place: its own (x forward, y up, z to the left) to street points."""

    def __init__(self, foot: Floats, heading: float) -> None:
        self.foot = foot
        self.forward = np.array([math.sin(heading), 0.0, math.cos(heading)])
        self.left = np.array([-math.cos(heading), 0.0, math.sin(heading)])

    def points(self, local: list[tuple[float, float, float]]) -> Floats:
        array = np.array(local, np.float64)
        up = np.array([0.0, 1.0, 0.0])
        return np.asarray(
            self.foot + array[:, :1] * self.forward + array[:, 1:2] * up + array[:, 2:] * self.left
        )


def draw_vehicle(
    canvas: Canvas, light: Light, foot: Floats, heading: float, name: str, seed: int, braking: bool = False
) -> None:
    """Draw a vehicle that stands at `foot` and points along `heading` radians."""
    rng = np.random.default_rng([seed, 40])
    body = sample_body(rng, name)
    paint = PAINTS[int(rng.integers(len(PAINTS)))]
    placed = _Placed(foot, heading)
    label = LEAF[name]
    _ground_shadow(canvas, placed, body, light)
    eye = np.array(canvas.camera.position)
    ahead = float((eye - foot) @ placed.forward)
    aside = float((eye - foot) @ placed.left)
    near_side = 1.0 if aside > 0 else -1.0
    for side in (-near_side, near_side):
        _wheels(canvas, placed, body, side, label, hub=side == near_side)
    for x in body.wheels if ahead < 0 else body.wheels[::-1]:
        # Tyres seen from before or behind, below the body.
        for side in (-1, 1):
            _patch(canvas, placed, x, side * (body.half_width - 0.17), 0.25, 0.13, 0.25, DARK, label)
    _strips(canvas, light, placed, body, paint, label, eye)
    if abs(aside) > body.half_width:
        _flank(canvas, light, placed, body, paint, label, near_side)
    half = max(x for x, _ in body.outline)
    if ahead > half * 0.6:
        _front(canvas, light, placed, body, label, half)
    elif ahead < -half * 0.6:
        _rear(canvas, light, placed, body, label, braking)


def _half_at(body: Body, height: float) -> float:
    if not body.belt or height <= body.belt + 0.05:
        return body.half_width
    return body.roof_half


def _ground_shadow(canvas: Canvas, placed: _Placed, body: Body, light: Light) -> None:
    first, last = min(body.outline)[0], max(body.outline)[0]
    for grow, factor in ((0.25, 0.75), (0.05, 0.45)):
        w = body.half_width + grow
        corners = [(first - grow, 0, -w), (last + grow, 0, -w), (last + grow, 0, w), (first - grow, 0, w)]
        canvas.darken(placed.points([(float(a), float(b), float(c)) for a, b, c in corners]), factor)
    if light.sunshine > 0.2:
        height = max(y for _, y in body.outline) * 0.85
        shift = np.array([-light.sun[0], 0.0, -light.sun[2]]) * min(4.0, height / max(light.sun[1], 0.2))
        w = body.half_width
        base = placed.points([(first, 0, -w), (last, 0, -w), (last, 0, w), (first, 0, w)])
        canvas.darken(base + shift * 0.6, 1 - 0.45 * light.sunshine)


def _strips(
    canvas: Canvas, light: Light, placed: _Placed, body: Body, paint: Colour, label: int, eye: Floats
) -> None:
    """Draw the faces across the vehicle: tail, rear window, roof, windscreen, hood, front."""
    faces = []
    for index, ((x1, y1), (x2, y2)) in enumerate(zip(body.outline, body.outline[1:], strict=False)):
        w1, w2 = _half_at(body, y1), _half_at(body, y2)
        points = placed.points([(x1, y1, -w1), (x1, y1, w1), (x2, y2, w2), (x2, y2, -w2)])
        length = math.hypot(x2 - x1, y2 - y1)
        normal = placed.points([((y1 - y2) / length * -1, (x2 - x1) / length, 0)])[0] - placed.foot
        normal = placed.forward * (-(y2 - y1) / length) + np.array([0, (x2 - x1) / length, 0])
        if (eye - points.mean(axis=0)) @ normal > 0:
            distance = float(np.sum((points.mean(axis=0) - eye) ** 2))
            faces.append((-distance, index, points, normal))
    for _, index, points, normal in sorted(faces, key=lambda face: face[0]):
        canvas.polygon(points, light.lit(paint, normal), label)
        if index in body.glass:
            centre = points.mean(axis=0)
            sky = 0.25 if normal[1] > 0.3 else 0.1
            tone = tuple(g * (1 - sky) + s * sky for g, s in zip(GLASS, light.sky_low, strict=True))
            canvas.polygon(centre + (points - centre) * 0.88, (tone[0], tone[1], tone[2]), label)


def _flank(
    canvas: Canvas, light: Light, placed: _Placed, body: Body, paint: Colour, label: int, side: float
) -> None:
    """Draw the side towards the camera."""
    normal = placed.left * side
    w = body.half_width * side
    if body.belt:
        lower = [(x, min(y, body.belt)) for x, y in body.outline]
        shade = light.lit(paint, normal + np.array([0, 0.15, 0]))
        upper = [(x, y) for x, y in body.outline if y >= body.belt - 0.02]
        roof = [(x, y, body.roof_half * side if y > body.belt + 0.1 else w) for x, y in upper]
        canvas.polygon(placed.points(roof), shade, label)
        canvas.polygon(placed.points([(x, y, w) for x, y in lower]), shade, label)
        low = tuple(part * 0.8 for part in shade)
        sill = [(x, min(y, 0.55), w) for x, y in body.outline]
        canvas.polygon(placed.points(sill), (low[0], low[1], low[2]), label)
    else:
        canvas.polygon(placed.points([(x, y, w) for x, y in body.outline]), light.lit(paint, normal), label)
    for x1, y1, x2, y2 in body.windows:
        lean = (w - body.roof_half * side) * 0.85 if body.belt else 0.0
        slant = 0.3 * (y2 - y1) if body.belt else 0.0
        rear, front = (slant if x1 < 0 else 0.0), (slant * 1.4 if x1 > -0.3 else 0.0)
        pane = [(x1, y1, w), (x2, y1, w), (x2 - front, y2, w - lean), (x1 + rear, y2, w - lean)]
        canvas.polygon(placed.points(pane), (GLASS[0] + 8, GLASS[1] + 8, GLASS[2] + 10), label)
    if body.belt:
        _doors(canvas, light, placed, body, paint, label, side)
    _wheels(canvas, placed, body, side, label, hub=True)


def _doors(
    canvas: Canvas, light: Light, placed: _Placed, body: Body, paint: Colour, label: int, side: float
) -> None:
    """Draw door seams, handles, wheel arches and the outside mirror."""
    w = body.half_width * side * 1.002
    seam: Colour = (paint[0] * 0.3, paint[1] * 0.3, paint[2] * 0.3)
    first, last = body.windows[0], body.windows[-1]
    for x in (first[0] + 0.15, (first[2] + last[0]) / 2, last[2] - 0.1):
        line = [(x - 0.012, 0.38, w), (x + 0.012, 0.38, w), (x + 0.012, 0.92, w), (x - 0.012, 0.92, w)]
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


def _wheels(canvas: Canvas, placed: _Placed, body: Body, side: float, label: int, hub: bool) -> None:
    w = (body.half_width - (0.0 if hub else 0.1)) * side
    for x in body.wheels:
        circle = arc(x, body.wheel, body.wheel, 0, 345)
        tyre = [(px, py, w) for px, py in circle] 
        canvas.polygon(placed.points(tyre), DARK, label)
        inner = [(px, py, w - 0.22 * side) for px, py in circle]
        canvas.polygon(placed.points(inner), DARK, label) if not hub else None
        if hub:
            canvas.polygon(placed.points([(px, py, w) for px, py in arc(x, body.wheel, body.wheel * 0.6, 0, 330)]), (120, 122, 126), label)
            canvas.polygon(placed.points([(px, py, w) for px, py in arc(x, body.wheel, body.wheel * 0.2, 0, 330)]), (60, 60, 64), label)


def _patch(canvas: Canvas, placed: _Placed, x: float, z: float, y: float, w: float, h: float, colour: Colour, label: int) -> None:
    corners = [(x, y - h, z - w), (x, y - h, z + w), (x, y + h, z + w), (x, y + h, z - w)]
    canvas.polygon(placed.points(corners), colour, label)


def _front(canvas: Canvas, light: Light, placed: _Placed, body: Body, label: int, half: float) -> None:
    x = half + 0.02
    lamp: Colour = (255, 250, 225) if light.night else (225, 228, 230)
    for side in (-1, 1):
        _patch(canvas, placed, x, side * body.half_width * 0.72, 0.62, 0.17, 0.08, lamp, label)
    _patch(canvas, placed, x, 0.0, 0.56, body.half_width * 0.45, 0.09, DARK, label)
    _patch(canvas, placed, x, 0.0, 0.38, 0.26, 0.055, (235, 235, 230), label)
    _patch(canvas, placed, x, 0.0, 0.27, body.half_width * 0.9, 0.05, DARK, label)


def _rear(canvas: Canvas, light: Light, placed: _Placed, body: Body, label: int, braking: bool) -> None:
    x = min(body.outline)[0] - 0.02
    glow = braking or light.night > 0
    lamp: Colour = (250, 40, 36) if glow else (150, 22, 24)
    high = 0.74 if body.belt else 0.95
    for side in (-1, 1):
        _patch(canvas, placed, x, side * body.half_width * 0.84, high, 0.11, 0.12, lamp, label)
    _patch(canvas, placed, x, 0.0, high - 0.08, 0.27, 0.06, (235, 220, 90) if placed.foot[2] % 2 > 1.5 else (230, 230, 228), label)
    _patch(canvas, placed, x, 0.0, 0.34 if body.belt else 0.47, body.half_width * 0.92, 0.06, (52, 52, 54), label)
    if not body.belt:
        _patch(canvas, placed, x, 0.0, 1.4, 0.015, 0.75, (70, 70, 72), label)
