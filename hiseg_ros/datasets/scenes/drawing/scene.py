# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What a drawn image is: pixels, leaf labels by name, and sign boxes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.types import UNLABELED, LabelImage, RgbImage

SIGN_TYPES: tuple[str, ...] = (
    'p_limit_20', 'p_limit_30', 'p_limit_50', 'p_limit_60', 'p_limit_70', 'p_limit_80',
    'o_restriction_ends_80', 'p_limit_100', 'p_limit_120', 'p_no_overtaking',
    'p_no_overtaking_truck', 'd_priority_next_inter', 'o_priority_road', 'o_give_way', 'o_stop',
    'p_no_traffic_both', 'p_no_trucks', 'o_no_entry', 'd_danger', 'd_bend_left', 'd_bend_right',
    'd_bend', 'd_uneven_road', 'd_slippery_road', 'd_road_narrows', 'd_construction',
    'd_traffic_signal', 'd_pedestrian_crossing', 'd_school_crossing', 'd_cycles_crossing',
    'd_snow', 'd_animals', 'o_restriction_ends', 'm_go_right', 'm_go_left', 'm_go_straight',
    'm_go_right_straight', 'm_go_left_straight', 'm_keep_right', 'm_keep_left', 'm_roundabout',
    'o_restr_end_ovrtkng', 'o_restr_end_ovrtkng_t',
)  # fmt: skip
"""The 43 sign types in the order of the German Traffic Sign Detection Benchmark."""

VISTAS_NAMES: tuple[str, ...] = (
    'Bird', 'Ground Animal', 'Curb', 'Fence', 'Guard Rail', 'Barrier', 'Wall', 'Bike Lane',
    'Crosswalk - Plain', 'Curb Cut', 'Parking', 'Pedestrian Area', 'Rail Track', 'Road',
    'Service Lane', 'Sidewalk', 'Bridge', 'Building', 'Tunnel', 'Person', 'Bicyclist',
    'Motorcyclist', 'Other Rider', 'Lane Marking - Crosswalk', 'Lane Marking - General',
    'Mountain', 'Sand', 'Sky', 'Snow', 'Terrain', 'Vegetation', 'Water', 'Banner', 'Bench',
    'Bike Rack', 'Billboard', 'Catch Basin', 'CCTV Camera', 'Fire Hydrant', 'Junction Box',
    'Mailbox', 'Manhole', 'Phone Booth', 'Pothole', 'Street Light', 'Pole',
    'Traffic Sign Frame', 'Utility Pole', 'Traffic Light', 'Traffic Sign (Back)', 'Trash Can',
    'Bicycle', 'Boat', 'Bus', 'Car', 'Caravan', 'Motorcycle', 'On Rails', 'Other Vehicle',
    'Trailer', 'Truck', 'Wheeled Slow', 'Car Mount', 'Ego Vehicle',
)  # fmt: skip

OTHER_SIGN = 'other sign'

LEAF_NAMES: tuple[str, ...] = (*VISTAS_NAMES, *SIGN_TYPES, OTHER_SIGN)
"""Leaf names; a drawn label is a position in this tuple."""

LEAF: dict[str, int] = {name: index for index, name in enumerate(LEAF_NAMES)}

Colour = tuple[float, float, float]
"""Red, green, blue in [0, 255]."""

Floats = NDArray[np.float64]
"""Any array of float64: points, vectors, textures."""

Floats32 = NDArray[np.float32]


@dataclass(frozen=True)
class SignBox:
    """Tight box around the visible pixels of one sign, right and lower edge exclusive."""

    x1: int
    y1: int
    x2: int
    y2: int
    name: str
    """One of SIGN_TYPES."""


@dataclass(frozen=True)
class DrawnScene:
    """One drawn image with exact labels."""

    rgb: RgbImage
    """(H, W, 3) uint8."""

    labels: LabelImage
    """(H, W) uint8 positions in `leaf_names`; 255 = unlabeled."""

    boxes: tuple[SignBox, ...]
    """Visible signs of the 43 types."""

    leaf_names: tuple[str, ...] = LEAF_NAMES


__all__ = [
    'LEAF', 'LEAF_NAMES', 'OTHER_SIGN', 'SIGN_TYPES', 'UNLABELED', 'VISTAS_NAMES', 'Colour',
    'DrawnScene', 'Floats', 'Floats32', 'SignBox',
]  # fmt: skip
