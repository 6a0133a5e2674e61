# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The discriminator of AdaptSegNet: of which domain is this part of a map?

Tsai et al., "Learning to Adapt Structured Output Space for Semantic Segmentation", CVPR 2018.
Written from the paper.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F  # noqa: N812 (the field's usual name)

from hiseg_ros.types import ImageSize

WIDTHS = (64, 128, 256, 512, 1)
SLOPE = 0.2
"""Of the leaky ReLU after each convolution but the last."""

PUBLISHED_STRIDES = (2, 2, 2, 2, 2)
"""For maps of the size of the image."""

GRID_STRIDES = (2, 2, 2, 1, 1)
"""For maps on the grid of a network at stride 4, of which five strides would leave 2x2 cells."""

KERNEL, PADDING = 4, 1

SOURCE, TARGET = 0.0, 1.0


class Discriminator(nn.Sequential):
    """Five 4x4 convolutions; one logit for each part of the map, high for the target."""

    def __init__(self, channels: int, strides: tuple[int, ...] = PUBLISHED_STRIDES) -> None:
        """Build it with random weights.

        Args:
            channels: Of the map.
            strides: Of the convolutions.
        """
        layers: list[nn.Module] = []
        for width, stride in zip(WIDTHS, strides, strict=True):
            layers.append(nn.Conv2d(channels, width, KERNEL, stride, PADDING))
            layers.append(nn.LeakyReLU(SLOPE))
            channels = width
        super().__init__(*layers[:-1])

    def frozen(self, maps: torch.Tensor) -> torch.Tensor:
        """Return the logits of maps; the gradient reaches the maps and no weight of this."""
        weights = {name: value.detach() for name, value in self.named_parameters()}
        result: torch.Tensor = functional_call(self, weights, (maps,))
        return result


def cells_left(size: ImageSize, strides: tuple[int, ...]) -> ImageSize:
    """Return (height, width) of the logits of a map of a size; less than 1 means none."""
    for stride in strides:
        size = (
            (size[0] + 2 * PADDING - KERNEL) // stride + 1,
            (size[1] + 2 * PADDING - KERNEL) // stride + 1,
        )
    return size


def domain_loss(logits: torch.Tensor, domain: float) -> torch.Tensor:
    """Return the mean binary cross entropy of logits for a domain, SOURCE or TARGET."""
    logits = logits.float()
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, domain))
