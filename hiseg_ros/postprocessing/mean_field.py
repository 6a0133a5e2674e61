# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Mean field of a dense CRF: each pixel's class probabilities, given those of all others.

Krähenbühl and Koltun: Efficient Inference in Fully Connected CRFs with Gaussian Edge Potentials,
NIPS 2011. The kernels are normalised as in the authors' later code, which published weights are
for; the pixel itself is counted among its neighbours, with a share of 1 / n.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.postprocessing.filters import (
    ExactFilter,
    Filter,
    LatticeFilter,
    NormalisedFilter,
    Planes,
    SmoothFilter,
)
from hiseg_ros.postprocessing.parameters import REFERENCE_WIDTH, CrfParameters
from hiseg_ros.types import RgbImage

EXACT_PIXELS = 2048
"""Most pixels of an image whose colour kernel is a matrix: 16 MB, and no approximation."""

SMALLEST = 1e-8
"""Least probability whose logarithm is taken."""


def weighted_filters(rgb: RgbImage, parameters: CrfParameters) -> list[tuple[float, Filter]]:
    """Return the kernels of an image with their weights, those of weight 0 left out.

    Args:
        rgb: (H, W, 3) uint8.
        parameters: Weights and standard deviations.

    Raises:
        ConfigError: The colour kernel is too narrow, see `LatticeFilter`.
    """
    height, width = rgb.shape[:2]
    scale = width / REFERENCE_WIDTH
    filters: list[tuple[float, Filter]] = []
    if parameters.color_weight:
        features = color_features(rgb, parameters.position_std * scale, parameters.color_std)
        is_small = height * width <= EXACT_PIXELS
        inner: Filter = ExactFilter(features) if is_small else LatticeFilter(features)
        filters.append((parameters.color_weight, NormalisedFilter(inner, (height, width))))
    if parameters.smooth_weight:
        smooth = SmoothFilter(parameters.smooth_std * scale)
        filters.append((parameters.smooth_weight, NormalisedFilter(smooth, (height, width))))
    return filters


def color_features(rgb: RgbImage, position_std: float, color_std: float) -> NDArray[np.float32]:
    """Return (H, W, 5) float32: red, green, blue, column, row, each divided by its deviation.

    Args:
        rgb: (H, W, 3) uint8.
        position_std: In pixels of this image.
        color_std: In steps of 8 bits.
    """
    height, width = rgb.shape[:2]
    features = np.empty((height, width, 5), np.float32)
    features[..., :3] = rgb / np.float32(color_std)
    features[..., 3] = np.arange(width, dtype=np.float32) / np.float32(position_std)
    features[..., 4] = (np.arange(height, dtype=np.float32) / np.float32(position_std))[:, None]
    return features


def mean_field(
    probabilities: Planes,
    filters: list[tuple[float, Filter]],
    rounds: int,
    similarity: NDArray[np.float32] | None = None,
) -> Planes:
    """Return the probabilities after some rounds of the mean field.

    A round computes, for every pixel and class, exp(log p + weight * sum over classes of
    similarity * filtered probabilities), normalised over the classes.

    Args:
        probabilities: (K, H, W) float32 of the network, summing to 1 over the classes.
        filters: Weights and normalised filters, see `weighted_filters`.
        rounds: Number of rounds; 0 returns the probabilities.
        similarity: (K, K) float32, 1 minus the cost of two classes side by side; None for the
            identity, which is the Potts model.
    """
    if not filters or not rounds:
        return probabilities.copy()
    logarithms = np.log(probabilities.clip(SMALLEST))
    current = probabilities
    for _ in range(rounds):
        message = np.zeros_like(current)
        for weight, filtered in filters:
            message += np.float32(weight) * filtered(current)
        if similarity is not None:
            message = np.tensordot(similarity, message, 1)
        message += logarithms
        message -= message.max(0)
        np.exp(message, out=message)
        message /= message.sum(0)
        current = message
    return current
