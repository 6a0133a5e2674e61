# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Fourier domain adaptation: the low-frequency amplitudes of another image.

Yang and Soatto, "FDA: Fourier Domain Adaptation for Semantic Segmentation", CVPR 2020.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hiseg_ros.training.data.training_set import TrainingSet
from hiseg_ros.training.data.transforms import random_crop
from hiseg_ros.types import ImageSize, RgbImage


def swap_amplitudes(content: RgbImage, style: RgbImage, beta: float) -> RgbImage:
    """Return an image with its own phase, and with the amplitudes of another at low frequencies.

    Args:
        content: (H, W, 3).
        style: (H, W, 3).
        beta: The frequencies up to b = floor(beta * min(H, W)) of each axis are swapped, which
            are (2b + 1)**2 of them; with b = 0 only the mean of each channel.
    """
    height, width = content.shape[:2]
    reach = int(beta * min(height, width))
    own, other = (
        torch.fft.fft2(torch.from_numpy(np.ascontiguousarray(one)).double().permute(2, 0, 1))
        for one in (content, style)
    )
    # Frequency 0 is in the corner: the low ones are the first and, mirrored, the last.
    rows = torch.arange(-reach, reach + 1) % height
    columns = torch.arange(-reach, reach + 1) % width
    area = (slice(None), rows[:, None], columns[None])
    swapped = own.clone()
    swapped[area] = torch.polar(other[area].abs(), own[area].angle())
    result = torch.fft.ifft2(swapped).real.round().clamp(0, 255)
    return result.permute(1, 2, 0).contiguous().to(torch.uint8).numpy()


class FourierStyle:
    """Gives crops the low-frequency amplitudes of random crops of a target."""

    def __init__(self, target: TrainingSet, beta: float) -> None:
        """Take the target's images and the size of the swapped part."""
        self._target, self._beta = target, beta

    def __call__(self, image: RgbImage, rng: np.random.Generator) -> RgbImage:
        """Return a crop in the style of the target.

        Args:
            image: (H, W, 3).
            rng: Chooses the target's image and crop.
        """
        images = self._target.images
        chosen = images[int(rng.integers(len(images)))]
        size: ImageSize = (image.shape[0], image.shape[1])
        labels: NDArray[Any] = chosen.label_set_ids
        style, _ = random_crop(chosen.image, labels, size, self._target.config.scale, rng)
        return swap_amplitudes(image, style, self._beta)
