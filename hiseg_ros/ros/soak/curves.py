# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Curves over time as an image; drawn with OpenCV, since robots have no plotting library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

WIDTH, PANEL_HEIGHT = 1000, 230
LEFT, RIGHT, TOP, BOTTOM = 64, 130, 40, 34
DETAIL = 2
"""The image is drawn so many times larger and then reduced: smoother lines and letters."""

INK, FAINT, MARK = (60, 60, 60), (225, 225, 225), (150, 150, 150)
COLORS = ((31, 119, 180), (214, 100, 20), (44, 140, 60), (148, 80, 170))
"""Red, green, blue of the series of a panel, in turn."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Series:
    """One curve."""

    name: str
    points: Sequence[Point]
    """Seconds and value."""
    color: int = 0
    """Place in COLORS."""
    is_thin: bool = False


@dataclass(frozen=True)
class Panel:
    """Curves that share an axis."""

    title: str
    series: Sequence[Series]


def draw(
    panels: Sequence[Panel], seconds: float, marks: Sequence[tuple[float, str]], path: Path
) -> None:
    """Write the panels, one below the other, as a PNG.

    Args:
        panels: What to draw.
        seconds: End of the time axis.
        marks: Moments with a short text each, such as the number of a fault.
        path: The PNG.

    Raises:
        OSError: It cannot be written.
    """
    rows = []
    for panel in panels:
        canvas = _Canvas(panel, seconds)
        canvas.frame()
        canvas.marks(marks)
        canvas.curves()
        rows.append(canvas.pixels)
    image = cv2.resize(
        np.concatenate(rows), None, fx=1 / DETAIL, fy=1 / DETAIL, interpolation=cv2.INTER_AREA
    )
    done, content = cv2.imencode('.png', cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    if not done:
        raise OSError(f'OpenCV cannot write {path}')
    path.write_bytes(content.tobytes())


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return round numbers from low to high, at most so many and one more."""
    span = max(high - low, 1e-9)
    raw = span / most
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor >= raw)
    first = math.ceil(low / step - 1e-9)
    return [step * k for k in range(first, math.floor(high / step + 1e-9) + 1)]


class _Canvas:
    def __init__(self, panel: Panel, seconds: float) -> None:
        self._panel, self._seconds = panel, seconds
        values = [y for series in panel.series for _, y in series.points if math.isfinite(y)]
        self._high = 1.1 * max(values, default=1.0) or 1.0
        shape = (PANEL_HEIGHT * DETAIL, WIDTH * DETAIL, 3)
        self.pixels: NDArray[np.uint8] = np.full(shape, 255, np.uint8)

    def _at(self, seconds: float, value: float) -> tuple[int, int]:
        x = LEFT + (WIDTH - LEFT - RIGHT) * seconds / self._seconds
        y = PANEL_HEIGHT - BOTTOM - (PANEL_HEIGHT - TOP - BOTTOM) * value / self._high
        return round(x * DETAIL), round(y * DETAIL)

    def _line(self, start: tuple[int, int], end: tuple[int, int], color: tuple[int, int, int],
              width: int = 1) -> None:  # fmt: skip
        cv2.line(self.pixels, start, end, color, width * DETAIL, cv2.LINE_AA)

    def _text(self, text: str, x: int, y: int, color: tuple[int, int, int], *,
              align: float = 0.0, scale: float = 0.42) -> None:  # fmt: skip
        """Write; align 0 begins at x, 0.5 centres, 1 ends there; x and y are pixels drawn."""
        face = cv2.FONT_HERSHEY_SIMPLEX
        (width, _), _ = cv2.getTextSize(text, face, scale * DETAIL, DETAIL)
        place = (round(x - align * width), y)
        cv2.putText(self.pixels, text, place, face, scale * DETAIL, color, DETAIL, cv2.LINE_AA)

    def frame(self) -> None:
        self._text(self._panel.title, LEFT * DETAIL, 16 * DETAIL, INK, scale=0.5)
        for value in ticks(0.0, self._high, 4):
            x, y = self._at(0.0, value)
            self._line((x, y), self._at(self._seconds, value), FAINT)
            self._text(f'{value:g}', x - 6 * DETAIL, y + 4 * DETAIL, INK, align=1.0)
        is_long = self._seconds >= 180
        unit, name = (60.0, 'min') if is_long else (1.0, 's')
        for moment in ticks(0.0, self._seconds / unit, 10):
            x, y = self._at(moment * unit, 0.0)
            self._text(f'{moment:g}', x, y + 14 * DETAIL, INK, align=0.5)
        x, y = self._at(self._seconds, 0.0)
        self._text(name, x + 14 * DETAIL, y + 14 * DETAIL, INK)

    def marks(self, marks: Sequence[tuple[float, str]]) -> None:
        for moment, text in marks:
            x, y = self._at(moment, 0.0)
            self._line((x, TOP * DETAIL), (x, y), FAINT)
            self._text(text, x, (TOP - 6) * DETAIL, MARK, align=0.5, scale=0.34)

    def curves(self) -> None:
        for place, series in enumerate(self._panel.series):
            color = red, green, blue = COLORS[series.color % len(COLORS)]
            if series.is_thin:
                color = ((red + 255) // 2, (green + 255) // 2, (blue + 255) // 2)
            points = [self._at(x, y) for x, y in series.points if math.isfinite(y)]
            if points:
                cv2.polylines(
                    self.pixels, [np.array(points, np.int32)], False, color,
                    DETAIL if series.is_thin else round(1.6 * DETAIL), cv2.LINE_AA,
                )  # fmt: skip
            x, y = (WIDTH - RIGHT + 22) * DETAIL, (TOP + 10 + 17 * place) * DETAIL
            self._line((x - 14 * DETAIL, y - 4 * DETAIL), (x - 3 * DETAIL, y - 4 * DETAIL), color,
                       1 if series.is_thin else 2)  # fmt: skip
            self._text(series.name, x + 2 * DETAIL, y, INK)
