# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Faces of the 43 benchmark types, as functions that draw on a pen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hiseg_ros.datasets.scenes.drawing.pen import Pen, arc, write
from hiseg_ros.datasets.scenes.drawing.scene import Colour
from hiseg_ros.datasets.scenes.signs import pictograms as sign

Painter = Callable[[Pen], None]

BLACK, WHITE, RED = sign.BLACK, sign.WHITE, sign.RED
BLUE: Colour = (18, 74, 158)
YELLOW: Colour = (246, 196, 30)
GREY: Colour = (105, 108, 112)
_TRIANGLE = [(0.0, -0.95), (1.0, 0.82), (-1.0, 0.82)]


def _rounded(points: list[tuple[float, float]], inset: float) -> list[tuple[float, float]]:
    """Return a triangle with its corners cut a little and moved inwards."""
    centre = np.mean(np.array(points), axis=0)
    shape = centre + (np.array(points) - centre) * inset
    result = []
    for index in range(3):
        for other in (index - 1, (index + 1) % 3):
            result.append(tuple(shape[index] + 0.07 * (shape[other] - shape[index])))
    return [(float(x), float(y)) for x, y in result]


def prohibitory(inside: Painter | None) -> Painter:
    """Return a white disc with a red rim."""

    def paint(pen: Pen) -> None:
        pen.disc(0, 0, 1.0, WHITE)
        pen.disc(0, 0, 0.97, RED)
        pen.disc(0, 0, 0.74, WHITE)
        if inside is not None:
            inside(pen)

    return paint


def _limit(text: str) -> Painter:
    height = 0.44 if len(text) == 2 else 0.36
    return prohibitory(lambda pen: write(pen, text, 0, 0, height, BLACK, 0.34))


def _danger(inside: Painter, scale: float = 0.42, y: float = 0.3) -> Painter:
    def paint(pen: Pen) -> None:
        pen.poly(_rounded(_TRIANGLE, 1.0), RED)
        pen.poly(_rounded(_TRIANGLE, 0.72), WHITE)
        inside(pen.at(0, y, scale))

    return paint


def mandatory(inside: Painter) -> Painter:
    """Return a blue disc."""

    def paint(pen: Pen) -> None:
        pen.disc(0, 0, 1.0, WHITE)
        pen.disc(0, 0, 0.95, BLUE)
        inside(pen.at(0, 0, 0.85))

    return paint


def _end(inside: Painter | None) -> Painter:
    def paint(pen: Pen) -> None:
        pen.disc(0, 0, 1.0, (70, 70, 72))
        pen.disc(0, 0, 0.94, WHITE)
        if inside is not None:
            inside(pen)
        for shift in (-0.28, -0.14, 0.0, 0.14, 0.28):
            reach = 0.64 - abs(shift) * 0.45
            pen.stroke(
                [(shift - reach, shift + reach), (shift + reach, shift - reach)], 0.06, BLACK
            )

    return paint


def _overtaking(pen: Pen, left: Colour, right: Colour, truck: bool) -> None:
    if truck:
        sign.truck_front(pen.at(-0.3, 0.02, 0.36), left)
    else:
        sign.car_front(pen.at(-0.32, 0.02, 0.34), left)
    sign.car_front(pen.at(0.36, 0.06 if truck else 0.02, 0.3 if truck else 0.34), right)


def _diamond(pen: Pen) -> None:
    pen.poly([(0, -1), (1, 0), (0, 1), (-1, 0)], WHITE)
    pen.poly([(0, -0.93), (0.93, 0), (0, 0.93), (-0.93, 0)], (60, 60, 60))
    pen.poly([(0, -0.9), (0.9, 0), (0, 0.9), (-0.9, 0)], WHITE)
    pen.poly([(0, -0.64), (0.64, 0), (0, 0.64), (-0.64, 0)], YELLOW)


def _give_way(pen: Pen) -> None:
    upside = [(x, -y) for x, y in _TRIANGLE]
    pen.poly(_rounded(upside, 1.0), RED)
    pen.poly(_rounded(upside, 0.66), WHITE)


def _stop(pen: Pen) -> None:
    corners = [arc(0, 0, 1.08, 22.5 + 45 * k, 22.5 + 45 * k)[0] for k in range(8)]
    pen.poly(corners, WHITE)
    pen.poly([(x * 0.94, y * 0.94) for x, y in corners], RED)
    write(pen, 'STOP', 0, 0, 0.34, WHITE, 0.32)


def _no_entry(pen: Pen) -> None:
    pen.disc(0, 0, 1.0, WHITE)
    pen.disc(0, 0, 0.97, RED)
    pen.box(-0.72, -0.19, 0.72, 0.19, WHITE)


BENCHMARK_SIGNS: dict[str, Painter] = {
    **{f'p_limit_{speed}': _limit(str(speed)) for speed in (20, 30, 50, 60, 70, 80, 100, 120)},
    'o_restriction_ends_80': _end(lambda pen: write(pen, '80', 0, 0, 0.48, GREY, 0.34)),
    'p_no_overtaking': prohibitory(lambda pen: _overtaking(pen, RED, BLACK, False)),
    'p_no_overtaking_truck': prohibitory(lambda pen: _overtaking(pen, RED, BLACK, True)),
    'd_priority_next_inter': _danger(sign.priority_next),
    'o_priority_road': _diamond,
    'o_give_way': _give_way,
    'o_stop': _stop,
    'p_no_traffic_both': prohibitory(None),
    'p_no_trucks': prohibitory(lambda pen: sign.truck_side(pen.at(0, 0, 0.52), BLACK)),
    'o_no_entry': _no_entry,
    'd_danger': _danger(sign.danger),
    'd_bend_left': _danger(sign.bend_left),
    'd_bend_right': _danger(sign.bend_right),
    'd_bend': _danger(sign.double_bend),
    'd_uneven_road': _danger(sign.uneven, 0.46),
    'd_slippery_road': _danger(sign.slippery, 0.46),
    'd_road_narrows': _danger(sign.narrows),
    'd_construction': _danger(sign.construction, 0.44),
    'd_traffic_signal': _danger(sign.traffic_signal),
    'd_pedestrian_crossing': _danger(sign.pedestrian, 0.46),
    'd_school_crossing': _danger(sign.children, 0.44, 0.32),
    'd_cycles_crossing': _danger(sign.bicycle, 0.46, 0.36),
    'd_snow': _danger(sign.snow, 0.4, 0.32),
    'd_animals': _danger(sign.deer, 0.46, 0.34),
    'o_restriction_ends': _end(None),
    'm_go_right': mandatory(sign.arrow_right),
    'm_go_left': mandatory(sign.arrow_left),
    'm_go_straight': mandatory(sign.arrow_straight),
    'm_go_right_straight': mandatory(sign.arrow_right_straight),
    'm_go_left_straight': mandatory(sign.arrow_left_straight),
    'm_keep_right': mandatory(sign.keep_right),
    'm_keep_left': mandatory(sign.keep_left),
    'm_roundabout': mandatory(sign.roundabout),
    'o_restr_end_ovrtkng': _end(lambda pen: _overtaking(pen, GREY, GREY, False)),
    'o_restr_end_ovrtkng_t': _end(lambda pen: _overtaking(pen, GREY, GREY, True)),
}  # fmt: skip
"""The 43 types by name."""
