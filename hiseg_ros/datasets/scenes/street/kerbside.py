# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Objects along the kerb: lamps, utility poles, traffic lights, signs."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from hiseg_ros.datasets.scenes.drawing.canvas import Canvas
from hiseg_ros.datasets.scenes.drawing.scene import LEAF, SIGN_TYPES
from hiseg_ros.datasets.scenes.signs.signs import OTHER_VARIANTS
from hiseg_ros.datasets.scenes.street import furniture, sign_plates
from hiseg_ros.datasets.scenes.street.cells import CELL, Cell, Thing


def lamps(cell: Cell) -> Iterator[Thing]:
    """Yield street lights and utility poles."""
    plan, rng, light = cell.plan, cell.rng, cell.light
    style = np.random.default_rng([plan.seed, 14, cell.side + 1])
    number = int(style.integers(6))
    height = float(style.uniform(4.5, 8.5))
    every = int(style.integers(2, 4))
    index = round(cell.start / CELL)
    inward = cell.inward()
    out = cell.kerb + 0.45
    if plan.kind != 'rural' and index % every == 0 and cell.free(2, 2):
        foot = cell.at(2, out)
        if style.random() < 0.8:
            yield Thing(
                2, foot, lambda c: furniture.street_light(c, light, foot, inward, height, number)
            )
            if plan.kind == 'urban' and rng.random() < 0.12:
                eye = foot + furniture.UP * 3.6 + inward * 0.25
                yield Thing(
                    2,
                    eye,
                    lambda c: furniture.box(
                        c,
                        light,
                        eye,
                        (0.22, 0.2, 0.5),
                        cell.heading,
                        'CCTV Camera',
                        (205, 205, 208),
                    ),
                )
    if plan.kind in ('suburban', 'rural') and style.random() < 0.4 and index % 3 == 1:
        wood = cell.at(5, cell.edge + 0.5)
        right = -inward * cell.side
        yield Thing(2, wood, lambda c: furniture.utility_pole(c, light, wood, right))


def signals(cell: Cell) -> Iterator[Thing]:
    """Yield the traffic lights of a crossing."""
    plan, rng, light = cell.plan, cell.rng, cell.light
    out, inward = cell.kerb + 0.45, cell.inward()
    gap = float(plan.to_crossing(cell.start + CELL / 2))
    signals = np.random.default_rng([plan.seed, 15]).random() < 0.55 and plan.kind == 'urban'
    if signals and plan.block and abs(gap) < CELL / 2:
        centre = cell.start + CELL / 2 - gap
        state, arm = int(rng.integers(3)), float(rng.choice([0.0, 0.0, 3.5]))
        place = plan.point(centre - cell.side * (plan.cross_half + 1.3), cell.side * out)
        facing = cell.heading if cell.side > 0 else cell.heading + math.pi
        yield Thing(
            2,
            place,
            lambda c: furniture.traffic_light(c, light, place, facing, state, arm, inward),
        )
        other = plan.point(centre + cell.side * (plan.cross_half + 1.3), cell.side * out)
        yield Thing(
            2,
            other,
            lambda c: furniture.traffic_light(c, light, other, facing, state, 0.0, inward),
        )


def signs(cell: Cell, names: dict[int, str]) -> Iterator[Thing]:
    """Yield posts with signs; each sign enters its name under an instance id."""
    plan, rng, light = cell.plan, cell.rng, cell.light
    if rng.random() > 0.42:
        return
    along = float(rng.uniform(0, CELL))
    if not cell.free(along, 1.5):
        return
    foot = cell.at(along, cell.kerb + float(rng.uniform(0.3, 0.7)))
    # Those on the right are read along the camera's way, those on the left against it or, in
    # one-way streets and on motorways, also along it.
    same = cell.side > 0 or plan.directions[0] > 0 or rng.random() < 0.2
    heading = cell.heading + (0 if same else math.pi) + float(rng.normal(0, 0.09))
    count = int(rng.choice([1, 2, 3], p=[0.68, 0.25, 0.07]))
    side = float(rng.uniform(0.55, 0.8)) * (1.35 if plan.kind == 'highway' else 1.0)
    top = float(rng.uniform(2.2, 3.0))
    plates = []
    used: set[str] = set()
    for number in range(count):
        choices = SIGN_TYPES if rng.random() < 0.74 else OTHER_VARIANTS
        name = str(rng.choice([other for other in choices if other not in used]))
        used.add(name)
        centre = (
            foot
            + furniture.UP * (top - number * side * 1.04)
            - np.array([math.sin(heading), 0, math.cos(heading)]) * 0.06
        )
        instance = (cell.key * 4 + number) % 30000 + 1
        names[instance] = name
        plates.append((centre, side, heading, name, cell.seed(), instance))

    def draw(canvas: Canvas) -> None:
        furniture.post(canvas, light, foot, top + side / 2, 0.035, 'Pole', furniture.STEEL)
        for plate in plates:
            sign_plates.sign_plate(canvas, light, *plate)

    yield Thing(2, foot, draw)
    if plan.kind == 'highway' and rng.random() < 0.15:
        yield _gantry(cell)


def _gantry(cell: Cell) -> Thing:
    """A sign bridge over the motorway."""
    light, width = cell.light, cell.kerb + 1.0
    left, right = cell.plan.point(cell.start, -width), cell.plan.point(cell.start, width)
    heading, seed = cell.heading, cell.seed()

    def draw(canvas: Canvas) -> None:
        for foot in (left, right):
            furniture.post(canvas, light, foot, 6.6, 0.16, 'Traffic Sign Frame', furniture.STEEL)
        for low in (5.4, 6.5):
            up = furniture.UP
            beam = np.array(
                [
                    left + up * low,
                    right + up * low,
                    right + up * (low + 0.16),
                    left + up * (low + 0.16),
                ]
            )
            canvas.polygon(
                beam, light.lit(furniture.STEEL, (0, 0.2, -0.6)), LEAF['Traffic Sign Frame']
            )
        for part in (0.35, 0.7):
            centre = left + (right - left) * part + furniture.UP * 6.0
            sign_plates.sign_plate(canvas, light, centre, 3.4, heading, 'motorway', seed, 0)

    return Thing(2, (left + right) / 2, draw)
