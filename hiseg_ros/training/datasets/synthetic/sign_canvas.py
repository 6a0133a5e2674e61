# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A square canvas in unit coordinates on which signs are drawn, and letters made of strokes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from hiseg_ros.types import RgbImage

Color = tuple[int, int, int]
Point = tuple[float, float]

_SHIFT = 6


def arc(
    cx: float, cy: float, rx: float, ry: float, start: float = 0.0, end: float = 360.0
) -> list[Point]:
    """Return points of an elliptic arc; degrees run from +x towards +y (down)."""
    angles = np.radians(np.linspace(start, end, 49))
    return [(cx + rx * float(np.cos(a)), cy + ry * float(np.sin(a))) for a in angles]


class Canvas:
    """A view of a square RGB image with x to the right and y down, both from -1 to 1."""

    def __init__(
        self, image: RgbImage, center: Point = (0.0, 0.0), scale: Point = (1.0, 1.0)
    ) -> None:
        """Look at an image.

        Args:
            image: uint8 (S, S, 3), drawn upon in place.
            center: Where this view has its origin, in coordinates of the whole canvas.
            scale: Length of this view's units in units of the whole canvas; negative mirrors.
        """
        self.image = image
        self._center = center
        self._scale = scale

    def at(self, x: float, y: float, scale: float | Point = 1.0) -> Canvas:
        """Return a view of the same image with its origin at (x, y) and scaled units."""
        sx, sy = scale if isinstance(scale, tuple) else (scale, scale)
        center = (self._center[0] + x * self._scale[0], self._center[1] + y * self._scale[1])
        return Canvas(self.image, center, (self._scale[0] * sx, self._scale[1] * sy))

    def _pixels(self, points: Sequence[Point]) -> NDArray[np.int32]:
        whole = np.asarray(points, float) * self._scale + self._center
        pixels = (whole + 1) / 2 * self.image.shape[0] - 0.5
        return np.asarray(np.round(pixels * (1 << _SHIFT)), np.int32)

    def polygon(self, points: Sequence[Point], color: Color) -> None:
        """Fill a polygon."""
        cv2.fillPoly(self.image, [self._pixels(points)], color, cv2.LINE_8, _SHIFT)

    def rectangle(self, x0: float, y0: float, x1: float, y1: float, color: Color) -> None:
        """Fill a rectangle with sides along the axes."""
        self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], color)

    def disc(self, x: float, y: float, radius: float, color: Color) -> None:
        """Fill a circle (an ellipse where x and y have different scales)."""
        self.polygon(arc(x, y, radius, radius), color)

    def stroke(
        self, points: Sequence[Point], width: float, color: Color, closed: bool = False
    ) -> None:
        """Draw a line of a given width with round ends and joints."""
        length = width * float(np.sqrt(abs(self._scale[0] * self._scale[1])))
        thickness = max(1, round(length / 2 * self.image.shape[0]))
        pixels = [self._pixels(points)]
        cv2.polylines(self.image, pixels, closed, color, thickness, cv2.LINE_8, _SHIFT)

    def rounded(self, points: Sequence[Point], radius: float, color: Color) -> None:
        """Fill a polygon with round corners; the points are the centres of the corners."""
        self.polygon(points, color)
        self.stroke(points, 2 * radius, color, closed=True)

    def arrow(self, points: Sequence[Point], width: float, head: float, color: Color) -> None:
        """Draw a line with flat ends whose last point is the tip of a triangular head."""
        tip = np.asarray(points[-1], float)
        along = tip - np.asarray(points[-2], float)
        along /= float(np.hypot(*along))
        across = np.asarray((-along[1], along[0]))
        neck = tip - along * head
        line = [*points[:-1], (float(neck[0]), float(neck[1]))]
        for (x0, y0), (x1, y1) in pairwise(line):
            norm = float(np.hypot(x1 - x0, y1 - y0)) or 1.0
            dx, dy = (y0 - y1) / norm * width / 2, (x1 - x0) / norm * width / 2
            self.polygon(
                [(x0 + dx, y0 + dy), (x1 + dx, y1 + dy), (x1 - dx, y1 - dy), (x0 - dx, y0 - dy)],
                color,
            )
        for x, y in line[1:-1]:
            self.disc(x, y, width / 2, color)
        corners = [tip, neck + across * head * 0.95, neck - across * head * 0.95]
        self.polygon([(float(p[0]), float(p[1])) for p in corners], color)

    def text(self, text: str, height: float, weight: float, color: Color) -> None:
        """Draw digits or capitals centred on the origin.

        Args:
            text: Characters of GLYPHS and spaces.
            height: Height of the characters.
            weight: Width of the strokes as a share of the height.
            color: Colour of the strokes.
        """
        cell = 0.46 * height
        gap = (0.12 + weight) * height
        widths = [cell * (0.35 if c == '1' else 0.05 if c == 'I' else 1.0) for c in text]
        x = -(sum(widths) + gap * (len(text) - 1)) / 2
        body = height * (1 - weight)
        for character, width in zip(text, widths, strict=True):
            for line in GLYPHS.get(character, []):
                points = [(x + px * width, (py - 0.5) * body) for px, py in line]
                self.stroke(points, weight * height, color)
            x += width + gap


GLYPHS: dict[str, list[list[Point]]] = {
    '0': [arc(0.5, 0.3, 0.5, 0.3, 180, 360) + arc(0.5, 0.7, 0.5, 0.3, 0, 180) + [(0.0, 0.3)]],
    '1': [[(0.0, 0.25), (1.0, 0.0), (1.0, 1.0)]],
    '2': [arc(0.5, 0.29, 0.48, 0.29, 180, 385) + [(0.02, 1.0), (1.0, 1.0)]],
    '3': [arc(0.47, 0.25, 0.45, 0.25, 195, 450), arc(0.47, 0.73, 0.53, 0.27, -90, 165)],
    '4': [[(0.7, 1.0), (0.7, 0.0), (0.0, 0.7), (1.0, 0.7)]],
    '5': [[(0.92, 0.0), (0.12, 0.0), (0.06, 0.46)], arc(0.47, 0.68, 0.53, 0.32, 220, 515)],
    '6': [arc(0.5, 0.68, 0.5, 0.32), [(0.8, 0.0), (0.3, 0.25), (0.04, 0.55), (0.0, 0.68)]],
    '7': [[(0.0, 0.0), (1.0, 0.0), (0.35, 1.0)]],
    '8': [arc(0.5, 0.24, 0.44, 0.24), arc(0.5, 0.74, 0.5, 0.26)],
    '9': [arc(0.5, 0.32, 0.5, 0.32), [(0.2, 1.0), (0.7, 0.75), (0.96, 0.45), (1.0, 0.32)]],
    'A': [[(0.0, 1.0), (0.5, 0.0), (1.0, 1.0)], [(0.2, 0.65), (0.8, 0.65)]],
    'E': [[(1.0, 0.0), (0.0, 0.0), (0.0, 1.0), (1.0, 1.0)], [(0.0, 0.48), (0.8, 0.48)]],
    'H': [[(0.0, 0.0), (0.0, 1.0)], [(1.0, 0.0), (1.0, 1.0)], [(0.0, 0.5), (1.0, 0.5)]],
    'I': [[(0.5, 0.0), (0.5, 1.0)]],
    'L': [[(0.0, 0.0), (0.0, 1.0), (1.0, 1.0)]],
    'N': [[(0.0, 1.0), (0.0, 0.0), (1.0, 1.0), (1.0, 0.0)]],
    'O': [arc(0.5, 0.5, 0.5, 0.5)],
    'P': [
        [(0.0, 1.0), (0.0, 0.0), (0.5, 0.0)],
        arc(0.5, 0.28, 0.5, 0.28, -90, 90) + [(0.0, 0.56)],
    ],
    'R': [
        [(0.0, 1.0), (0.0, 0.0), (0.5, 0.0)],
        arc(0.5, 0.26, 0.5, 0.26, -90, 90) + [(0.0, 0.52)],
        [(0.45, 0.52), (1.0, 1.0)],
    ],
    'S': [arc(0.5, 0.25, 0.48, 0.25, -20, -270) + arc(0.5, 0.75, 0.5, 0.25, -90, 160)],
    'T': [[(0.0, 0.0), (1.0, 0.0)], [(0.5, 0.0), (0.5, 1.0)]],
    'U': [[(0.0, 0.0)] + arc(0.5, 0.7, 0.5, 0.3, 180, 0) + [(1.0, 0.0)]],
}
"""Strokes of characters in a box from (0, 0) to (1, 1)."""
