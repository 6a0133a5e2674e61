# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""How colours look to people with a colour-vision deficiency, and how far apart they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

VISIONS = {
    'normal': ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    'protanopia': (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    'deuteranopia': (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    'tritanopia': (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
"""Linear RGB to the linear RGB that looks the same, at full severity: Machado, Oliveira and
Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency", IEEE TVCG
15 (6), 2009."""

_XYZ_OF_LINEAR_RGB = np.array(
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
)
"""IEC 61966-2-1 (sRGB), white D65."""


def seen_as(rgb: NDArray[np.float64], vision: str) -> NDArray[np.float64]:
    """Return (..., 3) linear RGB in [0, 1] of sRGB colours 0..255 as a vision sees them."""
    share = np.asarray(rgb, float) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return np.clip(linear @ np.array(VISIONS[vision]).T, 0, 1)


def lab_of(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (..., 3) CIE L*a*b* of linear RGB."""
    ratio = linear @ _XYZ_OF_LINEAR_RGB.T / _XYZ_OF_LINEAR_RGB.sum(axis=1)
    root = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = np.moveaxis(root, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def ciede2000(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the colour difference of (..., 3) L*a*b* values (CIE 142, kL = kC = kH = 1)."""
    (l1, a1, b1), (l2, a2, b2) = np.moveaxis(one, -1, 0), np.moveaxis(other, -1, 0)
    chroma = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    grey = 1.5 - 0.5 * np.sqrt(chroma**7 / (chroma**7 + 25.0**7))
    c1, c2 = np.hypot(a1 * grey, b1), np.hypot(a2 * grey, b2)
    h1 = np.degrees(np.arctan2(b1, a1 * grey)) % 360
    h2 = np.degrees(np.arctan2(b2, a2 * grey)) % 360
    has_hue = c1 * c2 > 0
    turn = np.where(has_hue, (h2 - h1 + 180) % 360 - 180, 0.0)
    hue_difference = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2))
    lightness, chroma = (l1 + l2) / 2, (c1 + c2) / 2
    hue = np.where(has_hue, (h1 + turn / 2) % 360, h1 + h2)
    t = (
        1
        - 0.17 * np.cos(np.radians(hue - 30))
        + 0.24 * np.cos(np.radians(2 * hue))
        + 0.32 * np.cos(np.radians(3 * hue + 6))
        - 0.20 * np.cos(np.radians(4 * hue - 63))
    )
    s_l = 1 + 0.015 * (lightness - 50) ** 2 / np.sqrt(20 + (lightness - 50) ** 2)
    s_c, s_h = 1 + 0.045 * chroma, 1 + 0.015 * chroma * t
    rotation = -2 * np.sqrt(chroma**7 / (chroma**7 + 25.0**7))
    rotation *= np.sin(np.radians(60 * np.exp(-(((hue - 275) / 25) ** 2))))
    parts = (l2 - l1) / s_l, (c2 - c1) / s_c, hue_difference / s_h
    return np.sqrt(sum(part**2 for part in parts) + rotation * parts[1] * parts[2])


def smallest_difference(rgb: NDArray[np.float64], vision: str) -> tuple[float, int, int]:
    """Return the smallest difference among (N, 3) sRGB colours 0..255, and of which two it is."""
    lab = lab_of(seen_as(rgb, vision))
    distance = ciede2000(lab[:, np.newaxis], lab[np.newaxis])
    distance[np.tril_indices(len(lab))] = np.inf
    first, second = np.unravel_index(int(distance.argmin()), distance.shape)
    return float(distance[first, second]), int(first), int(second)
