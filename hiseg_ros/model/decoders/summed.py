# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Decoder `summed`: projected strides added up, as in EfficientViT's segmentation head.

Cai et al., "EfficientViT: Multi-Scale Linear Attention for High-Resolution Dense Prediction",
ICCV 2023. The decoder computes what the authors' head computes before its last convolution, so
that their weights fit; `summed_fine` and `summed_detail` add paths that contribute nothing before
they are trained.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (the field's usual name)

from hiseg_ros.errors import ConfigError
from hiseg_ros.model.decoders.inverted_bottleneck import (
    EXPANSION,
    InvertedBottleneck,
    projection,
)

COARSE_STRIDE = 8
"""Stride at which the features are added."""


class SummedDecoder(nn.Module):
    """Strides from 8 on, each projected to a few channels, added at stride 8."""

    def __init__(self, in_channels: Sequence[int], strides: Sequence[int], channels: int) -> None:
        """Build for a backbone's channels and strides, finest first.

        Raises:
            ConfigError: The channels cannot be divided as this decoder needs them.
        """
        super().__init__()
        if channels % EXPANSION:
            raise ConfigError(
                f'Network setting channels is {channels} for a summed decoder; expected a '
                f'multiple of {EXPANSION}.'
            )
        self.first = next(i for i, stride in enumerate(strides) if stride >= COARSE_STRIDE)
        self.stride = strides[self.first]
        self.channels = channels
        narrow = channels // EXPANSION
        self.laterals = nn.ModuleList(
            projection(count, narrow) for count in in_channels[self.first :]
        )
        self.middle = InvertedBottleneck(narrow)
        self.output = projection(narrow, channels, True)

    def summed(self, features: list[torch.Tensor]) -> torch.Tensor:
        """Return the sum after its bottleneck, (N, channels / 4, H / 8, W / 8)."""
        used = features[self.first :]
        size = tuple(used[0].shape[-2:])
        parts = [lateral(item) for lateral, item in zip(self.laterals, used, strict=True)]
        total = parts[0]
        for part in parts[1:]:
            # As trained by the authors; linear interpolation would shift their features.
            total = total + F.interpolate(part, size=size, mode='bicubic', align_corners=False)
        summed: torch.Tensor = self.middle(total)
        return summed

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        """Return (N, channels, H / stride, W / stride)."""
        wide: torch.Tensor = self.output(self.summed(features))
        return wide
