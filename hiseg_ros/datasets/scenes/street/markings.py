# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Road markings, manholes, catch basins and potholes."""

from __future__ import annotations

import math

import numpy as np

from hiseg_ros.datasets.scenes.drawing.atmosphere import Light
from hiseg_ros.datasets.scenes.drawing.canvas import Canvas
from hiseg_ros.datasets.scenes.drawing.pen import arc
from hiseg_ros.datasets.scenes.drawing.scene import LEAF, Colour, Floats, Floats32
from hiseg_ros.datasets.scenes.drawing.textures import cloud_noise, look_up
from hiseg_ros.datasets.scenes.street.ground import GroundPixels
from hiseg_ros.datasets.scenes.street.plan import Numbers, StreetPlan


def draw_markings(canvas: Canvas, plan: StreetPlan, pixels: GroundPixels, light: Light) -> None:
    """Paint the lines that follow from the plan."""
    away = plan.to_crossing(pixels.z)
    free = np.abs(away) > plan.cross_half + 5.0
    lines = np.zeros(len(pixels.z), np.float32)
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
    rails = np.zeros(len(pixels.z), np.float32)
    for side in (-1, 1):
        at = plan.edge(side, 'Rail Track')
        if not math.isnan(at):
            for rail in (-0.72, 0.72):
                rails = np.maximum(rails, _line(side * pixels.side, at + rail, 0.09, pixels.wide))
    _paint(canvas, plan, pixels, rails * free, 'Rail Track', light, (96, 88, 84))
    if plan.block and rng.random() < 0.75:
        _crosswalks(canvas, plan, pixels, away, light, zebra=bool(rng.random() < 0.75))


def _crosswalks(
    canvas: Canvas,
    plan: StreetPlan,
    pixels: GroundPixels,
    away: Floats32,
    light: Light,
    zebra: bool,
) -> None:
    on_road = np.abs(pixels.side) < plan.half_road - 0.1
    band = np.abs(np.abs(away) - plan.cross_half - 2.2)
    if zebra:
        stripes = _dashes(pixels.side + 0.25, 0.5, 0.5, pixels.wide)
        stripes = stripes * np.clip((1.5 - band) / pixels.long + 0.5, 0, 1) * on_road
        _paint(canvas, plan, pixels, stripes, 'Lane Marking - Crosswalk', light)
        return
    inside = (band < 1.35) & on_road
    canvas.labels[pixels.rows[inside], pixels.columns[inside]] = LEAF['Crosswalk - Plain']
    edge = np.clip((0.12 - np.abs(band - 1.4)) / pixels.long + 0.5, 0, 1) * on_road
    edge = edge * _dashes(pixels.side, 0.5, 0.3, pixels.wide)
    _paint(canvas, plan, pixels, edge, 'Lane Marking - Crosswalk', light)


def _parking_bays(plan: StreetPlan, pixels: GroundPixels, width: float) -> Floats32:
    lines = np.zeros(len(pixels.z), np.float32)
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


def _line(values: Floats32, at: float, width: float, footprint: Floats32) -> Floats32:
    return np.asarray(np.clip((width / 2 - np.abs(values - at)) / footprint + 0.5, 0, 1))


def _dashes(values: Floats32, dash: float, gap: float, footprint: Floats32) -> Floats32:
    period = dash + gap
    centred = np.mod(values, period) - period / 2
    hit = np.clip((dash / 2 - np.abs(centred)) / footprint + 0.5, 0, 1)
    return np.asarray(np.where(footprint > period, dash / period, hit))


def _paint(
    canvas: Canvas,
    plan: StreetPlan,
    pixels: GroundPixels,
    coverage: Numbers,
    name: str,
    light: Light,
    colour: Colour | None = None,
) -> None:
    """Blend paint, worn in places, into colours and labels."""
    where = np.flatnonzero(coverage > 0.02)
    if not where.size:
        return
    rows, columns = pixels.rows[where], pixels.columns[where]
    worn = look_up(cloud_noise(8, 0.9), pixels.side[where] * 40, pixels.z[where] * 40)
    weight = (coverage[where] * np.clip(worn * 0.35 + 0.85, 0.25, 1))[:, None]
    paint = np.minimum(np.array(colour or plan.paint) * light.shade((0, 1, 0)) * 0.95, 250)
    colours = canvas.rgb[rows, columns]
    canvas.rgb[rows, columns] = (colours * (1 - weight) + paint * weight).astype(np.uint8)
    solid = coverage[where] >= 0.5
    canvas.labels[rows[solid], columns[solid]] = LEAF[name]


def _disc(plan: StreetPlan, z: float, side: float, radius: float, stretch: float = 1.0) -> Floats:
    centre = plan.point(z, side)
    return np.array([centre + (x, 0.0, y) for x, y in arc(0, 0, radius, 0, 350, radius * stretch)])


def _ring(canvas: Canvas, points: Floats, colour: Colour, name: str, rim: Colour) -> None:
    canvas.polygon(points, rim, LEAF[name])
    centre = points.mean(axis=0)
    canvas.polygon(centre + (points - centre) * 0.86, colour, LEAF[name])


def draw_covers(canvas: Canvas, plan: StreetPlan, light: Light, near: float, far: float) -> None:
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
        corners = [
            (-0.17, bar - 0.02),
            (0.17, bar - 0.02),
            (0.17, bar + 0.02),
            (-0.17, bar + 0.02),
        ]
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
        shapes[1] = [
            (0, 2.2),
            (0, 3.0),
            (bend * 0.5, 3.6),
            (bend * 0.5, 4.4),
            (bend * 1.1, 3.1),
            (bend * 0.5, 1.9),
            (bend * 0.5, 2.6),
        ]
    for shape in shapes:
        points = [plan.point(z + way * y, plan.lanes[lane] + way * x) for x, y in shape]
        canvas.polygon(np.array(points), colour, LEAF['Lane Marking - General'])
