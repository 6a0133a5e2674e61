# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Shapes of vehicles: outlines seen from the side, with windows and wheels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


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

    def above_belt(self, height: float) -> bool:
        """Return whether a point of the outline belongs to the cabin."""
        return bool(self.belt) and height > self.belt + 0.12

    def half_at(self, height: float) -> float:
        """Return half the width at a point of the outline."""
        return self.roof_half if self.above_belt(height) else self.half_width


def _car(length: float, height: float, hatch: float, hood: float, boot: float = 0.0) -> Body:
    half = length / 2
    roof_rear, roof_front = -half + hatch, half - hood - 0.75
    outline = (
        (-half, 0.3), (-half - 0.02, 0.75), (-half + 0.12 + boot, 0.92 + 0.1 * boot),
        (roof_rear, height),
        (roof_front, height), (half - hood, 0.92), (half - 0.12, 0.74), (half, 0.6), (half, 0.28),
    )  # fmt: skip
    middle = (roof_rear + roof_front) / 2
    windows = (
        (-half + 0.5 + boot * 0.8, 0.95, middle - 0.05, height - 0.1),
        (middle + 0.05, 0.95, half - hood - 0.15, height - 0.1),
    )
    return Body(
        'Car', outline, (2, 4), 0.92, 0.88, 0.64, (-half * 0.6, half * 0.62), 0.32, windows
    )


def _box(
    name: str, length: float, height: float, half_width: float, nose: float, windows: bool
) -> Body:
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
            return _car(
                rng.uniform(3.6, 4.2),
                rng.uniform(1.42, 1.55),
                rng.uniform(0.35, 0.6),
                rng.uniform(0.8, 1.0),
            )
        if kind < 0.7:
            return _car(
                rng.uniform(4.3, 4.9),
                rng.uniform(1.38, 1.48),
                rng.uniform(1.2, 1.5),
                rng.uniform(1.0, 1.25),
                rng.uniform(0.4, 0.75),
            )
        if kind < 0.9:
            return _car(
                rng.uniform(4.2, 4.8),
                rng.uniform(1.6, 1.85),
                rng.uniform(0.25, 0.45),
                rng.uniform(0.8, 1.1),
            )
        return _box(
            'Car',
            rng.uniform(4.6, 5.2),
            rng.uniform(1.85, 2.2),
            0.95,
            1.1,
            bool(rng.random() < 0.5),
        )
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
