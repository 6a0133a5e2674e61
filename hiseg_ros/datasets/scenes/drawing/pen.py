# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A pen for small vector images in the unit square [-1, 1], y down."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from hiseg_ros.datasets.scenes.drawing.scene import Colour

Point = tuple[float, float]
_SHIFT = 6


class Pen:
    """Draws filled shapes and thick strokes; `at` moves and scales what follows."""

    def __init__(self, side: int, image: NDArray[np.uint8] | None = None) -> None:
        """Start on a black image of `side` pixels, or go on with one."""
        self.side = side
        self.image = np.zeros((side, side, 3), np.uint8) if image is None else image
        self._offset: Point = (0.0, 0.0)
        self._scale: Point = (1.0, 1.0)

    def at(self, x: float, y: float, scale: float, scale_x: float | None = None) -> Pen:
        """Return a pen on the same image whose origin is (x, y) of this one."""
        pen = Pen(self.side, self.image)
        pen._offset = (
            self._offset[0] + x * self._scale[0],
            self._offset[1] + y * self._scale[1],
        )
        wide = scale if scale_x is None else scale_x
        pen._scale = (self._scale[0] * wide, self._scale[1] * scale)
        return pen

    def _fixed(self, points: Iterable[Sequence[float]]) -> NDArray[np.int32]:
        array = np.array([tuple(point) for point in points], np.float64)
        array = np.array(self._offset) + array * np.array(self._scale)
        pixels = (array + 1) / 2 * self.side - 0.5
        return np.rint(pixels * (1 << _SHIFT)).astype(np.int32)

    def poly(self, points: Iterable[Sequence[float]], colour: Colour) -> None:
        """Fill a polygon."""
        cv2.fillPoly(self.image, [self._fixed(points)], colour, cv2.LINE_AA, _SHIFT)

    def box(self, x1: float, y1: float, x2: float, y2: float, colour: Colour) -> None:
        """Fill an upright rectangle."""
        self.poly([(x1, y1), (x2, y1), (x2, y2), (x1, y2)], colour)

    def disc(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """Fill a circle."""
        self.poly(arc(x, y, radius, 0, 360), colour)

    def stroke(self, points: Iterable[Sequence[float]], width: float, colour: Colour) -> None:
        """Draw a line with round ends, `width` in units of the current scale."""
        thick = max(1, round(width * abs(self._scale[1]) * self.side / 2))
        fixed = self._fixed(points)
        cv2.polylines(self.image, [fixed], False, colour, thick, cv2.LINE_AA, _SHIFT)

    def arrow(self, points: Sequence[Point], width: float, head: float, colour: Colour) -> None:
        """Draw a line that ends in an arrow head at the last point."""
        (x0, y0), (x1, y1) = points[-2], points[-1]
        length = math.hypot(x1 - x0, y1 - y0)
        ux, uy = (x1 - x0) / length, (y1 - y0) / length
        base = (x1 - ux * head, y1 - uy * head)
        line = [*points[:-1], (x1 - ux * head * 0.7, y1 - uy * head * 0.7)]
        self.stroke(line, width, colour)
        side = head * 0.8
        wings = [
            (base[0] - uy * side, base[1] + ux * side),
            (base[0] + uy * side, base[1] - ux * side),
        ]
        self.poly([(x1, y1), *wings], colour)


def arc(
    x: float, y: float, radius: float, start: float, end: float, radius_y: float | None = None
) -> list[Point]:
    """Return points on an ellipse from angle `start` to `end` in degrees, 0 = right, 90 = down."""
    high = radius if radius_y is None else radius_y
    angles = np.radians(np.linspace(start, end, max(6, int(abs(end - start) / 9))))
    return [(x + radius * math.cos(a), y + high * math.sin(a)) for a in angles]


DIGITS: dict[str, list[list[Point]]] = {
    '0': [[*arc(0, -0.45, 0.42, 180, 360), *arc(0, 0.45, 0.42, 0, 180), (-0.42, -0.45)]],
    '1': [[(-0.3, -0.5), (0.1, -0.87), (0.1, 0.87)]],
    '2': [[*arc(0, -0.42, 0.42, 190, 395), (-0.42, 0.87), (0.45, 0.87)]],
    '3': [[(-0.4, -0.87), (0.4, -0.87), (0.0, -0.2), *arc(-0.02, 0.37, 0.46, -75, 150)]],
    '5': [[(0.4, -0.87), (-0.32, -0.87), (-0.38, -0.05), *arc(-0.02, 0.35, 0.48, -120, 140)]],
    '6': [[(0.25, -0.87), *arc(0.0, 0.4, 0.45, 200, -160), (-0.42, 0.3), (0.0, -0.6)]],
    '7': [[(-0.42, -0.87), (0.42, -0.87), (-0.12, 0.87)]],
    '8': [[*arc(0, -0.45, 0.38, 0, 360)], [*arc(0, 0.42, 0.45, 0, 360)]],
    'S': [[*arc(0, -0.45, 0.42, -30, -270), *arc(0, 0.42, 0.43, -90, 150)]],
    'T': [[(-0.45, -0.87), (0.45, -0.87)], [(0.0, -0.87), (0.0, 0.87)]],
    'O': [[*arc(0, -0.4, 0.42, 180, 360), *arc(0, 0.4, 0.42, 0, 180), (-0.42, -0.4)]],
    'P': [[(-0.38, 0.87), (-0.38, -0.87), *arc(-0.05, -0.42, 0.45, -90, 90), (-0.38, 0.03)]],
    'H': [[(-0.4, -0.87), (-0.4, 0.87)], [(0.4, -0.87), (0.4, 0.87)], [(-0.4, 0), (0.4, 0)]],
}
"""Strokes of the characters that signs carry, one unit high to both sides of the middle."""


def write(
    pen: Pen, text: str, x: float, y: float, height: float, colour: Colour, weight: float = 0.3
) -> None:
    """Write characters centred at (x, y), `height` from the middle to the top."""
    pitch = 1.28
    for index, character in enumerate(text):
        shift = (index - (len(text) - 1) / 2) * pitch * height
        glyph = pen.at(x + shift, y, height * 0.88)
        for line in DIGITS[character]:
            glyph.stroke(line, weight, colour)
