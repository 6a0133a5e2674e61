# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The preprocessing of the torch backends, as a step that CUDA graphs can record."""

from __future__ import annotations

import torch

from hiseg_ros.inference.reduced_input import reduced_height
from hiseg_ros.inference.scaled_input import USUAL
from hiseg_ros.preprocessing import Preprocessing
from hiseg_ros.types import ImageSize


class Preparation:
    """From one uint8 image to the network's input, at the usual or the reduced size."""

    def __init__(
        self, preprocessing: Preprocessing, device: torch.device, input_height: int
    ) -> None:
        """Create the step.

        Args:
            preprocessing: That of the weights.
            device: Device on which it runs.
            input_height: Shorter side of the network input in pixels; 0 = the weights' rule.
        """
        self.preprocessing = preprocessing
        self.is_reduced = False
        """Whether the input is reduced because memory is short; may be set between images."""
        self.scale = USUAL
        """Scale of the input; may be set between images."""
        self._device = device
        self._input_height = input_height

    def input_size(self, image_size: ImageSize) -> ImageSize:
        """Return the network's input size for an image size."""
        return self.preprocessing.input_size(image_size, self.height(image_size))

    def height(self, image_size: ImageSize) -> int:
        """Return the shorter side of the network's input in pixels; 0 for the weights' rule."""
        height, rule = self._input_height, self.preprocessing
        if self.scale != USUAL:
            usual = rule.input_size(image_size, height)
            scaled = self.scale.height(usual, rule.multiple)
            height = scaled if scaled < min(usual) else height
        if self.is_reduced:
            height = reduced_height(rule.input_size(image_size, height), rule.multiple)
        return height

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Return (1, 3, h, w) float32 on the device.

        Args:
            images: (1, H, W, 3) uint8, on the device or in pinned memory.
        """
        pixels = images[0].to(self._device, non_blocking=True)
        height = self.height((pixels.shape[0], pixels.shape[1]))
        return self.preprocessing.prepare_pixels(pixels, height)
