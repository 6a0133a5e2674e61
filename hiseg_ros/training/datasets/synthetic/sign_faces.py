# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Faces of signs after German designs: rims, triangles, discs and what is drawn on them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hiseg_ros.training.datasets.synthetic import sign_pictograms as pictograms
from hiseg_ros.training.datasets.synthetic.sign_canvas import Canvas, Color, Point, arc
from hiseg_ros.training.datasets.synthetic.sign_pictograms import BLACK, BLUE, RED, WHITE

YELLOW: Color = (248, 190, 12)
GREY: Color = (120, 122, 124)

Painter = Callable[[Canvas, np.random.Generator], None]
Pictogram = Callable[[Canvas], None]


def _placed(canvas: Canvas, scale: float, rng: np.random.Generator, y: float = 0.0) -> Canvas:
    """Return a view for a pictogram with a slightly varied place and scale."""
    dx, dy = rng.uniform(-0.02, 0.02, 2).tolist()
    return canvas.at(dx, y + dy, scale * float(rng.uniform(0.93, 1.06)))


def _red_rim(canvas: Canvas, rng: np.random.Generator) -> None:
    canvas.disc(0, 0, 1, WHITE)
    canvas.disc(0, 0, float(rng.uniform(0.95, 1.0)), RED)
    canvas.disc(0, 0, float(rng.uniform(0.72, 0.8)), WHITE)


def limit(number: str) -> Painter:
    """Return the drawing of a speed limit: black digits within a red rim."""

    def paint(canvas: Canvas, rng: np.random.Generator) -> None:
        _red_rim(canvas, rng)
        narrow = (0.72, 0.92) if len(number) == 3 else (0.96, 1.0)
        placed = _placed(canvas, 1.0, rng).at(0, 0, narrow)
        placed.text(number, 0.84, float(rng.uniform(0.17, 0.2)), BLACK)

    return paint


def forbidden(draw: Pictogram, scale: float, y: float = 0.0) -> Painter:
    """Return the drawing of a pictogram within a red rim."""

    def paint(canvas: Canvas, rng: np.random.Generator) -> None:
        _red_rim(canvas, rng)
        draw(_placed(canvas, scale, rng, y))

    return paint


def overtaking(left: Color, right: Color, truck: bool) -> Pictogram:
    """Return the pictogram of two vehicles side by side, the left one a truck or a car."""

    def draw(canvas: Canvas) -> None:
        if truck:
            pictograms.truck_behind(canvas.at(-0.5, 0.06, 0.43), left)
        else:
            pictograms.car(canvas.at(-0.5, 0.0, 0.43), left)
        pictograms.car(canvas.at(0.5, 0.0, 0.43), right)

    return draw


def ending(draw: Pictogram) -> Painter:
    """Return the drawing of a faint pictogram under slanted black lines."""

    def paint(canvas: Canvas, rng: np.random.Generator) -> None:
        canvas.disc(0, 0, 1, GREY if rng.random() < 0.8 else WHITE)
        canvas.disc(0, 0, 0.95, WHITE)
        draw(_placed(canvas, 1.0, rng))
        gap = float(rng.uniform(0.08, 0.095))
        width = 0.6 * gap
        for step in (-2, -1, 0, 1, 2):
            shift = step * gap
            reach = float(np.sqrt(0.94**2 - shift**2)) / np.sqrt(2)
            cx, cy = shift / np.sqrt(2), shift / np.sqrt(2)
            canvas.stroke([(cx - reach, cy + reach), (cx + reach, cy - reach)], width, BLACK)

    return paint


def grey_80(canvas: Canvas) -> None:
    """Draw the number 80 in grey."""
    canvas.text('80', 1.0, 0.18, (140, 142, 144))


def danger(draw: Pictogram, scale: float = 0.46, y: float = 0.27) -> Painter:
    """Return the drawing of a pictogram in a red triangle."""

    def paint(canvas: Canvas, rng: np.random.Generator) -> None:
        _triangle(canvas, rng)
        draw(_placed(canvas, scale, rng, y))

    return paint


def sometimes_mirrored(draw: Pictogram) -> Painter:
    """Return the drawing of a pictogram in a red triangle that may face the other way."""
    as_is, mirrored = danger(draw), danger(pictograms.mirrored(draw))
    return lambda canvas, rng: (mirrored if rng.random() < 0.2 else as_is)(canvas, rng)


def pedestrian(canvas: Canvas, rng: np.random.Generator) -> None:
    """Draw a walking person in a red triangle, with or without zebra stripes."""
    draw = pictograms.crossing if rng.random() < 0.3 else pictograms.walker
    danger(draw)(canvas, rng)


def _triangle(canvas: Canvas, rng: np.random.Generator) -> None:
    def layer(inset: float, radius: float, color: Color) -> None:
        # The incentre is at (0, 0.289); corners lie at distance 1.155 from it.
        reach = 1.155 - 2 * (inset + radius)
        corners = [
            (reach * np.cos(a), 0.289 + reach * np.sin(a)) for a in np.radians((-90, 30, 150))
        ]
        canvas.rounded([(float(x), float(y)) for x, y in corners], radius, color)

    layer(0.0, 0.1, WHITE)
    layer(float(rng.uniform(0.0, 0.025)), 0.09, RED)
    layer(float(rng.uniform(0.15, 0.19)), 0.03, WHITE)


def give_way(canvas: Canvas, rng: np.random.Generator) -> None:
    """Draw an empty red triangle that points down."""
    _triangle(canvas.at(0, 0, (1.0, -1.0)), rng)


def priority_road(canvas: Canvas, rng: np.random.Generator) -> None:
    """Draw a yellow diamond with a white rim."""
    for reach, radius, color in (
        (0.9, 0.1, WHITE), (0.9, 0.03, BLACK), (0.87, 0.04, WHITE),
        (float(rng.uniform(0.56, 0.62)), 0.05, YELLOW),
    ):  # fmt: skip
        canvas.rounded([(0, -reach), (reach, 0), (0, reach), (-reach, 0)], radius, color)


def stop(canvas: Canvas, rng: np.random.Generator) -> None:
    """Draw a red octagon with the word STOP."""
    for radius, color in ((1.08, WHITE), (float(rng.uniform(1.0, 1.05)), RED)):
        angles = np.radians(np.arange(22.5, 382.5, 45))
        canvas.polygon(
            [(radius * float(np.cos(a)), radius * float(np.sin(a))) for a in angles], color
        )
    _placed(canvas, 1.0, rng).at(0, 0, (0.78, 1.0)).text('STOP', 0.76, 0.18, WHITE)


def no_traffic(canvas: Canvas, rng: np.random.Generator) -> None:
    """Draw an empty disc with a red rim."""
    _red_rim(canvas, rng)


def no_entry(canvas: Canvas, rng: np.random.Generator) -> None:
    """Draw a red disc with a white bar."""
    canvas.disc(0, 0, 1, WHITE)
    canvas.disc(0, 0, float(rng.uniform(0.95, 1.0)), RED)
    height = float(rng.uniform(0.16, 0.2))
    _placed(canvas, 1.0, rng).rectangle(-0.72, -height, 0.72, height, WHITE)


def mandatory(*paths: list[Point], mirror: bool = False) -> Painter:
    """Return the drawing of white arrows on a blue disc."""

    def paint(canvas: Canvas, rng: np.random.Generator) -> None:
        canvas.disc(0, 0, 1, WHITE)
        canvas.disc(0, 0, float(rng.uniform(0.94, 1.0)), BLUE)
        placed = _placed(canvas, 1.0, rng).at(0, 0, (-1.0 if mirror else 1.0, 1.0))
        for path in paths:
            placed.arrow(path, 0.25, 0.42, WHITE)

    return paint


TURN: list[Point] = [(-0.3, 0.7), (-0.3, 0.2), *arc(0.0, 0.2, 0.3, 0.3, 180, 270), (0.72, -0.1)]
UP: list[Point] = [(0.0, 0.74), (0.0, -0.78)]
UP_OF_TWO: list[Point] = [(-0.22, 0.74), (-0.22, -0.74)]
BRANCH: list[Point] = [(-0.22, 0.55), *arc(0.12, 0.42, 0.34, 0.34, 180, 270), (0.74, 0.08)]
KEEP: list[Point] = [(-0.52, -0.52), (0.6, 0.6)]


def roundabout(canvas: Canvas, rng: np.random.Generator) -> None:
    """Draw three white arrows in a circle on a blue disc."""
    canvas.disc(0, 0, 1, WHITE)
    canvas.disc(0, 0, float(rng.uniform(0.94, 1.0)), BLUE)
    placed = _placed(canvas, 1.0, rng)
    for start in (-90, 30, 150):
        # Anticlockwise as seen: angles run from +x towards +y, so they decrease.
        a = np.radians(start - 100)
        tip = (0.52 * float(np.cos(a)), 0.52 * float(np.sin(a)))
        placed.arrow([*arc(0, 0, 0.52, 0.52, start, start - 72), tip], 0.19, 0.34, WHITE)
