# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Houses: boxes whose walls carry drawn facades, with roofs, and garden walls between them."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.datasets.scenes.drawing.atmosphere import Light
from hiseg_ros.datasets.scenes.drawing.canvas import Canvas
from hiseg_ros.datasets.scenes.drawing.scene import LEAF, Colour, Floats
from hiseg_ros.datasets.scenes.drawing.textures import speckle
from hiseg_ros.types import RgbImage

_SCALE = 20
"""Texture pixels per metre."""
_WALLS: tuple[Colour, ...] = (
    (168, 88, 66), (150, 98, 76), (205, 190, 165), (222, 214, 200), (186, 160, 120),
    (140, 134, 128), (196, 178, 140), (214, 200, 150), (178, 128, 104), (120, 112, 106),
    (230, 228, 222), (160, 164, 170),
)  # fmt: skip
_ROOFS: tuple[Colour, ...] = ((120, 66, 50), (92, 84, 82), (74, 74, 80), (140, 84, 60))


@lru_cache(maxsize=256)
def facade(seed: int, width: float, height: float, shop: bool) -> RgbImage:
    """Return a wall of width x height metres with its windows and doors."""
    rng = np.random.default_rng([seed, 20])
    columns, rows = max(4, round(width * _SCALE)), max(4, round(height * _SCALE))
    base = np.array(_WALLS[int(rng.integers(len(_WALLS)))]) * rng.uniform(0.85, 1.08)
    value = 1 + 0.035 * speckle(rng, rows, columns, 3) + 0.04 * speckle(rng, rows, columns, 40)
    image = base * value[..., None]
    if base[0] - base[2] > 45:
        _bricks(image, rng)
    storey = float(rng.uniform(2.7, 3.4))
    pitch = float(rng.uniform(1.7, 3.4))
    wide, tall = pitch * rng.uniform(0.38, 0.66), storey * rng.uniform(0.45, 0.62)
    if rng.random() < 0.18:
        wide, tall = pitch * 0.92, storey * 0.6
    frame = np.array([235.0, 232, 225]) if rng.random() < 0.65 else np.array([70.0, 62, 58])
    count = max(1, int((width - 0.6) / pitch))
    start = (width - count * pitch) / 2
    for level in range(max(1, int(height / storey))):
        ground = level == 0
        for index in range(count):
            left = start + index * pitch + (pitch - wide) / 2
            low = level * storey + (storey - tall) * 0.55
            if ground and shop:
                continue
            if ground and index == count // 2:
                _opening(image, height, left, 0.05, min(wide, 1.1), 2.1, rng, frame, door=True)
            else:
                _opening(image, height, left, low, wide, tall, rng, frame)
    if shop:
        _shop(image, width, height, rng)
    cornice = max(1, int(0.25 * _SCALE))
    image[:cornice] *= 0.82
    image[-cornice * 2 :] *= 0.85
    return np.clip(image, 0, 255).astype(np.uint8)


def _bricks(image: NDArray[np.floating], rng: np.random.Generator) -> None:
    image[::3] *= 0.9
    rows = len(image[1::3])
    image[1::3] *= rng.uniform(0.94, 1.05, (rows, image.shape[1], 1))


def _span(
    image: NDArray[np.floating], height: float, x: float, y: float, w: float, h: float
) -> NDArray[np.floating]:
    top, bottom = round((height - y - h) * _SCALE), round((height - y) * _SCALE)
    return image[max(0, top) : max(0, bottom), max(0, round(x * _SCALE)) : round((x + w) * _SCALE)]


def _opening(
    image: NDArray[np.floating],
    height: float,
    x: float,
    y: float,
    w: float,
    h: float,
    rng: np.random.Generator,
    frame: NDArray[np.floating],
    door: bool = False,
) -> None:
    """Draw one window or door."""
    _span(image, height, x - 0.1, y - 0.12, w + 0.2, h + 0.24)[:] *= 1.08
    _span(image, height, x, y, w, h)[:] = frame
    pane = _span(image, height, x + 0.07, y + 0.07, w - 0.14, h - 0.14)
    if not pane.size:
        return
    if door:
        pane[:] = rng.uniform(30, 130, 3)
        _span(image, height, x + 0.25, y + h * 0.55, w - 0.5, h * 0.35)[:] = (50, 58, 66)
        return
    dark = rng.uniform(28, 80)
    down = np.linspace(1.5, 0.8, pane.shape[0])[:, None, None]
    pane[:] = np.array([dark * 0.92, dark, dark * 1.1]) * down
    if rng.random() < 0.3:
        curtain = max(1, int(pane.shape[1] * rng.uniform(0.15, 0.45)))
        pane[:, :curtain] = (190, 186, 178)
    if rng.random() < 0.25:
        glass = np.array([150.0, 168, 186]) * rng.uniform(0.7, 1.1)
        pane[: max(1, pane.shape[0] // 2)] = glass
    middle = pane.shape[1] // 2
    pane[:, max(0, middle - 1) : middle + 1] = frame
    if rng.random() < 0.5:
        pane[pane.shape[0] // 3 : pane.shape[0] // 3 + 1] = frame
    _span(image, height, x, y - 0.12, w, 0.08)[:] *= 0.7


def _shop(
    image: NDArray[np.floating], width: float, height: float, rng: np.random.Generator
) -> None:
    """Draw a shop front with a name board."""
    paint = rng.uniform(20, 190, 3)
    _span(image, height, 0.15, 0, width - 0.3, 3.2)[:] = paint * 0.8
    pitch = rng.uniform(1.6, 3.0)
    for index in range(int((width - 0.6) / pitch)):
        pane = _span(image, height, 0.4 + index * pitch, 0.45, pitch - 0.2, 2.1)
        if pane.size:
            _window_display(pane, rng)
    board = _span(image, height, 0.2, 2.7, width - 0.4, 0.55)
    board[:] = paint
    letters = (np.arange(board.shape[1]) // 3) % 2 * (rng.random(board.shape[1]) < 0.8)
    third = board.shape[0] // 4
    inner = board[third : -third or None, board.shape[1] // 5 : -(board.shape[1] // 5) or None]
    pick = letters[: inner.shape[1]].astype(bool)
    inner[:, pick] = 235 if paint.mean() < 120 else 25


def _window_display(pane: NDArray[np.floating], rng: np.random.Generator) -> None:
    """Draw a shop window: dark above, the street's reflection below, goods in it."""
    rows, columns = pane.shape[:2]
    down = np.linspace(0.75, 1.25, rows)[:, None, None]
    pane[:] = rng.uniform(40, 95) * np.array([0.95, 1.0, 1.06]) * down
    for _ in range(int(rng.integers(3, 9))):
        top, left = int(rows * rng.uniform(0.35, 0.85)), int(columns * rng.random())
        tall, wide = (
            int(rows * rng.uniform(0.1, 0.4)) + 1,
            int(columns * rng.uniform(0.05, 0.2)) + 1,
        )
        pane[top : top + tall, left : left + wide] = rng.uniform(40, 210, 3)
    if rng.random() < 0.5:
        slant = np.arange(columns)[None, :] + np.arange(rows)[:, None]
        glare = (slant % (columns + rows) < columns * 0.3)[..., None]
        pane[:] = np.where(glare, pane * 0.8 + 40, pane)


def draw_house(
    canvas: Canvas,
    light: Light,
    corners: Floats,
    height: float,
    roof: float,
    seed: int,
    shop: bool,
) -> None:
    """Draw a house.

    Args:
        canvas: What to draw on.
        light: The light.
        corners: (4, 3) ground points, counter-clockwise seen from above, the front first.
        height: Metres to the eaves.
        roof: Metres from eaves to ridge, 0 for a flat roof.
        seed: Decides its looks.
        shop: Whether the front has a shop window.
    """
    eye = np.array(canvas.camera.position)
    rng = np.random.default_rng([seed, 21])
    tiles = _ROOFS[int(rng.integers(len(_ROOFS)))]
    up = np.array([0.0, height, 0.0])
    faces = []
    for index in range(4):
        start, end = corners[index], corners[(index + 1) % 4]
        along = end - start
        normal = np.array([along[2], 0.0, -along[0]]) / np.hypot(along[0], along[2])
        if (eye - start) @ normal > 0.05:
            middle = (start + end) / 2 - eye
            faces.append((-float(middle @ middle), index, normal))
    if roof > 0:
        _roof(canvas, light, corners, height, roof, tiles, eye)
    for _, index, normal in sorted(faces, key=lambda face: face[0]):
        start, end = corners[index], corners[(index + 1) % 4]
        if canvas.project(np.stack([start, end, end + up, start + up])) is None:
            continue
        width = round(float(np.hypot(*(end - start)[[0, 2]])), 1)
        texture = facade(seed + index % 2, width, round(height, 1), shop and index == 0)
        # A wall's shade with all windows alike; seen from outside, left is the later corner.
        lit = np.clip(texture * light.shade(normal), 0, 255).astype(np.uint8)
        canvas.textured(end + up, start - end, -up, lit, LEAF['Building'])


def _roof(
    canvas: Canvas,
    light: Light,
    corners: Floats,
    height: float,
    roof: float,
    colour: Colour,
    eye: Floats,
) -> None:
    """Draw a gable roof whose ridge runs along the front."""
    lift, ridge = np.array([0.0, height, 0.0]), np.array([0.0, height + roof, 0.0])
    front_a, front_b, back_a, back_b = (corner + lift for corner in corners)
    ridge_a = (corners[0] + corners[3]) / 2 + ridge
    ridge_b = (corners[1] + corners[2]) / 2 + ridge
    planes = [
        [back_a, back_b, ridge_a, ridge_b],
        [front_a, back_b, ridge_a],
        [front_b, back_a, ridge_b],
        [front_a, front_b, ridge_b, ridge_a],
    ]
    order = sorted(planes, key=lambda plane: -float(np.sum((np.mean(plane, axis=0) - eye) ** 2)))
    for plane in order:
        points = np.array(plane)
        normal = np.cross(points[1] - points[0], points[2] - points[0])
        normal = normal / max(float(np.linalg.norm(normal)), 1e-6)
        normal = normal if normal[1] > 0 or len(plane) == 3 else -normal
        tone = colour if len(plane) == 4 else (165.0, 140.0, 120.0)
        canvas.polygon(points, light.lit(tone, normal), LEAF['Building'])
