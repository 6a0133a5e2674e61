# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Simple pictograms of signs, each about from -1 to 1 on a canvas of its own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hiseg_ros.training.datasets.synthetic.sign_canvas import Canvas, Color, Point, arc

BLACK: Color = (22, 22, 24)
WHITE: Color = (245, 245, 243)
BLUE: Color = (10, 78, 160)
RED: Color = (196, 22, 32)


def car(canvas: Canvas, color: Color, window: Color = WHITE) -> None:
    """Draw a car from behind."""
    canvas.polygon([(-0.62, -0.7), (0.62, -0.7), (0.86, -0.05), (-0.86, -0.05)], color)
    canvas.polygon([(-0.5, -0.55), (0.5, -0.55), (0.63, -0.12), (-0.63, -0.12)], window)
    canvas.rounded([(-0.88, 0.0), (0.88, 0.0), (0.88, 0.4), (-0.88, 0.4)], 0.1, color)
    for x in (-0.68, 0.68):
        canvas.rectangle(x - 0.2, 0.4, x + 0.2, 0.8, color)


def truck_behind(canvas: Canvas, color: Color, window: Color = WHITE) -> None:
    """Draw a truck from behind: a tall box on wheels."""
    canvas.rectangle(-0.85, -1.3, 0.85, 0.42, color)
    canvas.rectangle(-0.6, -1.08, 0.6, -0.72, window)
    for x in (-0.58, 0.58):
        canvas.rectangle(x - 0.24, 0.4, x + 0.24, 0.8, color)


def truck(canvas: Canvas) -> None:
    """Draw a truck from the side that drives to the left."""
    canvas.rectangle(-0.3, -0.62, 1.0, 0.3, BLACK)
    canvas.polygon(
        [(-0.95, 0.3), (-0.95, -0.05), (-0.78, -0.4), (-0.38, -0.4), (-0.38, 0.3)], BLACK
    )
    canvas.polygon([(-0.83, -0.05), (-0.7, -0.3), (-0.5, -0.3), (-0.5, -0.05)], WHITE)
    for x in (-0.66, 0.2, 0.7):
        canvas.disc(x, 0.36, 0.26, WHITE)
        canvas.disc(x, 0.36, 0.2, BLACK)


def priority(canvas: Canvas) -> None:
    """Draw a broad arrow upwards across a thin bar."""
    canvas.rectangle(-0.2, -0.5, 0.2, 1.0, BLACK)
    canvas.polygon([(-0.2, -0.7), (0.0, -1.15), (0.2, -0.7), (0.2, -0.4), (-0.2, -0.4)], BLACK)
    canvas.rectangle(-0.62, 0.1, 0.62, 0.36, BLACK)


def bend(canvas: Canvas) -> None:
    """Draw an arrow that bends to the right."""
    path: list[Point] = [(-0.35, 1.0), (-0.35, 0.2), *arc(0.1, 0.2, 0.45, 0.5, 180, 258)]
    canvas.arrow([*path, (0.85, -0.62)], 0.32, 0.52, BLACK)


def double_bend(canvas: Canvas) -> None:
    """Draw an arrow that bends to the left and then to the right."""
    path: list[Point] = [(0.32, 1.0), (0.32, 0.62), (-0.32, 0.08), (-0.32, -0.22), (0.42, -1.0)]
    canvas.arrow(path, 0.3, 0.5, BLACK)


def bumps(canvas: Canvas) -> None:
    """Draw two humps on a road."""
    for x in (-0.5, 0.5):
        canvas.polygon(arc(x, 0.42, 0.46, 0.7, 180, 360), BLACK)
    canvas.rectangle(-1.15, 0.4, 1.15, 0.66, BLACK)


def slippery(canvas: Canvas) -> None:
    """Draw a tilted car before two winding tracks."""
    tilted = np.radians(-14)
    body = [(-0.4, -0.2), (-0.28, -0.72), (0.28, -0.72), (0.4, -0.2), (0.5, -0.1), (0.5, 0.22),
            (-0.5, 0.22), (-0.5, -0.1)]  # fmt: skip
    window = [(-0.28, -0.24), (-0.2, -0.58), (0.2, -0.58), (0.28, -0.24)]

    def tilt(points: list[Point]) -> list[Point]:
        c, s = float(np.cos(tilted)), float(np.sin(tilted))
        return [(x * c - y * s + 0.05, x * s + y * c - 0.25) for x, y in points]

    canvas.polygon(tilt(body), BLACK)
    canvas.polygon(tilt(window), WHITE)
    for x in (-0.36, 0.36):
        canvas.polygon(
            tilt([(x - 0.13, 0.2), (x + 0.13, 0.2), (x + 0.13, 0.4), (x - 0.13, 0.4)]), BLACK
        )
        track = [(x - 0.05 + 0.2 * float(np.sin(6.5 * t)), 0.3 + t * 0.75) for t in
                 np.linspace(0.0, 1.0, 16).tolist()]  # fmt: skip
        canvas.stroke(track, 0.17, BLACK)


def narrows(canvas: Canvas) -> None:
    """Draw a road of which the right side comes closer."""
    canvas.stroke([(-0.42, 1.0), (-0.42, -0.85)], 0.26, BLACK)
    canvas.stroke([(0.62, 1.0), (0.62, 0.5), (0.2, -0.05), (0.2, -0.85)], 0.26, BLACK)


def worker(canvas: Canvas) -> None:
    """Draw a person who digs in a heap."""
    canvas.disc(-0.08, -0.82, 0.21, BLACK)
    canvas.stroke([(-0.2, -0.48), (-0.42, 0.12)], 0.36, BLACK)
    canvas.stroke([(-0.4, 0.15), (-0.2, 0.5), (-0.32, 0.9)], 0.22, BLACK)
    canvas.stroke([(-0.5, 0.15), (-0.72, 0.9)], 0.22, BLACK)
    canvas.stroke([(-0.12, -0.45), (0.12, -0.02), (0.3, 0.14)], 0.17, BLACK)
    canvas.stroke([(-0.2, -0.12), (0.62, 0.62)], 0.1, BLACK)
    canvas.polygon([(0.25, 0.98), (0.62, 0.45), (0.82, 0.42), (1.15, 0.98)], BLACK)


def lights(canvas: Canvas) -> None:
    """Draw a traffic signal with its three colours."""
    canvas.rounded([(-0.3, -1.0), (0.3, -1.0), (0.3, 0.95), (-0.3, 0.95)], 0.1, BLACK)
    for y, color in ((-0.66, (222, 30, 30)), (-0.02, (250, 200, 20)), (0.62, (20, 150, 70))):
        canvas.disc(0.0, y, 0.27, color)


def walker(canvas: Canvas, color: Color = BLACK) -> None:
    """Draw a person who walks to the left."""
    canvas.disc(-0.05, -0.92, 0.23, color)
    canvas.stroke([(0.02, -0.5), (0.06, 0.05)], 0.4, color)
    canvas.stroke([(0.0, 0.05), (-0.3, 0.5), (-0.42, 1.0)], 0.24, color)
    canvas.stroke([(0.1, 0.05), (0.3, 0.52), (0.62, 0.96)], 0.24, color)
    canvas.stroke([(-0.08, -0.5), (-0.42, -0.12), (-0.62, 0.05)], 0.17, color)
    canvas.stroke([(0.14, -0.5), (0.46, -0.2), (0.5, 0.12)], 0.17, color)


def crossing(canvas: Canvas) -> None:
    """Draw a walking person on zebra stripes."""
    walker(canvas.at(0.0, -0.12, 0.85))
    for x in (-1.05, -0.6, -0.15, 0.3, 0.75):
        canvas.polygon([(x, 0.82), (x + 0.26, 0.82), (x + 0.3, 1.08), (x - 0.04, 1.08)], BLACK)


def children(canvas: Canvas) -> None:
    """Draw two children who run to the left."""
    for x, y, scale in ((-0.52, 0.3, 0.66), (0.42, 0.08, 0.88)):
        child = canvas.at(x, y, scale)
        child.disc(-0.2, -0.9, 0.25, BLACK)
        child.stroke([(-0.08, -0.5), (0.06, 0.05)], 0.38, BLACK)
        child.stroke([(0.0, 0.1), (-0.42, 0.35), (-0.4, 0.95)], 0.22, BLACK)
        child.stroke([(0.1, 0.1), (0.36, 0.5), (0.86, 0.55)], 0.22, BLACK)
        child.stroke([(-0.1, -0.5), (-0.7, -0.3)], 0.17, BLACK)
        child.stroke([(0.05, -0.5), (0.42, -0.15), (0.72, -0.3)], 0.17, BLACK)


def bicycle(canvas: Canvas, color: Color = BLACK) -> None:
    """Draw a bicycle from the side."""
    for x in (-0.68, 0.68):
        canvas.stroke(arc(x, 0.3, 0.46, 0.46), 0.15, color)
    frame: list[Point] = [(-0.68, 0.3), (-0.42, -0.3), (0.3, -0.3), (0.02, 0.3), (-0.42, -0.3)]
    canvas.stroke(frame, 0.13, color)
    canvas.stroke([(0.68, 0.3), (0.02, 0.3)], 0.13, color)
    canvas.stroke([(0.68, 0.3), (0.25, -0.5)], 0.13, color)
    canvas.stroke([(0.05, -0.52), (0.48, -0.52)], 0.16, color)
    canvas.stroke([(-0.42, -0.3), (-0.5, -0.62), (-0.75, -0.64)], 0.13, color)


def snowflake(canvas: Canvas) -> None:
    """Draw a flake with six arms."""
    for angle in np.radians(np.arange(30, 390, 60)):
        c, s = float(np.cos(angle)), float(np.sin(angle))
        canvas.stroke([(0.0, 0.0), (c, s)], 0.15, BLACK)
        for side in (-0.32, 0.32):
            tip = (0.86 * c - side * s, 0.86 * s + side * c)
            canvas.stroke([(0.54 * c, 0.54 * s), tip], 0.13, BLACK)


def deer(canvas: Canvas) -> None:
    """Draw a deer that leaps to the left."""
    canvas.polygon(
        [(-0.42, -0.2), (-0.05, -0.16), (0.42, -0.08), (0.66, 0.08), (0.62, 0.36), (0.3, 0.26),
         (-0.1, 0.3), (-0.38, 0.22)],
        BLACK,
    )  # fmt: skip
    canvas.stroke([(-0.36, -0.04), (-0.58, -0.52)], 0.26, BLACK)
    canvas.polygon([(-0.5, -0.74), (-0.45, -0.5), (-0.92, -0.36), (-0.98, -0.48)], BLACK)
    canvas.stroke([(-0.5, -0.64), (-0.38, -0.95), (-0.5, -1.2)], 0.1, BLACK)
    canvas.stroke([(-0.44, -0.8), (-0.14, -1.0), (-0.16, -1.22)], 0.1, BLACK)
    canvas.stroke([(-0.3, 0.16), (-0.66, 0.3), (-0.96, 0.14)], 0.15, BLACK)
    canvas.stroke([(-0.22, 0.2), (-0.5, 0.52), (-0.78, 0.5)], 0.15, BLACK)
    canvas.stroke([(0.52, 0.16), (0.62, 0.56), (0.96, 0.92)], 0.17, BLACK)
    canvas.stroke([(0.42, 0.2), (0.36, 0.62), (0.64, 0.98)], 0.16, BLACK)
    canvas.stroke([(0.6, 0.06), (0.78, -0.08)], 0.12, BLACK)


def exclamation(canvas: Canvas) -> None:
    """Draw an exclamation mark."""
    canvas.polygon([(-0.24, -1.1), (0.24, -1.1), (0.13, 0.45), (-0.13, 0.45)], BLACK)
    canvas.disc(0.0, 0.82, 0.23, BLACK)


def mirrored(draw: Callable[[Canvas], None]) -> Callable[[Canvas], None]:
    """Return the drawing with left and right exchanged."""
    return lambda canvas: draw(canvas.at(0.0, 0.0, (-1.0, 1.0)))
