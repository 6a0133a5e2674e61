# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Decoder `summed_detail`: `summed`, and beside it a path that sees stride 4."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from hiseg_ros.errors import ConfigError
from hiseg_ros.model.decoders.inverted_bottleneck import InvertedBottleneck, projection
from hiseg_ros.model.decoders.layers import resize
from hiseg_ros.model.decoders.summed import COARSE_STRIDE, SummedDecoder

DETAIL_SCALE = 3.0
"""Deviation of new detail features, about that of trained ones: a head learns from both alike."""


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
