# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The plan of a street: its cross-section, its course, its blocks and its style."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.datasets.scenes.drawing.scene import Colour, Floats

Numbers = NDArray[np.floating]


@dataclass(frozen=True)
class Band:
    """A strip along the street."""

    name: str
    """Leaf name."""
    width: float
    """Metres."""
    surface: str
    """Key of ground.SURFACES."""


@dataclass(frozen=True)
class StreetPlan:
    """Everything about a street that does not depend on where the camera stands."""

    seed: int
    kind: str
    """urban, suburban, highway or rural."""
    lanes: tuple[float, ...]
    """Centres of the lanes, metres to the right of the middle."""
    lane_width: float
    own_lane: int
    directions: tuple[int, ...]
    """Per lane: 1 along the camera's way, -1 against it."""
    half_road: float
    right: tuple[Band, ...]
    """From the road's right edge outwards."""
    left: tuple[Band, ...]
    bends: tuple[tuple[float, float, float], ...]
    """(amplitude m, wavelength m, phase) of the sine waves in its course."""
    block: float
    """Metres between intersections; 0 for none."""
    block_start: float
    cross_half: float
    """Half the width of a crossing street in metres."""
    asphalt: Colour
    paving: Colour
    paint: Colour
    edge_lines: bool
    season: float
    """0 green summer to 1 bare winter."""
    wall_height: float
    density: float
    """How much furniture and traffic there is, about 1."""

    def course(self, z: Numbers | float) -> Numbers:
        """Return X of the street's middle at Z."""
        z = np.asarray(z)
        total = np.zeros_like(z, np.float32 if z.dtype == np.float32 else np.float64)
        for amplitude, wavelength, phase in self.bends:
            total = total + amplitude * np.sin(z * (2 * math.pi / wavelength) + phase)
        return total

    def heading(self, z: float) -> float:
        """Return the street's direction at Z in radians to the right of the Z axis."""
        return math.atan(float(self.course(z + 0.5) - self.course(z - 0.5)))

    def point(self, z: float, side: float, up: float = 0.0) -> Floats:
        """Return the street point `side` metres right of the middle at Z."""
        return np.array([float(self.course(z)) + side, up, z])

    def to_crossing(self, z: Numbers | float) -> Numbers:
        """Return the signed distance along Z to the middle of the nearest intersection."""
        if not self.block:
            return np.full(np.shape(z), 1e6, np.float32)
        shifted = np.asarray(z) - self.block_start + self.block / 2
        return np.mod(shifted, self.block) - self.block / 2

    def edge(self, side: int, name: str | None = None) -> float:
        """Return metres from the middle to the outer end of a side, or to the middle of a band."""
        at = self.half_road
        for band in self.right if side > 0 else self.left:
            if band.name == name:
                return at + band.width / 2
            if name is None and band.surface == 'ground':
                return at
            at += band.width
        return at if name is None else float('nan')


def sample_plan(seed: int) -> StreetPlan:
    """Return the street of a seed."""
    rng = np.random.default_rng([seed, 1])
    kind = str(rng.choice(['urban', 'suburban', 'highway', 'rural'], p=[0.46, 0.3, 0.13, 0.11]))
    lane_width = float(rng.uniform(2.9, 3.7))
    if kind == 'highway':
        count = int(rng.integers(2, 4))
        lanes = tuple(lane_width * (k - (count - 1) / 2) for k in range(count))
        directions: tuple[int, ...] = (1,) * count
    else:
        each = 2 if rng.random() < 0.25 and kind == 'urban' else 1
        lanes = tuple(lane_width * (k + 0.5) for k in range(-each, each))
        directions = (-1,) * each + (1,) * each
        if kind == 'urban' and rng.random() < 0.15:
            directions = (1,) * (2 * each)
    own = [index for index, way in enumerate(directions) if way > 0]
    half_road = lane_width * len(lanes) / 2 + (0.6 if kind == 'highway' else rng.uniform(0.1, 0.4))
    grey = float(rng.uniform(78, 135))
    asphalt = (grey, grey + rng.uniform(-2, 3), grey + rng.uniform(-2, 8))
    stone = float(rng.uniform(125, 185))
    paving = (stone + rng.uniform(-2, 10), stone, stone - rng.uniform(0, 12))
    bends: list[tuple[float, float, float]] = []
    if rng.random() < 0.55:
        bends.append(
            (float(rng.uniform(2, 9)), float(rng.uniform(220, 420)), float(rng.uniform(0, 6.3)))
        )
    crossings = kind in ('urban', 'suburban') and rng.random() < 0.75
    block = float(rng.uniform(60, 130)) if crossings else 0.0
    snow = bool(rng.random() < 0.05)
    return StreetPlan(
        seed=seed,
        kind=kind,
        lanes=lanes,
        lane_width=lane_width,
        own_lane=int(rng.choice(own)),
        directions=directions,
        half_road=float(half_road),
        right=_snowed(_side(kind, rng), snow),
        left=_snowed(_side(kind, rng), snow),
        bends=tuple(bends),
        block=block,
        block_start=float(rng.uniform(0, max(block, 1.0))),
        cross_half=float(rng.uniform(3.2, 5.5)),
        asphalt=(float(asphalt[0]), float(asphalt[1]), float(asphalt[2])),
        paving=(float(paving[0]), float(paving[1]), float(paving[2])),
        paint=(float(rng.uniform(195, 245)),) * 3,
        edge_lines=kind in ('highway', 'rural') or rng.random() < 0.2,
        season=1.0 if snow else float(rng.beta(0.6, 1.2)),
        wall_height=float(rng.uniform(0.7, 2.2)),
        density=float(rng.uniform(0.5, 1.5)),
    )


def _snowed(bands: tuple[Band, ...], snow: bool) -> tuple[Band, ...]:
    if not snow:
        return bands
    return tuple(
        Band('Snow', band.width, 'ground' if band.surface == 'ground' else 'snow')
        if band.name == 'Terrain'
        else band
        for band in bands
    )


def _side(kind: str, rng: np.random.Generator) -> tuple[Band, ...]:
    """Return the strips of one side of a street."""
    bands: list[Band] = []

    def add(name: str, low: float, high: float, surface: str) -> None:
        bands.append(Band(name, float(rng.uniform(low, high)), surface))

    if kind == 'highway':
        add('Service Lane', 1.5, 3.0, 'asphalt')
        if rng.random() < 0.3:
            add('Sand', 0.5, 2.0, 'gravel')
        add('Terrain', 6.0, 14.0, 'grass')
    elif kind == 'rural':
        if rng.random() < 0.4:
            add('Sand', 0.4, 1.2, 'gravel')
        add('Terrain', 1.5, 6.0, 'grass')
        extra = rng.random()
        if extra < 0.25:
            add('Water', 3.0, 7.0, 'water')
        elif extra < 0.4:
            add('Rail Track', 3.2, 3.6, 'ballast')
    else:
        if rng.random() < 0.28:
            add('Bike Lane', 1.3, 1.9, 'bike')
        if rng.random() < 0.42:
            add('Parking', 2.0, 2.5, str(rng.choice(['asphalt', 'setts'])))
        add('Curb', 0.16, 0.3, 'kerb')
        if rng.random() < (0.5 if kind == 'suburban' else 0.12):
            add('Terrain', 0.8, 2.2, 'grass')
        if kind == 'urban' and rng.random() < 0.12:
            add('Pedestrian Area', 4.0, 8.0, 'setts')
        else:
            add(
                'Sidewalk',
                1.6,
                4.2,
                str(rng.choice(['slabs', 'asphalt', 'setts'], p=[0.6, 0.2, 0.2])),
            )
        if kind == 'suburban' and rng.random() < 0.1:
            add('Terrain', 0.8, 1.5, 'grass')
            add('Rail Track', 3.2, 3.6, 'ballast')
        if kind == 'suburban' and rng.random() < 0.6:
            add('Terrain', 2.0, 6.0, 'grass')
    bands.append(Band('Terrain', 400.0, 'ground'))
    return tuple(bands)
