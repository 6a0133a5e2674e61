# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Decoder `refinenet`: fusion of two levels and chained pooling, from coarse to fine.

Lin et al., "RefineNet: Multi-Path Refinement Networks for High-Resolution Semantic Segmentation",
CVPR 2017, and its light-weight version: Nekrasov et al., "Light-Weight RefineNet for Real-Time
Semantic Segmentation", BMVC 2018, with 1x1 instead of 3x3 convolutions and without residual units.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (the field's usual name)

from hiseg_ros.model.decoders.layers import resize

POOLINGS = 2
"""Blocks of chained pooling."""

UNITS = 2
"""Residual units of a level before it is fused."""


def _plain(in_channels: int, out_channels: int, kernel: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=False)


class ResidualUnit(nn.Module):
    """ReLU, 3x3, ReLU, 3x3, added to the input; no norm."""

    def __init__(self, channels: int) -> None:
        """Build for a number of channels."""
        super().__init__()
        self.first = _plain(channels, channels, 3)
        self.second = _plain(channels, channels, 3)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return features of the same shape."""
        change: torch.Tensor = self.second(F.relu(self.first(F.relu(features))))
        return features + change


class ChainedPooling(nn.Module):
    """5x5 pooling at stride 1 and a convolution, again and again, each result added."""

    def __init__(self, channels: int, kernel: int) -> None:
        """Build for a number of channels and a size of the convolutions."""
        super().__init__()
        self.convolutions = nn.ModuleList(
            _plain(channels, channels, kernel) for _ in range(POOLINGS)
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return features of the same shape."""
        total = path = F.relu(features)
        for convolution in self.convolutions:
            path = convolution(F.max_pool2d(path, 5, 1, 2))
            total = total + path
        return total


class RefineNetDecoder(nn.Module):
    """Each level fused with the coarser ones, pooled in a chain."""

    def __init__(
        self,
        in_channels: Sequence[int],
        strides: Sequence[int],
        channels: int,
        light: bool = True,
    ) -> None:
        """Build for a backbone's channels and strides, finest first.

        Args:
            in_channels: Channels of the features.
            strides: Their strides.
            channels: Of the output and of all levels but the coarsest, which has twice as many.
            light: The light-weight version.
        """
        super().__init__()
        self.stride = strides[0]
        kernel, units = (1, 0) if light else (3, UNITS)
        widths = [2 * channels] + [channels] * (len(in_channels) - 1)
        from_coarse = list(reversed(in_channels))

        def residual(width: int, count: int) -> nn.Sequential:
            return nn.Sequential(*(ResidualUnit(width) for _ in range(count)))

        self.adapt = nn.ModuleList(
            nn.Sequential(_plain(count, width, kernel), residual(width, units))
            for count, width in zip(from_coarse, widths, strict=True)
        )
        self.narrow = nn.ModuleList(
            _plain(before, width, kernel)
            for before, width in zip(widths[:-1], widths[1:], strict=True)
        )
        self.fuse = nn.ModuleList(_plain(width, width, kernel) for width in widths[1:])
        self.pooling = nn.ModuleList(ChainedPooling(width, kernel) for width in widths)
        self.last = nn.ModuleList(residual(width, min(units, 1)) for width in widths)

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        """Return (N, channels, H / stride, W / stride)."""
        adapted = [adapt(f) for adapt, f in zip(self.adapt, reversed(features), strict=True)]
        refined: torch.Tensor = self.last[0](self.pooling[0](adapted[0]))
        for level, own in enumerate(adapted[1:], 1):
            coarse = resize(self.narrow[level - 1](refined), own.shape[-2:])
            refined = self.last[level](self.pooling[level](self.fuse[level - 1](own) + coarse))
        return refined
