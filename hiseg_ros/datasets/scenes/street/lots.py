# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The land beside the street: houses, garden fences, walls, hedges, trees."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from hiseg_ros.datasets.scenes.drawing.atmosphere import Light
from hiseg_ros.datasets.scenes.drawing.canvas import Canvas
from hiseg_ros.datasets.scenes.drawing.scene import Floats
from hiseg_ros.datasets.scenes.street import barriers, vegetation
from hiseg_ros.datasets.scenes.street.buildings import draw_house
from hiseg_ros.datasets.scenes.street.cells import CELL, Cell, Thing


def houses(cell: Cell) -> Iterator[Thing]:
    """Yield the houses, in rows in town."""
    plan, rng = cell.plan, cell.rng
    urban = plan.kind == 'urban'
    chance = {'urban': 0.86, 'suburban': 0.68, 'highway': 0.06, 'rural': 0.12}[plan.kind]
    setback = 0.0 if urban else float(rng.uniform(1.5, 6)) + (12 if plan.kind == 'highway' else 0)
    if rng.random() > chance:
        return
    first, last = (
        (0.0, CELL) if urban else (float(rng.uniform(0.5, 2)), float(rng.uniform(8.5, 11.5)))
    )
    margin = 2.3
    while first < CELL - 4 and not cell.free(first, margin):
        first += 0.25
    while last > first + 4 and not cell.free(last, margin):
        last -= 0.25
    if last - first < 4.0 or not cell.free((first + last) / 2, margin):
        return
    tall = float(rng.uniform(7.5, 17)) if urban else float(rng.uniform(3.2, 6.5))
    roof = 0.0 if urban and rng.random() < 0.55 else float(rng.uniform(2.0, 4.0))
    depth = float(rng.uniform(7, 12))
    near = cell.edge + setback
    # Counter-clockwise from above, the wall at the street first.
    corners = [
        cell.at(last, near),
        cell.at(first, near),
        cell.at(first, near + depth),
        cell.at(last, near + depth),
    ]
    if cell.side < 0:
        corners = [corners[1], corners[0], corners[3], corners[2]]
    array = np.array(corners)
    shop = urban and rng.random() < 0.5
    draw = partial(
        draw_house,
        light=cell.light,
        corners=array,
        height=tall,
        roof=roof,
        seed=cell.seed(),
        shop=shop,
    )
    yield Thing(0, array.mean(axis=0), lambda canvas: draw(canvas))


def gardens(cell: Cell) -> Iterator[Thing]:
    """Fences, walls and hedges between street and gardens; guard rails out of town."""
    plan, rng, light = cell.plan, cell.rng, cell.light
    style = np.random.default_rng([plan.seed, 12, cell.side + 1])
    kind = str(
        style.choice(['none', 'fence', 'wall', 'hedge', 'mixed'], p=[0.15, 0.25, 0.2, 0.2, 0.2])
    )
    if plan.kind in ('highway', 'rural'):
        kind = 'rail' if style.random() < (0.55 if plan.kind == 'highway' else 0.2) else 'none'
        if plan.kind == 'highway' and style.random() < 0.25:
            kind = 'barrier'
    elif plan.kind == 'urban' and rng.random() > 0.12:
        return
    if kind == 'mixed':
        kind = str(rng.choice(['fence', 'wall', 'hedge', 'none']))
    out = cell.edge + 0.15 if plan.kind not in ('highway', 'rural') else cell.kerb + 0.5
    if not (cell.free(0, 2.3) and cell.free(CELL, 2.3)) or kind == 'none' or cell.crossing:
        return
    start, end = cell.at(0, out), cell.at(CELL, out)
    middle = cell.at(CELL / 2, out)
    tint = float(style.uniform(0.6, 1.1))
    if kind == 'fence':
        number, height = int(style.integers(3)), float(style.uniform(0.9, 1.9))
        wood = [(140.0, 104.0, 72.0), (225.0, 225.0, 220.0), (62.0, 72.0, 66.0)][number]
        colour = (wood[0] * tint, wood[1] * tint, wood[2] * tint)
        yield Thing(
            1, middle, lambda c: barriers.fence(c, light, start, end, height, number, colour)
        )
    elif kind == 'wall':
        stone = (168 * tint, 140 * tint, 118 * tint)
        yield Thing(
            1, middle, lambda c: barriers.wall(c, light, start, end, plan.wall_height, stone)
        )
    elif kind == 'barrier':
        concrete = (170 * tint, 168 * tint, 162 * tint)
        yield Thing(
            1, middle, lambda c: barriers.wall(c, light, start, end, 0.85, concrete, 'Barrier')
        )
    elif kind == 'rail':
        yield Thing(1, middle, lambda c: barriers.guard_rail(c, light, start, end))
    else:
        for step in range(6):
            foot, seed = cell.at(step * 2.0 + 1, out + 0.4), cell.seed()
            yield Thing(
                1,
                foot,
                partial(
                    _bush,
                    light=light,
                    foot=foot,
                    width=2.9,
                    height=plan.wall_height,
                    seed=seed,
                    season=plan.season,
                ),
            )


def _bush(
    canvas: Canvas,
    light: Light,
    foot: Floats,
    width: float,
    height: float,
    seed: int,
    season: float,
) -> None:
    vegetation.draw_bush(canvas, light, foot, width, height, seed, season)


def _tree(
    canvas: Canvas, light: Light, foot: Floats, height: float, seed: int, season: float
) -> None:
    vegetation.draw_tree(canvas, light, foot, height, seed, season)


def green(cell: Cell) -> Iterator[Thing]:
    """Trees and bushes, at the kerb and behind."""
    plan, rng, light = cell.plan, cell.rng, cell.light
    style = np.random.default_rng([plan.seed, 13, cell.side + 1])
    alley = style.random() < 0.55 and plan.kind in ('urban', 'suburban')
    if alley and rng.random() < 0.75 and cell.free(6, 3):
        out = min(cell.kerb + 0.8, cell.edge - 0.3) if cell.edge - cell.kerb > 1.6 else cell.edge
        foot, seed, height = cell.at(6, out), cell.seed(), float(rng.uniform(4.5, 8.5))
        yield Thing(
            2,
            foot,
            partial(_tree, light=light, foot=foot, height=height, seed=seed, season=plan.season),
        )
    count = {'urban': 0.8, 'suburban': 2.2, 'highway': 2.2, 'rural': 2.6}[plan.kind]
    for _ in range(int(rng.poisson(count))):
        along, reach = float(rng.uniform(0, CELL)), float(rng.uniform(1.5, 22))
        if not cell.free(along, 3):
            continue
        base = cell.edge + reach + (3 if plan.kind == 'highway' else 0)
        foot, seed, height = cell.at(along, base), cell.seed(), float(rng.uniform(3.5, 11))
        yield Thing(
            0,
            foot,
            partial(_tree, light=light, foot=foot, height=height, seed=seed, season=plan.season),
        )
        if rng.random() < 0.7:
            low = cell.at(along + 2, base - 1)
            size = float(rng.uniform(0.8, 2.2))
            yield Thing(
                0,
                low,
                partial(
                    _bush,
                    light=light,
                    foot=low,
                    width=size * 1.6,
                    height=size,
                    seed=seed,
                    season=plan.season,
                ),
            )
    if (
        cell.crossing
        and plan.kind != 'highway'
        and abs(float(plan.to_crossing(cell.start + CELL / 2))) < CELL / 2
    ):
        # The crossing street ends in trees.
        for out in (38.0, 46.0):
            foot, seed = cell.at(float(rng.uniform(0, CELL)), cell.edge + out), cell.seed()
            yield Thing(
                0,
                foot,
                partial(_tree, light=light, foot=foot, height=9.0, seed=seed, season=plan.season),
            )
