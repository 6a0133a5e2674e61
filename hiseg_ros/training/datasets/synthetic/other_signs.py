# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Signs outside the 43 types: parking, one way, dead end, directions, plates, no stopping."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hiseg_ros.training.datasets.synthetic import sign_pictograms as pictograms
from hiseg_ros.training.datasets.synthetic.sign_canvas import GLYPHS, Canvas, Color
from hiseg_ros.training.datasets.synthetic.sign_pictograms import BLACK, BLUE, RED, WHITE

YELLOW: Color = (248, 198, 12)

_LETTERS = tuple(c for c in GLYPHS if c.isalpha())


def _plate(canvas: Canvas, height: float, face: Color, rim: Color) -> None:
    """Draw a full-width plate of half height `height` with a thin rim."""
    for inset, color in ((0.0, face), (0.03, rim), (0.08, face)):
        radius = 0.08 - inset / 2
        x, y = 1 - inset - radius, height - inset - radius
        canvas.rounded([(-x, -y), (x, -y), (x, y), (-x, y)], radius, color)


def _words(canvas: Canvas, rng: np.random.Generator, color: Color, count: int) -> None:
    word = ''.join(rng.choice(_LETTERS, count).tolist())
    canvas.at(0, 0, min(1.0, 3.0 / count)).text(word, 1.0, float(rng.uniform(0.12, 0.17)), color)


def _parking(canvas: Canvas, rng: np.random.Generator) -> None:
    _plate(canvas, 1.0, BLUE, WHITE)
    canvas.at(0, 0, (1.25, 1.0)).text('P', 1.35, 0.18, WHITE)


def _dead_end(canvas: Canvas, rng: np.random.Generator) -> None:
    _plate(canvas, 1.0, BLUE, WHITE)
    canvas.rectangle(-0.14, -0.3, 0.14, 0.8, WHITE)
    canvas.rectangle(-0.5, -0.6, 0.5, -0.3, RED)


def _zebra(canvas: Canvas, rng: np.random.Generator) -> None:
    _plate(canvas, 1.0, BLUE, WHITE)
    canvas.polygon([(0, -0.82), (0.84, 0.7), (-0.84, 0.7)], WHITE)
    pictograms.crossing(canvas.at(0, 0.2, 0.44))


def _one_way(canvas: Canvas, rng: np.random.Generator) -> None:
    _plate(canvas, 0.36, BLUE, WHITE)
    way = canvas.at(0, 0, (float(rng.choice((-1.0, 1.0))), 1.0))
    way.arrow([(-0.85, 0), (0.85, 0)], 0.3, 0.36, WHITE)


def _direction(canvas: Canvas, rng: np.random.Generator) -> None:
    face, ink = ((YELLOW, BLACK), (WHITE, BLACK), (BLUE, WHITE))[int(rng.integers(3))]
    height = float(rng.uniform(0.26, 0.5))
    view = canvas.at(0, 0, (float(rng.choice((-1.0, 1.0))), 1.0))
    for inset, color in ((0.0, face), (0.03, ink), (0.07, face)):
        y, x = height - inset, 1 - inset
        view.polygon([(-x, -y), (0.7, -y), (x, 0), (0.7, y), (-x, y)], color)
    _words(canvas.at(-0.1, 0, height * 1.3), rng, ink, int(rng.integers(4, 8)))


def _town(canvas: Canvas, rng: np.random.Generator) -> None:
    height = float(rng.uniform(0.45, 0.7))
    face, ink = ((YELLOW, BLACK), (WHITE, BLACK), (BLUE, WHITE))[int(rng.integers(3))]
    _plate(canvas, height, face, ink)
    for y in (-0.42, 0.38):
        _words(canvas.at(0, y * height, height * 0.75), rng, ink, int(rng.integers(4, 10)))


def _information(canvas: Canvas, rng: np.random.Generator) -> None:
    _plate(canvas, float(rng.uniform(0.3, 0.6)), WHITE, BLACK)
    if rng.random() < 0.5:
        way = canvas.at(0, 0, (float(rng.choice((-1.0, 1.0))), 1.0))
        way.arrow([(-0.7, 0), (0.75, 0)], 0.12, 0.26, BLACK)
    else:
        _words(canvas.at(0, 0, 0.5), rng, BLACK, int(rng.integers(3, 7)))


def _chevrons(canvas: Canvas, rng: np.random.Generator) -> None:
    _plate(canvas, 0.4, WHITE, WHITE)
    way = canvas.at(0, 0, (float(rng.choice((-1.0, 1.0))), 1.0))
    for x in (-0.92, -0.3, 0.32):
        way.polygon(
            [(x, -0.38), (x + 0.3, -0.38), (x + 0.6, 0), (x + 0.3, 0.38), (x, 0.38), (x + 0.3, 0)],
            RED,
        )


def _barrier(canvas: Canvas, rng: np.random.Generator) -> None:
    """Draw a narrow beacon with red and white slanted bands."""
    canvas.rectangle(-0.28, -1, 0.28, 1, WHITE)
    slant = float(rng.choice((-0.28, 0.28)))
    for y in (-0.72, -0.08, 0.56):
        low, high = y - slant, y + slant
        points = [(-0.28, low), (0.28, high), (0.28, high + 0.32), (-0.28, low + 0.32)]
        canvas.polygon([(px, min(1.0, max(-1.0, py))) for px, py in points], RED)


def _no_stopping(canvas: Canvas, rng: np.random.Generator) -> None:
    canvas.disc(0, 0, 1, RED)
    canvas.disc(0, 0, 0.76, BLUE)
    canvas.stroke([(-0.6, -0.6), (0.6, 0.6)], 0.2, RED)
    if rng.random() < 0.6:
        canvas.stroke([(0.6, -0.6), (-0.6, 0.6)], 0.2, RED)


def _cycle_path(canvas: Canvas, rng: np.random.Generator) -> None:
    canvas.disc(0, 0, 1, BLUE)
    draw = pictograms.bicycle if rng.random() < 0.5 else pictograms.walker
    draw(canvas.at(0, 0, 0.62), WHITE)


_DESIGNS: tuple[Callable[[Canvas, np.random.Generator], None], ...] = (
    _parking, _dead_end, _zebra, _one_way, _direction, _town, _information, _chevrons, _barrier,
    _no_stopping, _cycle_path,
)  # fmt: skip


def draw_other(canvas: Canvas, rng: np.random.Generator) -> None:
    """Draw a random design that is none of the 43 types."""
    _DESIGNS[int(rng.integers(len(_DESIGNS)))](canvas, rng)
