# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Moving objects: vehicles and riders in their lanes, people and dogs on the sidewalks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

import numpy as np

from hiseg_ros.datasets.scenes.drawing.atmosphere import Light
from hiseg_ros.datasets.scenes.drawing.canvas import Canvas
from hiseg_ros.datasets.scenes.drawing.scene import Floats
from hiseg_ros.datasets.scenes.street.cells import Thing
from hiseg_ros.datasets.scenes.street.plan import StreetPlan
from hiseg_ros.datasets.scenes.vehicles.people import draw_dog, draw_person, draw_wheelchair
from hiseg_ros.datasets.scenes.vehicles.riders import draw_horse, draw_rider
from hiseg_ros.datasets.scenes.vehicles.vehicles import draw_vehicle

RING = 320.0
"""Metres after which moving things repeat; they change ends out of sight."""


def _ring(start: float, speed: float, time: float, z: float) -> float:
    """Return the place along the street, within half a ring of the camera at `z`."""
    offset = (start + speed * time - z + RING * 0.25) % RING
    return z + offset - RING * 0.25


def traffic(
    plan: StreetPlan, light: Light, z: float, time: float, speed: float
) -> Iterator[Thing]:
    """Yield what moves around the camera at `z` and `time` seconds; `speed` is the camera's."""
    for lane, side in enumerate(plan.lanes):
        rng = np.random.default_rng([plan.seed, 16, lane])
        own = lane == plan.own_lane
        pace = (
            speed
            if own
            else plan.directions[lane] * float(rng.uniform(0.8, 1.3)) * max(speed, 5.0)
        )
        first = float(rng.uniform(0, 60))
        place = z - speed * time + (float(rng.uniform(9, 45)) if own else first)
        end = place + RING - 45
        while place < end:
            name = str(rng.choice(
                ['Car', 'Truck', 'Bus', 'bicycle', 'motorcycle', 'Caravan', 'horse'],
                p=[0.67, 0.07, 0.06, 0.1, 0.065, 0.02, 0.015],
            ))  # fmt: skip
            seed = int(rng.integers(1 << 30))
            braking = bool(rng.random() < 0.2)
            if plan.kind == 'highway' and name in ('bicycle', 'horse'):
                name = 'Truck'
            at = _ring(place, pace, time, z)
            place += float(rng.uniform(16, 90)) / plan.density + (
                10 if name in ('Bus', 'Truck') else 0
            )
            if not -20 < at - z < 140 or (
                own and at - z < (13.0 if name in ('Truck', 'Bus', 'Caravan') else 7.5)
            ):
                continue
            yield _mover(
                plan, light, at, side, plan.directions[lane], name, seed, time * abs(pace), braking
            )
    if plan.kind in ('urban', 'suburban'):
        yield from _walkers(plan, light, z, time)


def _mover(
    plan: StreetPlan,
    light: Light,
    at: float,
    side: float,
    way: int,
    name: str,
    seed: int,
    run: float,
    braking: bool,
) -> Thing:
    heading = plan.heading(at) + (0.0 if way > 0 else math.pi)
    if name in ('bicycle', 'motorcycle'):
        shift = way * plan.lane_width * 0.3 if name == 'bicycle' else 0.0
        foot = plan.point(at, side + shift)
        draw = partial(
            draw_rider,
            light=light,
            foot=foot,
            heading=heading + 0.12,
            phase=run * 1.4,
            seed=seed,
            motor=name == 'motorcycle',
        )
    elif name == 'horse':
        foot = plan.point(at, side + way * plan.lane_width * 0.25)
        draw = partial(
            draw_horse, light=light, foot=foot, heading=heading + 0.1, phase=run, seed=seed
        )
    else:
        foot = plan.point(at, side)
        draw = partial(
            draw_vehicle,
            light=light,
            foot=foot,
            heading=heading,
            name=name,
            seed=seed,
            braking=braking,
        )
    return Thing(2, foot, lambda canvas: draw(canvas))


def _walkers(plan: StreetPlan, light: Light, z: float, time: float) -> Iterator[Thing]:
    for side in (-1, 1):
        middle, width = _walkway(plan, side)
        if math.isnan(middle):
            continue
        rng = np.random.default_rng([plan.seed, 17, side + 1])
        for _ in range(
            int(rng.poisson(20 * plan.density * (1.3 if plan.kind == 'urban' else 0.5)))
        ):
            start, way = float(rng.uniform(0, RING)), float(rng.choice([-1, 1]))
            pace = way * float(rng.uniform(0.9, 1.6)) if rng.random() < 0.8 else 0.0
            out = middle + float(rng.uniform(-0.38, 0.38)) * width
            pram = rng.random() < 0.05
            seed, dog, pair = int(rng.integers(1 << 30)), rng.random() < 0.06, rng.random() < 0.25
            at = _ring(start, pace, time, z)
            if not 1.5 < at - z < 90:
                continue
            heading = (
                plan.heading(at) + (0 if way > 0 else math.pi) + (1.2 * side if pace == 0 else 0)
            )
            foot = plan.point(at, side * out)
            phase = time * abs(pace) * 4.2 + seed % 7
            yield Thing(2, foot, _walker(light, foot, heading, phase, seed))
            if pram:
                before = plan.point(at + way * 0.8, side * out)
                yield Thing(
                    2, before, partial(_pram, light=light, foot=before, heading=heading, seed=seed)
                )
            if pair:
                beside = plan.point(at + 0.15, side * out + 0.5)
                yield Thing(2, beside, _walker(light, beside, heading, phase + 1, seed + 1))
            if dog:
                place = plan.point(at + way * 0.9, side * out + 0.3)
                yield Thing(
                    2, place, partial(_dog, light=light, foot=place, heading=heading, seed=seed)
                )
    yield from _cyclists(plan, light, z, time)
    yield from _crossing_people(plan, light, z, time)


def _cyclists(plan: StreetPlan, light: Light, z: float, time: float) -> Iterator[Thing]:
    """Those on the bicycle lanes, where there are some."""
    for side in (-1, 1):
        out = plan.edge(side, 'Bike Lane')
        if math.isnan(out):
            continue
        rng = np.random.default_rng([plan.seed, 21, side + 1])
        way = 1 if side > 0 or plan.directions[0] > 0 else -1
        for _ in range(int(rng.poisson(9 * plan.density))):
            pace = way * float(rng.uniform(3.5, 6.5))
            at = _ring(float(rng.uniform(0, RING)), pace, time, z)
            seed, wobble = int(rng.integers(1 << 30)), float(rng.uniform(-0.2, 0.2))
            if 2.5 < at - z < 100:
                foot = plan.point(at, side * out + wobble)
                heading = plan.heading(at) + (0.0 if way > 0 else math.pi) + 0.1
                draw = partial(
                    draw_rider,
                    light=light,
                    foot=foot,
                    heading=heading,
                    phase=time * 7,
                    seed=seed,
                    motor=False,
                )
                yield Thing(2, foot, draw)


def _walkway(plan: StreetPlan, side: int) -> tuple[float, float]:
    """Return the middle and the width of a side's sidewalk, NaN when there is none."""
    for band in plan.right if side > 0 else plan.left:
        if band.name in ('Sidewalk', 'Pedestrian Area'):
            return plan.edge(side, band.name), band.width
    return math.nan, 0.0


def _walker(light: Light, foot: Floats, heading: float, phase: float, seed: int) -> partial[None]:
    return partial(_person, light=light, foot=foot, heading=heading, phase=phase, seed=seed)


def _person(
    canvas: Canvas, light: Light, foot: Floats, heading: float, phase: float, seed: int
) -> None:
    draw_person(canvas, light, foot, heading, phase, seed)


def _dog(canvas: Canvas, light: Light, foot: Floats, heading: float, seed: int) -> None:
    draw_dog(canvas, light, foot, heading, seed)


def _pram(canvas: Canvas, light: Light, foot: Floats, heading: float, seed: int) -> None:
    draw_wheelchair(canvas, light, foot, heading, seed)


def _crossing_people(plan: StreetPlan, light: Light, z: float, time: float) -> Iterator[Thing]:
    """People on the crosswalks."""
    if not plan.block:
        return
    for ahead in (0, 1):
        number = math.floor((z - plan.block_start) / plan.block) + 1 + ahead
        line = plan.block_start + number * plan.block - plan.cross_half - 2.2
        rng = np.random.default_rng([plan.seed, 18, number & 0xFFFFFFFF])
        if line - z < 9:
            continue
        for _ in range(int(rng.poisson(1.2))):
            way = float(rng.choice([-1, 1]))
            span = 2 * plan.half_road + 6
            side = (float(rng.uniform(0, span)) + way * 1.3 * time) % span - span / 2
            foot = plan.point(line + float(rng.uniform(-0.9, 0.9)), side)
            seed = int(rng.integers(1 << 30))
            yield Thing(
                2, foot, _walker(light, foot, way * math.pi / 2, time * 5.5 + seed % 7, seed)
            )
