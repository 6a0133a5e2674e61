# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Decoder `fusion`: all strides merged from coarse to fine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import nn

from hiseg_ros.model.decoders.layers import convolution, separable
from hiseg_ros.model.decoders.upsampling import Upsampling


class FusionDecoder(nn.Module):
    """All strides merged from coarse to fine, with pooled context on the coarsest."""

    def __init__(
        self,
        in_channels: Sequence[int],
        strides: Sequence[int],
        channels: int,
        upsampling: str = 'bilinear',
    ) -> None:
        """Build for a backbone's channels and strides, finest first.

        Args:
            in_channels: Channels of the features.
            strides: Their strides.
            channels: Of the output.
            upsampling: One of UPSAMPLINGS.
        """
        super().__init__()
        self.stride = strides[0]
        wide = 2 * channels
        self.top = convolution(in_channels[-1], wide)
        self.context = nn.ModuleList(
            [separable(wide, wide, 5), nn.Sequential(nn.Conv2d(wide, wide, 1), nn.Sigmoid())]
        )
        laterals, merges, steps = [], [], []
        previous = wide
        for index in range(len(in_channels) - 2, -1, -1):
            out = channels if index == 0 else wide
            laterals.append(convolution(in_channels[index], out))
            merges.append(nn.ModuleList([convolution(previous, out), separable(out, out)]))
            steps.append(Upsampling(upsampling, out, strides[index + 1] // strides[index]))
            previous = out
        self.laterals = nn.ModuleList(laterals)
        self.merges = nn.ModuleList(merges)
        self.upsamplings = nn.ModuleList(steps)

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        """Return (N, channels, H / stride, W / stride)."""
        top = self.top(features[-1])
        local, gate = self.context
        merged: torch.Tensor = local(top) * gate(top.mean((2, 3), keepdim=True)) + top
        for lateral, merge, upsampling, fine in zip(
            self.laterals, self.merges, self.upsamplings, reversed(features[:-1]), strict=True
        ):
            narrow, smooth = cast(nn.ModuleList, merge)
            skip = lateral(fine)
            merged = smooth(upsampling(narrow(merged), skip) + skip)
        return merged
