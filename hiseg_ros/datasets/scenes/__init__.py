# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Drawn street scenes: seeded images with exact leaf labels, and drives through them."""

from hiseg_ros.datasets.scenes.drawing.scene import (
    LEAF_NAMES,
    SIGN_TYPES,
    DrawnScene,
    SignBox,
)
from hiseg_ros.datasets.scenes.drive import Drive, draw_scene
from hiseg_ros.datasets.scenes.signs.signs import OTHER_VARIANTS, draw_sign

__all__ = [
    'LEAF_NAMES',
    'OTHER_VARIANTS',
    'SIGN_TYPES',
    'DrawnScene',
    'Drive',
    'SignBox',
    'draw_scene',
    'draw_sign',
]
