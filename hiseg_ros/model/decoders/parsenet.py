# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Decoder `parsenet`: the average of the whole image joined to each cell after an L2 norm.

Liu et al., "ParseNet: Looking Wider to See Better", 2015. Maps of different scale are normalised
before they are joined; otherwise the larger drowns the other.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (the field's usual name)

from hiseg_ros.model.decoders.layers import convolution, resize

STRIDE = 8
"""Of the finest features that are joined."""

SCALE = 10.0
"""Factor on each channel after the norm, before it is trained."""


class ScaledNorm(nn.Module):
    """L2 norm over the channels of each cell, then a learned factor for each channel."""

    def __init__(self, channels: int) -> None:
        """Build for a number of channels."""
        super().__init__()
        self.scale = nn.Parameter(torch.full((channels, 1, 1), SCALE))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return features of the same shape."""
        return F.normalize(features, dim=1) * self.scale


class ParseNetDecoder(nn.Module):
    """Features of stride 8, the last features and their average, joined at stride 8."""

    def __init__(
        self,
        in_channels: Sequence[int],
        strides: Sequence[int],
        channels: int,
        normalise: bool = True,
    ) -> None:
        """Build for a backbone's channels and strides, finest first.

        Args:
            in_channels: Channels of the features.
            strides: Their strides.
            channels: Of the output.
            normalise: Norm before joining; without it the maps are joined as they are.
        """
        super().__init__()
        self.level = next(i for i, stride in enumerate(strides) if stride >= STRIDE)
        self.stride = strides[self.level]
        wide = 2 * channels
        self.fine = convolution(in_channels[self.level], channels)
        self.top = convolution(in_channels[-1], wide)
        self.join = convolution(channels + 2 * wide, channels, 3)
        self.norms = nn.ModuleList(
            ScaledNorm(count) if normalise else nn.Identity() for count in (channels, wide, wide)
        )

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        """Return (N, channels, H / stride, W / stride)."""
        fine, top = self.fine(features[self.level]), self.top(features[-1])
        maps = [fine, top, top.mean((2, 3), keepdim=True)]
        fine, top, whole = (norm(part) for norm, part in zip(self.norms, maps, strict=True))
        size = fine.shape[-2:]
        joined: torch.Tensor = self.join(
            torch.cat([fine, resize(top, size), whole.expand(-1, -1, *size)], 1)
        )
        return joined
