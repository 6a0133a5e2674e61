# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Traffic signs as vector shapes: the 43 benchmark types and what else stands at a street."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from hiseg_ros.training.datasets.synthetic import pictograms as sign
from hiseg_ros.training.datasets.synthetic.pen import Pen, arc, write
from hiseg_ros.training.datasets.synthetic.scene import SIGN_TYPES, Colour
from hiseg_ros.types import RgbImage

Painter = Callable[[Pen], None]

BLACK, WHITE, RED = sign.BLACK, sign.WHITE, sign.RED
BLUE: Colour = (18, 74, 158)
YELLOW: Colour = (246, 196, 30)
GREY: Colour = (105, 108, 112)
_SIDE = 160
"""Pixels at which signs are drawn before they are scaled."""

_CIRCLE = arc(0, 0, 1.0, 0, 360)
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


def _prohibitory(inside: Painter | None) -> Painter:
    def paint(pen: Pen) -> None:
        pen.disc(0, 0, 1.0, WHITE)
        pen.disc(0, 0, 0.97, RED)
        pen.disc(0, 0, 0.74, WHITE)
        if inside is not None:
            inside(pen)

    return paint


def _limit(text: str) -> Painter:
    height = 0.44 if len(text) == 2 else 0.36
    return _prohibitory(lambda pen: write(pen, text, 0, 0, height, BLACK, 0.34))


def _danger(inside: Painter, scale: float = 0.42, y: float = 0.3) -> Painter:
    def paint(pen: Pen) -> None:
        pen.poly(_rounded(_TRIANGLE, 1.0), RED)
        pen.poly(_rounded(_TRIANGLE, 0.72), WHITE)
        inside(pen.at(0, y, scale))

    return paint


def _mandatory(inside: Painter) -> Painter:
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
            pen.stroke([(shift - reach, shift + reach), (shift + reach, shift - reach)], 0.06, BLACK)

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
    octagon = arc(0, 0, 1.0, 22.5, 382.5)
    del octagon
    corners = [arc(0, 0, 1.08, 22.5 + 45 * k, 22.5 + 45 * k)[0] for k in range(8)]
    pen.poly(corners, WHITE)
    pen.poly([(x * 0.94, y * 0.94) for x, y in corners], RED)
    write(pen, 'STOP', 0, 0, 0.34, WHITE, 0.32)


def _no_entry(pen: Pen) -> None:
    pen.disc(0, 0, 1.0, WHITE)
    pen.disc(0, 0, 0.97, RED)
    pen.box(-0.72, -0.19, 0.72, 0.19, WHITE)


_PAINTERS: dict[str, Painter] = {
    **{f'p_limit_{speed}': _limit(str(speed)) for speed in (20, 30, 50, 60, 70, 80, 100, 120)},
    'o_restriction_ends_80': _end(lambda pen: write(pen, '80', 0, 0, 0.48, GREY, 0.34)),
    'p_no_overtaking': _prohibitory(lambda pen: _overtaking(pen, RED, BLACK, False)),
    'p_no_overtaking_truck': _prohibitory(lambda pen: _overtaking(pen, RED, BLACK, True)),
    'd_priority_next_inter': _danger(sign.priority_next),
    'o_priority_road': _diamond,
    'o_give_way': _give_way,
    'o_stop': _stop,
    'p_no_traffic_both': _prohibitory(None),
    'p_no_trucks': _prohibitory(lambda pen: sign.truck_side(pen.at(0, 0, 0.52), BLACK)),
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
    'm_go_right': _mandatory(sign.arrow_right),
    'm_go_left': _mandatory(sign.arrow_left),
    'm_go_straight': _mandatory(sign.arrow_straight),
    'm_go_right_straight': _mandatory(sign.arrow_right_straight),
    'm_go_left_straight': _mandatory(sign.arrow_left_straight),
    'm_keep_right': _mandatory(sign.keep_right),
    'm_keep_left': _mandatory(sign.keep_left),
    'm_roundabout': _mandatory(sign.roundabout),
    'o_restr_end_ovrtkng': _end(lambda pen: _overtaking(pen, GREY, GREY, False)),
    'o_restr_end_ovrtkng_t': _end(lambda pen: _overtaking(pen, GREY, GREY, True)),
}  # fmt: skip


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
                pen.stroke([(x, y + step), (x + 0.02, y - step), (x + 0.12, y + step * (column % 3 - 1))], 0.06, ink)
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
        pen.poly([(x - 0.3, -0.4), (x, -0.4), (x + 0.25, 0), (x, 0.4), (x - 0.3, 0.4), (x - 0.05, 0)], WHITE)


def _bars(pen: Pen) -> None:
    pen.box(-0.28, -1, 0.28, 1, WHITE)
    for y in (-0.9, -0.35, 0.2, 0.75):
        pen.poly([(-0.28, y + 0.25), (0.28, y - 0.1), (0.28, y + 0.18), (-0.28, y + 0.53)], RED)
    pen.box(-1, -1, -0.28, 1.2, BLACK)


def _road_end(pen: Pen) -> None:
    pen.box(-0.17, -0.5, 0.17, 0.8, WHITE)
    pen.box(-0.6, -0.7, 0.6, -0.35, RED)


_OTHER: dict[str, Painter] = {
    'parking': _blue_square(lambda pen: write(pen, 'P', 0, 0, 0.62, WHITE, 0.34)),
    'crosswalk': _blue_square(_crosswalk),
    'dead_end': _blue_square(_road_end),
    'bicycle_path': _mandatory(lambda pen: sign.bicycle(pen.at(0, -0.05, 0.72), WHITE)),
    'footpath': _mandatory(lambda pen: sign.figure(pen.at(0, 0, 0.75), WHITE)),
    'one_way': _plate(BLUE, WHITE, 0.36, 2),
    'bus_stop': lambda pen: (pen.disc(0, 0, 1, (20, 110, 60)), pen.disc(0, 0, 0.82, YELLOW), write(pen, 'H', 0, 0, 0.5, (20, 110, 60)))[0],
    'direction': _plate(YELLOW, BLACK, 0.42, 2),
    'motorway': _plate(BLUE, WHITE, 0.72, 3),
    'info': _plate(WHITE, BLACK, 0.34, 1),
    'info_tall': _plate(WHITE, BLACK, 0.7, 3),
    'town': _plate(YELLOW, BLACK, 0.6, 1),
    'no_parking': _parking_banned(False),
    'no_stopping': _parking_banned(True),
    'chevrons': _chevrons,
    'bicycles_banned': _prohibitory(lambda pen: sign.bicycle(pen.at(0, 0, 0.5), BLACK)),
    'weight_banned': _prohibitory(lambda pen: write(pen, '7', 0, 0, 0.42, BLACK)),
}  # fmt: skip

OTHER_VARIANTS: tuple[str, ...] = tuple(_OTHER)
"""Signs that are none of the 43 types."""


def draw_sign(
    name: str, size: int, rng: np.random.Generator
) -> tuple[RgbImage, NDArray[np.bool_]]:
    """Return a sign facing the viewer, in a paint that differs a little from sign to sign.

    Args:
        name: One of SIGN_TYPES or OTHER_VARIANTS.
        size: Side of the square picture in pixels.
        rng: Decides age, dirt and light.

    Returns:
        (size, size, 3) colours and the (size, size) mask of the plate.

    Raises:
        KeyError: No sign has this name.
    """
    painter = _PAINTERS[name] if name in _PAINTERS else _OTHER[name]
    shape = Pen(_SIDE)
    # Every plate is drawn on two grounds; where they agree there is a plate.
    shape.image[:] = 255
    painter(shape)
    pen = Pen(_SIDE)
    painter(pen)
    difference = shape.image.astype(np.int16).max(axis=2) - pen.image.astype(np.int16).max(axis=2)
    coverage = 1 - np.clip(difference, 0, 255).astype(np.float32) / 255
    colours = _aged(pen.image, rng)
    solid = (coverage > 0.9).astype(np.float32)
    weights = cv2.resize(solid, (size, size), interpolation=cv2.INTER_AREA)
    total = cv2.resize(
        colours * solid[..., None], (size, size), interpolation=cv2.INTER_AREA
    )
    rgb = total / np.maximum(weights, 1e-3)[..., None]
    return np.clip(np.rint(rgb), 0, 255).astype(np.uint8), np.asarray(weights >= 0.5)


def _aged(image: RgbImage, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the colours faded, lit unevenly and dirty."""
    colours = image.astype(np.float32)
    fade = float(rng.beta(1.2, 4.0)) * 0.45
    grey = colours.mean(axis=2, keepdims=True)
    colours = colours * (1 - fade) + (0.5 * grey + 0.5 * 190) * fade
    tint = rng.uniform(0.92, 1.05, 3).astype(np.float32)
    slope = rng.uniform(-0.14, 0.14, 2)
    axis = np.linspace(-1, 1, _SIDE, dtype=np.float32)
    light = 1 + slope[0] * axis[None, :] + slope[1] * axis[:, None]
    coarse = rng.normal(0, 1, (10, 10)).astype(np.float32)
    dirt = cv2.resize(coarse, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC)
    light = light * (1 - rng.uniform(0, 0.07) * np.clip(dirt, 0, 3))
    return np.asarray(colours * tint * light[..., None], np.float32)


__all__ = ['OTHER_VARIANTS', 'SIGN_TYPES', 'draw_sign']
