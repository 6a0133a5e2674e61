# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""All static objects along a street."""

from __future__ import annotations

import math
from collections.abc import Iterator

from hiseg_ros.datasets.scenes.drawing.atmosphere import Light
from hiseg_ros.datasets.scenes.street.cells import CELL, Cell, Thing
from hiseg_ros.datasets.scenes.street.kerbside import lamps, signals, signs
from hiseg_ros.datasets.scenes.street.landmarks import landmarks
from hiseg_ros.datasets.scenes.street.lots import gardens, green, houses
from hiseg_ros.datasets.scenes.street.plan import StreetPlan
from hiseg_ros.datasets.scenes.street.sidewalk import objects, parked

BEHIND, AHEAD = 14.0, 150.0
"""Metres around the camera in which things are drawn."""


def roadside(plan: StreetPlan, light: Light, z: float, names: dict[int, str]) -> Iterator[Thing]:
    """Yield what stands around the camera at `z`; signs enter their name under an instance id."""
    for index in range(math.floor((z - BEHIND) / CELL), math.ceil((z + AHEAD) / CELL)):
        for side in (-1, 1):
            cell = Cell(plan, light, index, side)
            yield from houses(cell)
            yield from gardens(cell)
            yield from green(cell)
            yield from lamps(cell)
            yield from signals(cell)
            yield from signs(cell, names)
            yield from objects(cell)
            yield from parked(cell)
        yield from landmarks(plan, light, index)
