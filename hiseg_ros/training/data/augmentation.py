# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Colour jitter, blur and noise of training crops."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import torch
from torchvision.transforms import v2

from hiseg_ros.training.config.recipe import AugmentationConfig
from hiseg_ros.types import RgbImage

NO_AUGMENTATION = AugmentationConfig(colour=0.0, blur=0.0, noise=0.0)
"""Crops as they are."""


def random_colors(
    image: RgbImage, rng: np.random.Generator, config: AugmentationConfig | None = None
) -> torch.Tensor:
    """Return the image as (3, H, W) uint8 with jittered colour, blur and noise.

    Args:
        image: (H, W, 3).
        rng: Random generator.
        config: Strength of each; by default AugmentationConfig().
    """
    config = config or AugmentationConfig()
    # torchvision uses torch's global generator; with this seed a sample depends on its index
    # alone, so that a resumed run sees the same images.
    torch.manual_seed(int(rng.integers(2**31)))
    if config.median or config.bilateral:
        image = _edge_keeping_blur(image, rng, config)
    tensor = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
    if rng.random() < config.colour:
        if config.brightness_shift:
            shift = float(rng.uniform(-1, 1)) * config.brightness_shift
            tensor = (tensor.float() + shift).round().clamp(0, 255).to(torch.uint8)
        tensor = _jitter(config)(tensor)
    if rng.random() < config.blur:
        sigma = float(rng.uniform(*config.blur_sigma))
        # About three standard deviations across, and at least 3 pixels.
        side = max(3, 2 * round(1.5 * sigma) - 1)
        tensor = v2.functional.gaussian_blur(tensor, [side, side], [sigma])
    if rng.random() < config.noise:
        noise = torch.randn(tensor.shape) * float(rng.uniform(*config.noise_sigma))
        tensor = (tensor.float() + noise).clamp(0, 255).to(torch.uint8)
    return tensor


@lru_cache
def _jitter(config: AugmentationConfig) -> v2.ColorJitter:
    return v2.ColorJitter(config.brightness, config.contrast, config.saturation, config.hue)


def _edge_keeping_blur(
    image: RgbImage, rng: np.random.Generator, config: AugmentationConfig
) -> RgbImage:
    chance = rng.random()
    if chance < config.median:
        return np.asarray(cv2.medianBlur(np.ascontiguousarray(image), 3), np.uint8)
    if chance < config.median + config.bilateral:
        sigma = config.bilateral_sigma
        return np.asarray(
            cv2.bilateralFilter(np.ascontiguousarray(image), 3, sigma, sigma), np.uint8
        )
    return image
