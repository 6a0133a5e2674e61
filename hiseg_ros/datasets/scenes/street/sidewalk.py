# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Objects on the sidewalk: benches, bins, boxes, bicycles, boards, parked vehicles."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

import numpy as np

from hiseg_ros.datasets.scenes.drawing.atmosphere import Light
from hiseg_ros.datasets.scenes.drawing.canvas import Canvas
from hiseg_ros.datasets.scenes.drawing.scene import Floats
from hiseg_ros.datasets.scenes.street import furniture
from hiseg_ros.datasets.scenes.street.cells import CELL, Cell, Thing
from hiseg_ros.datasets.scenes.vehicles import riders
from hiseg_ros.datasets.scenes.vehicles.vehicles import draw_vehicle


def objects(cell: Cell) -> Iterator[Thing]:
    """Benches, bins, boxes, bicycles, boards."""
    plan, rng, light = cell.plan, cell.rng, cell.light
    if plan.kind in ('highway', 'rural'):
        if rng.random() < 0.05:
            foot, seed = cell.at(4, cell.edge + 5), cell.seed()
            yield Thing(
                2, foot, lambda c: furniture.billboard(c, light, foot, cell.heading, seed, True)
            )
        return
    for _ in range(int(rng.poisson(0.65 * plan.density))):
        along = float(rng.uniform(0, CELL))
        if not cell.free(along, 2.5):
            continue
        back = cell.at(along, cell.edge - 0.35)
        kerb = cell.at(along, cell.kerb + 0.5)
        seed = cell.seed()
        outward = math.atan2(-cell.inward()[0], -cell.inward()[2])
        kind = str(
            rng.choice(
                [
                    'bench',
                    'bin',
                    'junction',
                    'mailbox',
                    'hydrant',
                    'bicycle',
                    'bicycle',
                    'motorcycle',
                    'board',
                    'bollard',
                    'phone',
                    'rack',
                ]
            )
        )
        place = back if kind in ('bench', 'junction', 'mailbox', 'phone', 'board') else kerb
        yield Thing(
            2,
            place,
            partial(
                _object,
                kind=kind,
                light=light,
                foot=place,
                outward=outward,
                heading=cell.heading,
                seed=seed,
            ),
        )


def _object(
    canvas: Canvas,
    kind: str,
    light: Light,
    foot: Floats,
    outward: float,
    heading: float,
    seed: int,
) -> None:
    if kind == 'bench':
        furniture.bench(canvas, light, foot, outward)
    elif kind == 'bin':
        colour = ((60.0, 66.0, 60.0), (40.0, 80.0, 60.0), (210.0, 110.0, 40.0))[seed % 3]
        furniture.box(canvas, light, foot, (0.45, 0.95, 0.45), outward, 'Trash Can', colour)
        furniture.box(
            canvas,
            light,
            foot + furniture.UP * 0.95,
            (0.5, 0.08, 0.5),
            outward,
            'Trash Can',
            (48, 50, 50),
        )
    elif kind == 'junction':
        furniture.box(
            canvas, light, foot, (1.0, 1.15, 0.4), outward, 'Junction Box', (150, 156, 148)
        )
    elif kind == 'mailbox':
        colour = (236.0, 190.0, 20.0) if seed % 3 else (180.0, 30.0, 34.0)
        furniture.box(canvas, light, foot, (0.5, 1.25, 0.4), outward, 'Mailbox', colour)
        furniture.box(
            canvas,
            light,
            foot + furniture.UP * 0.95,
            (0.4, 0.06, 0.42),
            outward,
            'Mailbox',
            (40, 40, 40),
        )
    elif kind == 'hydrant':
        furniture.box(
            canvas, light, foot, (0.26, 0.75, 0.26), outward, 'Fire Hydrant', (190, 40, 36)
        )
        furniture.box(
            canvas,
            light,
            foot + furniture.UP * 0.42,
            (0.44, 0.14, 0.16),
            outward,
            'Fire Hydrant',
            (200, 60, 40),
        )
    elif kind == 'phone':
        furniture.box(
            canvas,
            light,
            foot,
            (0.95, 2.3, 0.9),
            outward,
            'Phone Booth',
            (176, 28, 40) if seed % 2 else (200, 30, 110),
        )
        furniture.box(
            canvas,
            light,
            foot + furniture.UP * 0.6,
            (0.7, 1.4, 0.94),
            outward,
            'Phone Booth',
            (88, 100, 108),
        )
    elif kind == 'board':
        furniture.billboard(canvas, light, foot, heading, seed, False)
    elif kind == 'bollard':
        furniture.post(canvas, light, foot, 1.0, 0.08, 'Pole', (60, 62, 64))
    elif kind == 'motorcycle':
        riders.draw_motorcycle(canvas, light, foot, heading + 0.7, seed)
    elif kind == 'rack':
        for shift in (-0.9, 0.0, 0.9):
            at = foot + np.array([0, 0, shift])
            furniture.box(
                canvas, light, at, (0.8, 0.75, 0.06), heading, 'Bike Rack', (150, 152, 156)
            )
        riders.draw_bicycle(canvas, light, foot + np.array([0, 0, -1.2]), heading + 1.4, seed)
    else:
        riders.draw_bicycle(canvas, light, foot, heading + 0.15, seed)


def parked(cell: Cell) -> Iterator[Thing]:
    """Yield the vehicles on the parking strip."""
    plan, rng, light = cell.plan, cell.rng, cell.light
    middle = plan.edge(cell.side, 'Parking')
    if math.isnan(middle):
        return
    for slot in (3.0, 9.0):
        name = str(
            rng.choice(
                ['Car', 'Truck', 'Caravan', 'Trailer', 'Other Vehicle'],
                p=[0.92, 0.03, 0.02, 0.015, 0.015],
            )
        )
        occupied, wobble, seed = (
            rng.random() < 0.6 * plan.density,
            rng.uniform(-0.3, 0.3),
            cell.seed(),
        )
        if not occupied or not cell.free(slot, 6.5):
            continue
        foot = cell.at(slot + wobble, middle)
        heading = (
            cell.heading if cell.side > 0 or plan.directions[0] > 0 else cell.heading + math.pi
        )
        yield Thing(
            2,
            foot,
            partial(_vehicle, light=light, foot=foot, heading=heading, name=name, seed=seed),
        )


def _vehicle(
    canvas: Canvas, light: Light, foot: Floats, heading: float, name: str, seed: int
) -> None:
    draw_vehicle(canvas, light, foot, heading, name, seed)
