# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Pictograms of the signs, drawn in the unit square."""

from __future__ import annotations

from hiseg_ros.datasets.scenes.drawing.pen import Pen, arc
from hiseg_ros.datasets.scenes.drawing.scene import Colour

BLACK: Colour = (22, 22, 24)
WHITE: Colour = (240, 240, 238)
RED: Colour = (188, 24, 34)


def car_front(pen: Pen, colour: Colour) -> None:
    """A car seen from behind, as on overtaking signs."""
    pen.poly([(-0.55, -0.1), (-0.38, -0.62), (0.38, -0.62), (0.55, -0.1)], colour)
    pen.box(-0.8, -0.15, 0.8, 0.42, colour)
    pen.box(-0.72, 0.4, -0.38, 0.72, colour)
    pen.box(0.38, 0.4, 0.72, 0.72, colour)
    pen.poly([(-0.38, -0.16), (-0.28, -0.46), (0.28, -0.46), (0.38, -0.16)], WHITE)


def truck_front(pen: Pen, colour: Colour) -> None:
    """A lorry seen from behind."""
    pen.box(-0.75, -1.0, 0.75, 0.35, colour)
    pen.box(-0.7, 0.3, -0.35, 0.75, colour)
    pen.box(0.35, 0.3, 0.7, 0.75, colour)
    pen.box(-0.55, 0.3, 0.55, 0.5, colour)


def truck_side(pen: Pen, colour: Colour) -> None:
    """A lorry seen from its side, heading left."""
    pen.box(-0.3, -0.6, 1.0, 0.35, colour)
    pen.poly([(-0.38, -0.35), (-0.75, -0.35), (-0.98, 0.0), (-0.98, 0.35), (-0.38, 0.35)], colour)
    pen.poly([(-0.5, -0.22), (-0.7, -0.22), (-0.85, 0.02), (-0.5, 0.02)], WHITE)
    for x in (-0.68, 0.2, 0.7):
        pen.disc(x, 0.42, 0.25, WHITE)
        pen.disc(x, 0.42, 0.19, colour)


def figure(pen: Pen, colour: Colour) -> None:
    """A walking person."""
    pen.disc(0.08, -0.8, 0.17, colour)
    pen.poly([(-0.16, -0.58), (0.2, -0.6), (0.2, 0.08), (-0.14, 0.08)], colour)
    pen.stroke([(0.0, 0.0), (0.22, 0.42), (0.42, 0.92)], 0.18, colour)
    pen.stroke([(0.0, 0.0), (-0.14, 0.45), (-0.45, 0.85)], 0.18, colour)
    pen.stroke([(0.12, -0.5), (0.42, -0.15), (0.5, 0.08)], 0.13, colour)
    pen.stroke([(-0.1, -0.5), (-0.42, -0.2), (-0.36, 0.1)], 0.13, colour)


def bend_left(pen: Pen) -> None:
    """Bend to the left."""
    pen.arrow([(0.3, 1.0), (0.3, 0.2), (-0.15, -0.25), (-0.35, -0.95)], 0.34, 0.55, BLACK)


def bend_right(pen: Pen) -> None:
    """Bend to the right."""
    bend_left(pen.at(0, 0, 1.0, -1.0))


def double_bend(pen: Pen) -> None:
    """Two bends, the first to the left."""
    line = [(0.15, 1.0), (0.15, 0.6), (-0.35, 0.3), (0.3, -0.2), (-0.15, -0.5), (-0.15, -1.0)]
    pen.arrow(line, 0.28, 0.42, BLACK)


def priority_next(pen: Pen) -> None:
    """A road with priority at a crossing."""
    pen.arrow([(0, 1.0), (0, -1.0)], 0.36, 0.6, BLACK)
    pen.stroke([(-0.75, 0.2), (0.75, 0.2)], 0.18, BLACK)


def danger(pen: Pen) -> None:
    """An exclamation mark."""
    pen.poly([(-0.22, -1.0), (0.22, -1.0), (0.12, 0.45), (-0.12, 0.45)], BLACK)
    pen.disc(0, 0.8, 0.2, BLACK)


def uneven(pen: Pen) -> None:
    """Two humps."""
    line = [
        (-1.0, 0.5),
        *arc(-0.45, 0.3, 0.38, 180, 360, 0.55),
        *arc(0.42, 0.3, 0.38, 180, 360, 0.55),
        (1.0, 0.5),
    ]
    pen.poly([*line, (1.0, 0.75), (-1.0, 0.75)], BLACK)


def slippery(pen: Pen) -> None:
    """A skidding car."""
    car_front(pen.at(0, -0.35, 0.55), BLACK)
    for side in (-1, 1):
        x = 0.3 * side
        pen.stroke([(x, 0.2), (x - 0.25, 0.42), (x + 0.22, 0.68), (x - 0.1, 0.95)], 0.12, BLACK)


def narrows(pen: Pen) -> None:
    """Two edges that come closer."""
    for side in (-1, 1):
        line = [(0.62, 1.0), (0.62, 0.35), (0.22, -0.1), (0.22, -1.0)]
        pen.stroke([(side * x, y) for x, y in line], 0.2, BLACK)


def construction(pen: Pen) -> None:
    """A person shovelling."""
    pen.disc(-0.05, -0.8, 0.19, BLACK)
    pen.stroke([(-0.15, -0.5), (-0.45, 0.1), (-0.3, 0.45), (-0.55, 0.9)], 0.24, BLACK)
    pen.stroke([(-0.45, 0.1), (-0.75, 0.9)], 0.2, BLACK)
    pen.stroke([(-0.12, -0.45), (0.15, -0.05), (0.4, 0.15)], 0.14, BLACK)
    pen.stroke([(-0.1, -0.2), (0.65, 0.6)], 0.1, BLACK)
    pen.poly([(0.3, 0.92), (0.65, 0.4), (1.05, 0.92)], BLACK)


def traffic_signal(pen: Pen) -> None:
    """Red above yellow above green."""
    pen.box(-0.34, -1.0, 0.34, 1.0, BLACK)
    for y, colour in ((-0.64, (215, 30, 40)), (0.0, (245, 190, 30)), (0.64, (30, 160, 70))):
        pen.disc(0, y, 0.27, colour)


def pedestrian(pen: Pen) -> None:
    """A person on a crosswalk."""
    figure(pen.at(0, -0.15, 0.85), BLACK)
    for x in (-0.75, -0.25, 0.25, 0.75):
        pen.poly([(x - 0.12, 0.7), (x + 0.12, 0.7), (x + 0.18, 1.0), (x - 0.18, 1.0)], BLACK)


def children(pen: Pen) -> None:
    """Two children running."""
    figure(pen.at(-0.48, 0.05, 0.95), BLACK)
    figure(pen.at(0.5, 0.3, 0.72), BLACK)
    pen.stroke([(-0.1, 0.0), (0.25, 0.1)], 0.12, BLACK)


def bicycle(pen: Pen, colour: Colour = BLACK) -> None:
    """A bicycle from its side."""
    for x in (-0.6, 0.6):
        pen.stroke(arc(x, 0.32, 0.4, 0, 360), 0.11, colour)
    pen.stroke(
        [(-0.6, 0.32), (-0.25, -0.28), (0.4, -0.28), (0.0, 0.32), (-0.6, 0.32)], 0.1, colour
    )
    pen.stroke([(0.0, 0.32), (-0.32, -0.5)], 0.1, colour)
    pen.stroke([(-0.48, -0.5), (-0.15, -0.5)], 0.12, colour)
    pen.stroke([(0.6, 0.32), (0.35, -0.62), (0.62, -0.66)], 0.1, colour)


def snow(pen: Pen) -> None:
    """A snow crystal."""
    tips = [(0.0, 0.95), (0.82, 0.48), (0.82, -0.48)]
    for x, y in tips:
        pen.stroke([(-x, -y), (x, y)], 0.13, BLACK)
        for side in (-1, 1):
            px, py = side * x * 0.62, side * y * 0.62
            nx, ny = -y * 0.28, x * 0.28
            pen.stroke(
                [(side * x + nx, side * y + ny), (px, py), (side * x - nx, side * y - ny)],
                0.1,
                BLACK,
            )


def deer(pen: Pen) -> None:
    """A leaping deer."""
    pen.poly(
        [
            (-0.7, 0.05),
            (-0.55, -0.25),
            (0.3, -0.3),
            (0.5, -0.7),
            (0.72, -0.75),
            (0.95, -0.55),
            (0.66, -0.42),
            (0.42, 0.12),
            (-0.3, 0.18),
        ],
        BLACK,
    )
    pen.stroke([(0.58, -0.72), (0.42, -1.0)], 0.08, BLACK)
    pen.stroke([(0.62, -0.74), (0.72, -1.02)], 0.08, BLACK)
    pen.stroke([(0.35, 0.05), (0.75, 0.15), (0.85, 0.42)], 0.13, BLACK)
    pen.stroke([(0.25, 0.05), (0.5, 0.35), (0.4, 0.62)], 0.13, BLACK)
    pen.stroke([(-0.55, 0.0), (-0.7, 0.45), (-1.0, 0.75)], 0.14, BLACK)
    pen.stroke([(-0.4, 0.05), (-0.4, 0.5), (-0.62, 0.85)], 0.14, BLACK)


def arrow_right(pen: Pen) -> None:
    """Turn right."""
    pen.arrow([(-0.4, 0.75), (-0.4, -0.1), (-0.25, -0.25), (0.7, -0.25)], 0.28, 0.5, WHITE)


def arrow_left(pen: Pen) -> None:
    """Turn left."""
    arrow_right(pen.at(0, 0, 1.0, -1.0))


def arrow_straight(pen: Pen) -> None:
    """Go straight on."""
    pen.arrow([(0, 0.8), (0, -0.8)], 0.3, 0.55, WHITE)


def arrow_right_straight(pen: Pen) -> None:
    """Go straight on or turn right."""
    pen.arrow([(-0.22, 0.85), (-0.22, -0.85)], 0.22, 0.46, WHITE)
    pen.arrow([(-0.22, 0.6), (-0.2, 0.35), (0.0, 0.22), (0.78, 0.22)], 0.22, 0.42, WHITE)


def arrow_left_straight(pen: Pen) -> None:
    """Go straight on or turn left."""
    arrow_right_straight(pen.at(0, 0, 1.0, -1.0))


def keep_right(pen: Pen) -> None:
    """Pass on the right."""
    pen.arrow([(-0.52, -0.52), (0.6, 0.6)], 0.3, 0.55, WHITE)


def keep_left(pen: Pen) -> None:
    """Pass on the left."""
    keep_right(pen.at(0, 0, 1.0, -1.0))


def roundabout(pen: Pen) -> None:
    """Three arrows in a ring, counter-clockwise."""
    for start in (-100, 20, 140):
        line = arc(0, 0, 0.58, start, start - 92)
        pen.arrow([*line[:-2], line[-1]], 0.2, 0.4, WHITE)
