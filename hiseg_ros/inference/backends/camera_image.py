# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Camera image to the uint8 input of an exported network, without torch."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from hiseg_ros.types import ImageSize, RgbImage

MOST_REDUCTION = 1.05
"""Largest reduction at which linear interpolation without antialiasing is used: that of rounding
sides to multiples of 32. There at least 99.7 % of the cells get the same label as with the
antialiased filter of training; at a reduction of 1.28 it is 99.0 %, at 2 it is 97 % (98.6 % with
averaging over areas). With that filter it is 99.8 % at reductions from 1.3 to 3; the rest is due
to rounding to uint8, which matters most to weights that enlarge small images: there 98.5 to
99.3 % of the labels are the same."""


def network_bytes(rgb: RgbImage, size: ImageSize) -> NDArray[np.uint8]:
    """Return the network's input for one image.

    Args:
        rgb: (H, W, 3) uint8, in any memory layout, read-only or not.
        size: (h, w) of the network's input.

    Returns:
        (1, h, w, 3) uint8, C-contiguous; it may share the memory of an image of that size.
    """
    height, width = size
    if rgb.shape[:2] == size:
        return np.require(rgb, requirements=('C', 'W'))[None]
    rgb = np.ascontiguousarray(rgb)
    if max(rgb.shape[0] / height, rgb.shape[1] / width) > MOST_REDUCTION:
        from hiseg_ros.inference.backends.reduction import reduced

        return reduced(rgb, size)[None]
    resized = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_LINEAR)
    return resized.astype(np.uint8, copy=False)[None]
