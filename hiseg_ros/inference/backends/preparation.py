# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The preprocessing at the input size that a backend of torch uses now."""

from __future__ import annotations

import torch

from hiseg_ros.inference.reduced_input import reduced_height
from hiseg_ros.preprocessing import Preprocessing
from hiseg_ros.types import ImageSize


class Preparation:
    """From the bytes of one image to the network's input, as a step that can be recorded."""

    def __init__(
        self, preprocessing: Preprocessing, device: torch.device, input_height: int
    ) -> None:
        """Keep the rules.

        Args:
            preprocessing: Of the weights.
            device: Where it happens.
            input_height: Shorter side of the network input in pixels; 0 = the weights' rule.
        """
        self.preprocessing = preprocessing
        self.is_reduced = False
        """Whether the input is smaller, since memory is short."""
        self._device = device
        self._input_height = input_height

    def input_size(self, image_size: ImageSize) -> ImageSize:
        """Return the network's input size for an image size."""
        return self.preprocessing.input_size(image_size, self.height(image_size))

    def height(self, image_size: ImageSize) -> int:
        """Return the shorter side of the network's input; 0 for the weights' rule."""
        if not self.is_reduced:
            return self._input_height
        usual = self.preprocessing.input_size(image_size, self._input_height)
        return reduced_height(usual, self.preprocessing.multiple)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Return (1, 3, h, w) float32 on the device.

        Args:
            images: (1, H, W, 3) uint8, on the device or in pinned memory.
        """
        pixels = images[0].to(self._device, non_blocking=True)
        height = self.height((pixels.shape[0], pixels.shape[1]))
        return self.preprocessing.prepare_pixels(pixels, height)
