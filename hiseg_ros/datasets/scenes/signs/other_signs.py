# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Faces of signs that are none of the 43 benchmark types."""

from __future__ import annotations

from hiseg_ros.datasets.scenes.drawing.pen import Pen, write
from hiseg_ros.datasets.scenes.drawing.scene import Colour
from hiseg_ros.datasets.scenes.signs import pictograms as sign
from hiseg_ros.datasets.scenes.signs.sign_designs import (
    BLACK,
    BLUE,
    RED,
    WHITE,
    YELLOW,
    Painter,
    mandatory,
    prohibitory,
)


def _blue_square(inside: Painter) -> Painter:
    def paint(pen: Pen) -> None:
        pen.box(-0.98, -0.98, 0.98, 0.98, WHITE)
        pen.box(-0.9, -0.9, 0.9, 0.9, BLUE)
        inside(pen)

    return paint


def _crosswalk(pen: Pen) -> None:
    pen.poly([(0, -0.75), (0.75, 0.65), (-0.75, 0.65)], WHITE)
    sign.pedestrian(pen.at(0, 0.12, 0.45))


def _plate(colour: Colour, ink: Colour, half_height: float, lines: int) -> Painter:
    def paint(pen: Pen) -> None:
        pen.box(-1, -half_height, 1, half_height, ink)
        pen.box(-0.96, -half_height + 0.04, 0.96, half_height - 0.04, colour)
        for row in range(lines):
            y = (row - (lines - 1) / 2) * 2 * half_height / (lines + 0.6)
            for column in range(6 - row):
                x = -0.75 + column * 0.23
                step = 0.4 * half_height / lines
                pen.stroke(
                    [(x, y + step), (x + 0.02, y - step), (x + 0.12, y + step * (column % 3 - 1))],
                    0.06,
                    ink,
                )
        if lines == 2:
            pen.arrow([(0.45, half_height * 0.4), (0.82, -half_height * 0.3)], 0.1, 0.22, ink)

    return paint


def _parking_banned(cross: bool) -> Painter:
    def paint(pen: Pen) -> None:
        pen.disc(0, 0, 1.0, RED)
        pen.disc(0, 0, 0.78, BLUE)
        pen.stroke([(-0.56, -0.56), (0.56, 0.56)], 0.22, RED)
        if cross:
            pen.stroke([(-0.56, 0.56), (0.56, -0.56)], 0.22, RED)

    return paint


def _chevrons(pen: Pen) -> None:
    pen.box(-1, -0.4, 1, 0.4, RED)
    for x in (-0.75, 0.0, 0.75):
        pen.poly(
            [(x - 0.3, -0.4), (x, -0.4), (x + 0.25, 0), (x, 0.4), (x - 0.3, 0.4), (x - 0.05, 0)],
            WHITE,
        )


def _bus_stop(pen: Pen) -> None:
    green: Colour = (20, 110, 60)
    pen.disc(0, 0, 1, green)
    pen.disc(0, 0, 0.82, YELLOW)
    write(pen, 'H', 0, 0, 0.5, green)


def _road_end(pen: Pen) -> None:
    pen.box(-0.17, -0.5, 0.17, 0.8, WHITE)
    pen.box(-0.6, -0.7, 0.6, -0.35, RED)


OTHER_SIGNS: dict[str, Painter] = {
    'parking': _blue_square(lambda pen: write(pen, 'P', 0, 0, 0.62, WHITE, 0.34)),
    'crosswalk': _blue_square(_crosswalk),
    'dead_end': _blue_square(_road_end),
    'bicycle_path': mandatory(lambda pen: sign.bicycle(pen.at(0, -0.05, 0.72), WHITE)),
    'footpath': mandatory(lambda pen: sign.figure(pen.at(0, 0, 0.75), WHITE)),
    'one_way': _plate(BLUE, WHITE, 0.36, 2),
    'bus_stop': _bus_stop,
    'direction': _plate(YELLOW, BLACK, 0.42, 2),
    'motorway': _plate(BLUE, WHITE, 0.72, 3),
    'info': _plate(WHITE, BLACK, 0.34, 1),
    'info_tall': _plate(WHITE, BLACK, 0.7, 3),
    'town': _plate(YELLOW, BLACK, 0.6, 1),
    'no_parking': _parking_banned(False),
    'no_stopping': _parking_banned(True),
    'chevrons': _chevrons,
    'bicycles_banned': prohibitory(lambda pen: sign.bicycle(pen.at(0, 0, 0.5), BLACK)),
    'weight_banned': prohibitory(lambda pen: write(pen, '7', 0, 0, 0.42, BLACK)),
}  # fmt: skip
