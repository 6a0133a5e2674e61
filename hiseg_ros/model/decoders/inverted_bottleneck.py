# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""EfficientViT's building block: to more channels, depthwise, and back."""

from __future__ import annotations

import torch
from torch import nn

EXPANSION = 4
"""Channels of the output, and inside the inverted bottleneck, per channel of the sum."""


def projection(
    in_channels: int,
    out_channels: int,
    activates: bool = False,
    kernel: int = 1,
    stride: int = 1,
    groups: int = 1,
) -> nn.Sequential:
    """Return convolution and batch norm, and hard swish if wanted."""
    padding = (kernel - stride + 1) // 2
    layers: list[nn.Module] = [
        nn.Conv2d(in_channels, out_channels, kernel, stride, padding, groups=groups, bias=False),
        nn.BatchNorm2d(out_channels),
    ]
    return nn.Sequential(*layers, *([nn.Hardswish(inplace=True)] if activates else []))


class InvertedBottleneck(nn.Module):
    """1x1 to more channels, depthwise 3x3, 1x1 back, added to the input."""

    def __init__(self, channels: int, expansion: int = EXPANSION) -> None:
        """Build for a number of channels."""
        super().__init__()
        wide = expansion * channels
        self.expand = projection(channels, wide, True)
        self.depthwise = projection(wide, wide, True, kernel=3, groups=wide)
        self.reduce = projection(wide, channels)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return features of the same shape."""
        change: torch.Tensor = self.reduce(self.depthwise(self.expand(features)))
        return features + change

    def start_as_identity(self) -> None:
        """Let the block return its input until it is trained."""
        silence(self.reduce)


def silence(layers: nn.Sequential) -> None:
    """Let a convolution with norm return zeros until it is trained."""
    norm = layers[1]
    assert isinstance(norm, nn.BatchNorm2d)
    nn.init.zeros_(norm.weight)
