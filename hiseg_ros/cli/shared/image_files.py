# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Image files as the engine takes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hiseg_ros.images import read_image
from hiseg_ros.types import RgbImage


def read_rgb(path: Path) -> RgbImage:
    """Return the (H, W, 3) uint8 pixels of an image file, C-contiguous.

    Raises:
        ImageError: It is missing, cut off, damaged, or claims too many pixels.
    """
    return np.ascontiguousarray(read_image(path)[..., ::-1], np.uint8)
