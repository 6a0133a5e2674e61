# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""One scale for images of several sizes: a run has one range of resize factors for all of them."""

from __future__ import annotations

from hiseg_ros.preprocessing import Preprocessing
from hiseg_ros.types import ImageSize

TOLERANCE = 0.1
"""Relative difference of factors that is left alone: as much comes from the rounding of sizes."""


def size_to_learn_at(
    size: ImageSize, reference: ImageSize, preprocessing: Preprocessing
) -> ImageSize:
    """Return the size of an image at which the reference's resize factor suits it as well.

    The factor leads from an image's own size to that at which the network sees it whole: 0.4 for a
    large image may be 1 for a small one, which would be learnt from at a size that no node shows.

    Args:
        size: (H, W) of the image.
        reference: (H, W) of the image whose factor the run has.
        preprocessing: Of the network.

    Returns:
        (H, W), the image's own where its factor is that of the reference.
    """
    ratio = _factor(size, preprocessing) / _factor(reference, preprocessing)
    if abs(ratio - 1) <= TOLERANCE:
        return size
    return max(1, round(size[0] * ratio)), max(1, round(size[1] * ratio))


def _factor(size: ImageSize, preprocessing: Preprocessing) -> float:
    """Return the factor from an image's height to that at which the network sees it."""
    return preprocessing.input_size(size)[0] / size[0]
