# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Cells of the street: each has its own seed, so every frame of a drive shows the same objects."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from hiseg_ros.datasets.scenes.drawing.atmosphere import Light
from hiseg_ros.datasets.scenes.drawing.canvas import Canvas
from hiseg_ros.datasets.scenes.drawing.scene import Floats
from hiseg_ros.datasets.scenes.street.plan import StreetPlan

CELL = 12.0
"""Metres of street that are laid out together."""


class Thing(NamedTuple):
    """Something to draw: a lower layer is always drawn first, then the farther one."""

    layer: int
    """0 houses and woods, 1 garden fences, 2 everything at the street."""
    place: Floats
    draw: Callable[[Canvas], None]


class Cell:
    """One cell on one side of the street."""

    def __init__(self, plan: StreetPlan, light: Light, index: int, side: int) -> None:
        """Lay out cell `index` on one side, 1 right or -1 left."""
        self.plan, self.light, self.side = plan, light, side
        self.start = index * CELL
        self.key = (index & 0x7FFFFFF) * 2 + (side > 0)
        self.rng = np.random.default_rng([plan.seed, 11, self.key])
        self.edge = plan.edge(side)
        """Metres from the middle to the outer edge of the street."""
        self.kerb = plan.half_road
        bands = plan.right if side > 0 else plan.left
        for band in bands:
            if band.name in ('Bike Lane', 'Parking', 'Service Lane', 'Curb'):
                self.kerb += band.width
        middle = self.start + CELL / 2
        gap = abs(float(plan.to_crossing(middle)))
        self.crossing = gap < plan.cross_half + 2.5 + CELL / 2
        self.heading = plan.heading(middle)

    def seed(self) -> int:
        """Return the seed of the next thing."""
        return int(self.rng.integers(1 << 30))

    def at(self, along: float, out: float, up: float = 0.0) -> Floats:
        """Return the point `along` metres into the cell and `out` metres from the middle."""
        return self.plan.point(self.start + along, self.side * out, up)

    def free(self, along: float, margin: float = 1.0) -> bool:
        """Return whether the place is clear of the crossing street."""
        gap = abs(float(self.plan.to_crossing(self.start + along)))
        return gap > self.plan.cross_half + margin

    def inward(self) -> Floats:
        """Return the unit vector to the street's middle."""
        return np.array(
            [-self.side * math.cos(self.heading), 0.0, self.side * math.sin(self.heading)]
        )
