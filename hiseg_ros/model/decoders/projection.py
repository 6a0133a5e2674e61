# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Decoder `projection`: one 1x1 convolution."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from hiseg_ros.model.decoders.layers import convolution


class ProjectionDecoder(nn.Module):
    """One 1x1 convolution on the last features (IV 2018, method section 'Network')."""

    def __init__(self, in_channels: Sequence[int], strides: Sequence[int], channels: int) -> None:
        """Build for a backbone's channels and strides, finest first."""
        super().__init__()
        self.stride = strides[-1]
        self.project = convolution(in_channels[-1], channels)

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        """Return (N, channels, H / stride, W / stride)."""
        projected: torch.Tensor = self.project(features[-1])
        return projected
