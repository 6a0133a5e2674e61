# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Decoders that add up projected strides, as EfficientViT's segmentation head does.

Cai et al., "EfficientViT: Multi-Scale Linear Attention for High-Resolution Dense Prediction",
ICCV 2023. `SummedDecoder` computes what the authors' head computes before its last convolution,
so that their weights fit; the other two add paths that contribute nothing before they are trained.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (the field's usual name)

from hiseg_ros.errors import ConfigError
from hiseg_ros.model.decoder import resize

COARSE_STRIDE = 8
"""Stride at which the features are added."""

EXPANSION = 4
"""Channels of the output, and inside the inverted bottleneck, per channel of the sum."""

DETAIL_SCALE = 3.0
"""Deviation of new detail features, about that of trained ones: a head learns from both alike."""


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
        _silence(self.reduce)


def _silence(layers: nn.Sequential) -> None:
    """Let a convolution with norm return zeros until it is trained."""
    norm = layers[1]
    assert isinstance(norm, nn.BatchNorm2d)
    nn.init.zeros_(norm.weight)


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


class SummedFineDecoder(SummedDecoder):
    """The sum carried on to the backbone's finest stride, 4, for what is thin or far."""

    def __init__(self, in_channels: Sequence[int], strides: Sequence[int], channels: int) -> None:
        """Build for a backbone's channels and strides, finest first.

        Raises:
            ConfigError: As of SummedDecoder.
        """
        super().__init__(in_channels, strides, channels)
        self.stride = strides[0]
        narrow = channels // EXPANSION
        self.fine = projection(in_channels[0], narrow)
        self.refine = InvertedBottleneck(narrow, 2)
        _silence(self.fine)
        self.refine.start_as_identity()

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        """Return (N, channels, H / stride, W / stride)."""
        coarse = resize(self.summed(features), features[0].shape[-2:])
        wide: torch.Tensor = self.output(self.refine(coarse + self.fine(features[0])))
        return wide


class SummedDetailDecoder(nn.Module):
    """The sum at stride 8, and beside it a wider path from strides 4, 8 and 16.

    The few channels of the sum are enough for streets; the types of signs need what strides 4
    and 8 still have of their pictograms.
    """

    def __init__(self, in_channels: Sequence[int], strides: Sequence[int], channels: int) -> None:
        """Build for a backbone's channels and strides, finest first.

        Raises:
            ConfigError: The channels cannot be divided as this decoder needs them, or the
                backbone has no strides 4, 8 and 16.
        """
        super().__init__()
        if channels % 3 or tuple(strides[:3]) != (4, COARSE_STRIDE, 16):
            raise ConfigError(
                f"Decoder 'summed_detail' has {channels} channels and a backbone with the strides "
                f'{list(strides)}; expected a multiple of 3 and the strides 4, 8 and 16.'
            )
        detail = channels // 3
        self.street = SummedDecoder(in_channels, strides, channels - detail)
        self.stride = COARSE_STRIDE
        width = 3 * detail // 4
        self.fine = projection(in_channels[0], width, kernel=2, stride=2)
        self.own = projection(in_channels[1], width)
        self.coarse = projection(in_channels[2], width)
        self.blocks = nn.Sequential(InvertedBottleneck(width, 3), InvertedBottleneck(width, 3))
        self.output = projection(width, detail, True)
        norm = self.output[1]
        assert isinstance(norm, nn.BatchNorm2d)
        nn.init.constant_(norm.weight, DETAIL_SCALE)

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        """Return (N, channels, H / 8, W / 8): those of the sum, then those of the detail path."""
        fine, own, coarse = features[:3]
        detail = self.fine(fine) + self.own(own) + resize(self.coarse(coarse), own.shape[-2:])
        return torch.cat([self.street(features), self.output(self.blocks(detail))], 1)
