# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Paint and iron on the road: lane lines, crosswalks, arrows, manholes, catch basins, potholes."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.training.datasets.synthetic.atmosphere import Light
from hiseg_ros.training.datasets.synthetic.canvas import Canvas
from hiseg_ros.training.datasets.synthetic.ground import GroundPixels
from hiseg_ros.training.datasets.synthetic.pen import arc
from hiseg_ros.training.datasets.synthetic.plan import StreetPlan
from hiseg_ros.training.datasets.synthetic.scene import LEAF, Colour, Floats
from hiseg_ros.training.datasets.synthetic.textures import cloud_noise, look_up


def draw_markings(canvas: Canvas, plan: StreetPlan, pixels: GroundPixels, light: Light) -> None:
    """Paint the lines that follow from the plan."""
    away = plan.to_crossing(pixels.z)
    free = np.abs(away) > plan.cross_half + 5.0
    lines = np.zeros(len(pixels.z))
    rng = np.random.default_rng([plan.seed, 3])
    dash = float(rng.choice([3.0, 4.0, 6.0]))
    gap = dash * float(rng.choice([1.0, 1.5, 2.0]))
    width = float(rng.uniform(0.1, 0.16))
    if plan.kind != 'suburban' or rng.random() < 0.75:
        solid_middle = rng.random() < 0.25
        for first, second, left, right in zip(
            plan.directions, plan.directions[1:], plan.lanes, plan.lanes[1:], strict=False
        ):
            line = _line(pixels.side, (left + right) / 2, width, pixels.wide)
            if first == second or not solid_middle:
                line = line * _dashes(pixels.z, dash, gap, pixels.long)
            lines = np.maximum(lines, line)
    if plan.edge_lines:
        for side in (-1, 1):
            at = side * (plan.half_road - 0.25)
            lines = np.maximum(lines, _line(pixels.side, at, width, pixels.wide))
    lines = lines * free
    lines = np.maximum(lines, _parking_bays(plan, pixels, width) * free)
    stop = _line(np.abs(away), plan.cross_half + 4.6, 0.4, pixels.long)
    stop = stop * (np.abs(pixels.side) < plan.half_road)
    own = np.array(plan.directions)
    if (own < 0).any():
        # Traffic stops before the crossing: on the right when leaving towards larger Z.
        stop = stop * ((away < 0) == (pixels.side > 0))
    if rng.random() < 0.7 and plan.block:
        lines = np.maximum(lines, stop)
    _paint(canvas, plan, pixels, lines, 'Lane Marking - General', light)
    if plan.block and rng.random() < 0.75:
        _crosswalks(canvas, plan, pixels, away, light, zebra=bool(rng.random() < 0.75))


def _crosswalks(
    canvas: Canvas, plan: StreetPlan, pixels: GroundPixels, away: Floats, light: Light, zebra: bool
) -> None:
    on_road = np.abs(pixels.side) < plan.half_road - 0.1
    band = np.abs(np.abs(away) - plan.cross_half - 2.2)
    if zebra:
        stripes = _dashes(pixels.side + 0.25, 0.5, 0.5, pixels.wide)
        stripes = stripes * np.clip((1.5 - band) / pixels.long + 0.5, 0, 1) * on_road
        _paint(canvas, plan, pixels, stripes, 'Lane Marking - Crosswalk', light)
        return
    inside = (band < 1.35) & on_road
    flat = canvas.labels[pixels.inside]
    flat[inside] = LEAF['Crosswalk - Plain']
    canvas.labels[pixels.inside] = flat
    edge = np.clip((0.12 - np.abs(band - 1.4)) / pixels.long + 0.5, 0, 1) * on_road
    edge = edge * _dashes(pixels.side, 0.5, 0.3, pixels.wide)
    _paint(canvas, plan, pixels, edge, 'Lane Marking - Crosswalk', light)


def _parking_bays(plan: StreetPlan, pixels: GroundPixels, width: float) -> Floats:
    lines = np.zeros(len(pixels.z))
    for side in (-1, 1):
        at = plan.edge(side, 'Parking')
        if math.isnan(at):
            continue
        band = next(b for b in (plan.right if side > 0 else plan.left) if b.name == 'Parking')
        inside = np.abs(side * pixels.side - at) < band.width / 2
        bays = _line(np.mod(pixels.z, 5.5), 2.75, width, pixels.long) * inside
        edge = _line(side * pixels.side, at - band.width / 2, width, pixels.wide)
        lines = np.maximum(lines, np.maximum(bays, edge))
    return lines


def _line(values: Floats, at: float, width: float, footprint: Floats) -> Floats:
    return np.asarray(np.clip((width / 2 - np.abs(values - at)) / footprint + 0.5, 0, 1))


def _dashes(values: Floats, dash: float, gap: float, footprint: Floats) -> Floats:
    period = dash + gap
    centred = np.mod(values, period) - period / 2
    hit = np.clip((dash / 2 - np.abs(centred)) / footprint + 0.5, 0, 1)
    return np.asarray(np.where(footprint > period, dash / period, hit))


def _paint(
    canvas: Canvas,
    plan: StreetPlan,
    pixels: GroundPixels,
    coverage: Floats,
    name: str,
    light: Light,
) -> None:
    """Blend paint, worn in places, into colours and labels."""
    where = coverage > 0.02
    if not where.any():
        return
    x, y = pixels.side[where][None] * 40, pixels.z[where][None] * 40
    worn = np.clip(look_up(cloud_noise(8, 0.9), x, y)[0] * 0.35 + 0.85, 0.25, 1)
    weight = (coverage[where] * worn)[:, None]
    colours = canvas.rgb[pixels.inside]
    paint = np.array(plan.paint) * light.shade((0, 1, 0)) * 0.95
    colours[where] = colours[where] * (1 - weight) + np.minimum(paint, 250) * weight
    canvas.rgb[pixels.inside] = colours
    labels = canvas.labels[pixels.inside]
    labels[where & (coverage >= 0.5)] = LEAF[name]
    canvas.labels[pixels.inside] = labels


def _disc(plan: StreetPlan, z: float, side: float, radius: float, stretch: float = 1.0) -> Floats:
    centre = plan.point(z, side)
    return np.array([centre + (x, 0.0, y) for x, y in arc(0, 0, radius, 0, 350, radius * stretch)])


def _ring(canvas: Canvas, points: Floats, colour: Colour, name: str, rim: Colour) -> None:
    canvas.polygon(points, rim, LEAF[name])
    centre = points.mean(axis=0)
    canvas.polygon(centre + (points - centre) * 0.86, colour, LEAF[name])


def draw_covers(
    canvas: Canvas, plan: StreetPlan, light: Light, near: float, far: float
) -> None:
    """Draw manholes, catch basins, potholes, arrows and curb cuts between two Z."""
    step = 9.0
    shade = light.shade((0, 1, 0))
    for cell in range(math.floor(near / step), math.ceil(far / step)):
        rng = np.random.default_rng([plan.seed, 4, cell & 0xFFFFFFFF])
        z = (cell + rng.random()) * step
        side = float(rng.uniform(-1, 1) * (plan.half_road - 0.5))
        kind = rng.random()
        dark = float(rng.uniform(45, 80)) * shade
        if kind < 0.3:
            rim = (dark * 1.5,) * 3
            _ring(canvas, _disc(plan, z, side, 0.36), (dark,) * 3, 'Manhole', rim)
        elif kind < 0.36:
            points = _disc(plan, z, side, float(rng.uniform(0.25, 0.6)))
            points[:, [0, 2]] += rng.normal(0, 0.07, (len(points), 2))
            _ring(canvas, points, (dark * 0.9,) * 3, 'Pothole', (dark * 1.3,) * 3)
        if plan.kind in ('urban', 'suburban') and rng.random() < 0.3:
            edge = float(rng.choice([-1, 1])) * (plan.half_road - 0.28)
            _grate(canvas, plan, z, edge, dark * 0.8)
        if plan.kind != 'rural' and rng.random() < 0.1:
            lane = int(rng.integers(len(plan.lanes)))
            paint = min(250.0, plan.paint[0] * shade * 0.9)
            _arrow(canvas, plan, z, lane, (paint,) * 3, int(rng.integers(3)))


def _grate(canvas: Canvas, plan: StreetPlan, z: float, side: float, dark: float) -> None:
    half = 0.24
    for width, colour in ((half, dark * 1.6), (half * 0.84, dark)):
        corners = [(-width, -width), (width, -width), (width, width), (-width, width)]
        points = [plan.point(z + dz, side + dx) for dx, dz in corners]
        canvas.polygon(np.array(points), (colour,) * 3, LEAF['Catch Basin'])
    for bar in (-0.12, 0.0, 0.12):
        corners = [(-0.17, bar - 0.02), (0.17, bar - 0.02), (0.17, bar + 0.02), (-0.17, bar + 0.02)]
        points = [plan.point(z + dz, side + dx) for dx, dz in corners]
        canvas.polygon(np.array(points), (dark * 1.5,) * 3, LEAF['Catch Basin'])


def _arrow(
    canvas: Canvas, plan: StreetPlan, z: float, lane: int, colour: Colour, turn: int
) -> None:
    way = plan.directions[lane]
    shapes = [
        [(-0.08, 0), (0.08, 0), (0.08, 3.2), (-0.08, 3.2)],
        [(-0.45, 2.9), (0.45, 2.9), (0, 5.0)],
    ]
    if turn:
        bend = 1 if turn == 1 else -1
        shapes[1] = [(0, 2.2), (0, 3.0), (bend * 0.5, 3.6), (bend * 0.5, 4.4), (bend * 1.1, 3.1), (bend * 0.5, 1.9), (bend * 0.5, 2.6)]
    for shape in shapes:
        points = [plan.point(z + way * y, plan.lanes[lane] + way * x) for x, y in shape]
        canvas.polygon(np.array(points), colour, LEAF['Lane Marking - General'])


def shadow_factor(light: Light) -> float:
    """Return what is left of the light in a cast shadow."""
    return 1 - 0.6 * light.sunshine


def is_road(labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which labels are the bare road."""
    return np.asarray(labels == LEAF['Road'])
