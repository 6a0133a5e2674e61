# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Ground: every pixel below the horizon is traced to the street and gets its surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.datasets.scenes.drawing.atmosphere import Light
from hiseg_ros.datasets.scenes.drawing.canvas import Canvas
from hiseg_ros.datasets.scenes.drawing.scene import LEAF, Floats, Floats32
from hiseg_ros.datasets.scenes.drawing.textures import cloud_noise, look_up
from hiseg_ros.datasets.scenes.street.plan import Band, StreetPlan

FAR = 600.0
"""Metres at which the ground ends."""
ROAD = Band('Road', 0.0, 'asphalt')
CURB_CUT = Band('Curb Cut', 0.2, 'slabs')


@dataclass(frozen=True)
class GroundPixels:
    """Where the pixels of the ground lie, each array (N,)."""

    inside: NDArray[np.bool_]
    """(H, W) which pixels these are."""
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    z: Floats32
    """Metres along the street."""
    side: Floats32
    """Metres right of the street's middle."""
    distance: Floats32
    """Depth in metres."""
    wide: Floats32
    """Metres that a pixel covers across."""
    long: Floats32
    """Metres that a pixel covers along the view."""


def trace(canvas: Canvas, plan: StreetPlan) -> GroundPixels:
    """Return the ground's pixels."""
    camera = canvas.camera
    ray_x, ray_y, ray_z = camera.rays()
    height = camera.position[1]
    with np.errstate(divide='ignore', invalid='ignore'):
        depth = np.where(ray_y < -1e-6, np.float32(height) / -ray_y, np.float32(np.inf))
    inside = depth < FAR
    distance = depth[inside]
    x = np.float32(camera.position[0]) + distance * ray_x[inside]
    z = np.float32(camera.position[2]) + distance * ray_z[inside]
    wide = distance / np.float32(camera.focal)
    side = x - plan.course(z) if plan.bends else x
    rows, columns = np.nonzero(inside)
    return GroundPixels(
        inside, rows, columns, z, side, distance, wide, wide * distance / np.float32(height)
    )


def draw_ground(canvas: Canvas, plan: StreetPlan, light: Light) -> GroundPixels:
    """Draw road, kerbs and what lies beside; return the traced pixels for markings."""
    pixels = trace(canvas, plan)
    bands = _bands(plan)
    edges = _edges(plan).astype(np.float32)
    index = np.searchsorted(edges, pixels.side)
    crossing = np.abs(plan.to_crossing(pixels.z))
    on_cross = crossing < plan.cross_half
    road = next(k for k, band in enumerate(bands) if band is ROAD)
    outer = (index == 0) | (index == len(bands) - 1)
    # The crossing street has a kerb and a sidewalk of its own beyond ours.
    beyond = crossing - plan.cross_half
    index = np.where(outer & (beyond < 0.2), len(bands), index)
    index = np.where(outer & (beyond >= 0.2) & (beyond < 2.2), len(bands) + 1, index)
    index = np.where(on_cross, road, index)
    kerbs = [k for k, band in enumerate(bands) if band.name == 'Curb']
    lowered = np.isin(index, kerbs) & _curb_cuts(plan, pixels.z)
    index = np.where(lowered, len(bands) + 2, index)
    bands = [*bands, Band('Curb', 0.2, 'kerb'), Band('Sidewalk', 2.0, 'slabs'), CURB_CUT]
    palette = np.array([LEAF[band.name] for band in bands], np.uint8)
    canvas.labels[pixels.inside] = palette[index]
    canvas.depth[pixels.inside] = pixels.distance
    colours = np.empty((len(index), 3), np.float32)
    for surface in sorted({band.surface for band in bands}):
        where = np.isin(index, [k for k, band in enumerate(bands) if band.surface == surface])
        if where.any():
            colours[where] = _surface(surface, plan, pixels, where)
    _wear(colours, plan, pixels, index == road)
    shade = light.shade((0.0, 1.0, 0.0))
    canvas.rgb[pixels.inside] = np.clip(colours * shade, 0, 255).astype(np.uint8)
    return pixels


def _curb_cuts(plan: StreetPlan, z: Floats32) -> NDArray[np.bool_]:
    """Return where the kerb is lowered: at driveways and at crosswalks."""
    if plan.seed % 3 == 0:
        return np.zeros(len(z), np.bool_)
    at_walk = np.abs(np.abs(plan.to_crossing(z)) - plan.cross_half - 2.2) < 1.5
    return np.asarray((np.mod(z + plan.seed % 17, 29.0) < 3.4) | at_walk)


def _bands(plan: StreetPlan) -> list[Band]:
    return [*reversed(plan.left), ROAD, *plan.right]


def _edges(plan: StreetPlan) -> Floats:
    right = plan.half_road + np.cumsum([band.width for band in plan.right])
    left = -plan.half_road - np.cumsum([band.width for band in plan.left])
    return np.concatenate([left[::-1][1:], [-plan.half_road, plan.half_road], right[:-1]])


def _noise(
    pixels: GroundPixels, where: NDArray[np.bool_], kind: int, metres: float, roughness: float
) -> Floats32:
    """Return noise whose tile spans `metres`, fading where pixels are larger than its grain."""
    scale = 512 / metres
    x = pixels.side[where] * scale
    y = pixels.z[where] * scale
    values = look_up(cloud_noise(kind, roughness), x, y)
    grain = metres / 64
    fade = np.clip(grain / np.maximum(pixels.long[where], 1e-3), 0, 1)
    return np.asarray(values * fade, np.float32)


def _joints(values: Floats32, period: float, width: float, footprint: Floats32) -> Floats32:
    """Return how much of each pixel is a joint of a regular pattern, in [0, 1]."""
    distance = np.abs(np.mod(values, period) - period / 2)
    hit = np.clip((width / 2 - distance) / footprint + 0.5, 0, 1)
    return np.asarray(np.where(footprint > period / 2, width / period, hit))


def _surface(
    name: str, plan: StreetPlan, pixels: GroundPixels, where: NDArray[np.bool_]
) -> Floats32:
    """Return the (n, 3) colours of one surface in even light."""
    fine = _noise(pixels, where, 1, 4.0, 0.35)
    middle = _noise(pixels, where, 2, 19.0, 1.2)
    side, z = pixels.side[where], pixels.z[where]
    wide, long = pixels.wide[where], pixels.long[where]
    if name == 'asphalt':
        base = np.array(plan.asphalt)
        value = 1 + 0.075 * fine + 0.05 * middle
    elif name == 'bike':
        base = np.array([150.0, 78, 66]) if plan.seed % 3 else np.array(plan.asphalt)
        value = 1 + 0.06 * fine + 0.05 * middle
    elif name in ('slabs', 'setts'):
        base = np.array(plan.paving) * (1.0 if name == 'slabs' else 0.8)
        period = 0.5 if name == 'slabs' else 0.14
        joints = np.maximum(_joints(side, period, 0.03, wide), _joints(z, period, 0.03, long))
        value = (1 + 0.06 * fine + 0.06 * middle) * (1 - 0.35 * joints)
    elif name == 'kerb':
        base = np.array(plan.paving) * 1.08
        value = (1 + 0.05 * fine) * (1 - 0.4 * _joints(z, 1.0, 0.03, long))
    elif name == 'gravel':
        base = np.array([172.0, 154, 126])
        value = 1 + 0.12 * fine + 0.08 * middle
    elif name == 'snow':
        base = np.array([222.0, 226, 232])
        value = 1 + 0.03 * fine + 0.05 * middle
    elif name == 'ballast':
        base = np.array([124.0, 116, 108])
        sleepers = _joints(z, 0.6, 0.24, long)
        value = (1 + 0.14 * fine) * (1 - 0.3 * sleepers)
    elif name == 'water':
        base = np.array([92.0, 112, 122])
        value = 1 + 0.1 * _noise(pixels, where, 3, 11.0, 1.0)
    else:
        dry = plan.season * 0.7
        if plan.right[-1].name == 'Snow':
            return _surface('snow', plan, pixels, where)
        base = np.array([86.0, 112, 52]) * (1 - dry) + np.array([138.0, 124, 82]) * dry
        value = 1 + 0.16 * fine + 0.17 * middle
    tint = np.stack([middle, np.zeros_like(middle), -middle], axis=1) * 2.0
    return np.asarray(
        base.astype(np.float32) * np.asarray(value, np.float32)[:, None] + tint, np.float32
    )


def _wear(
    colours: Floats32, plan: StreetPlan, pixels: GroundPixels, road: NDArray[np.bool_]
) -> None:
    """Add wheel tracks, tar seams and patches to the road."""
    side, z = pixels.side[road], pixels.z[road]
    factor = np.ones(len(side), np.float32)
    for lane in plan.lanes:
        for track in (-0.75, 0.75):
            factor += 0.045 * np.exp(-(((side - lane - track) / 0.28) ** 2))
        factor -= 0.05 * np.exp(-(((side - lane) / 0.3) ** 2))
    stain = look_up(cloud_noise(5, 1.6), side * 9, z * 4.5)
    factor *= 1 - 0.16 * np.clip(stain - 1.1, 0, 1.5)
    crack = look_up(cloud_noise(6, 1.3), side * 14, z * 14)
    width = 0.05 + pixels.long[road] * 0.4
    factor *= 1 - 0.2 * np.clip(1 - np.abs(crack) / width, 0, 1) * np.clip(0.03 / width, 0, 1)
    rng = np.random.default_rng([plan.seed, 2])
    for _ in range(int(rng.integers(0, 4))):
        at, wide, period = (
            rng.uniform(-1, 1) * plan.half_road,
            rng.uniform(0.5, 1.6),
            rng.uniform(37, 61),
        )
        patch = (np.abs(side - at) < wide) & (np.mod(z, period) < rng.uniform(2, 9))
        factor *= np.where(patch, rng.uniform(0.72, 1.12), 1.0)
    colours[road] *= factor[:, None]
