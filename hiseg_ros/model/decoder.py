# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Decoders: a backbone's features to one feature map on the network's grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (the field's usual name)


def convolution(
    in_channels: int, out_channels: int, kernel: int = 1, groups: int = 1
) -> nn.Module:
    """Return convolution, batch norm and ReLU."""
    padding = kernel // 2
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, padding=padding, groups=groups, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


def separable(in_channels: int, out_channels: int, kernel: int = 3) -> nn.Module:
    """Return a depthwise convolution followed by a 1x1 convolution, each with norm and ReLU."""
    return nn.Sequential(
        convolution(in_channels, in_channels, kernel, groups=in_channels),
        convolution(in_channels, out_channels),
    )


def resize(features: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """Interpolate (N, C, h, w) linearly to a size, cell centres kept in place."""
    if tuple(features.shape[-2:]) == tuple(size):
        return features
    return F.interpolate(features, size=tuple(size), mode='bilinear', align_corners=False)


class FusionDecoder(nn.Module):
    """All strides merged from coarse to fine, with pooled context on the coarsest."""

    def __init__(self, in_channels: Sequence[int], strides: Sequence[int], channels: int) -> None:
        """Build for a backbone's channels and strides, finest first."""
        super().__init__()
        self.stride = strides[0]
        wide = 2 * channels
        self.top = convolution(in_channels[-1], wide)
        self.context = nn.ModuleList(
            [separable(wide, wide, 5), nn.Sequential(nn.Conv2d(wide, wide, 1), nn.Sigmoid())]
        )
        laterals, merges = [], []
        previous = wide
        for index in range(len(in_channels) - 2, -1, -1):
            out = channels if index == 0 else wide
            laterals.append(convolution(in_channels[index], out))
            merges.append(nn.ModuleList([convolution(previous, out), separable(out, out)]))
            previous = out
        self.laterals = nn.ModuleList(laterals)
        self.merges = nn.ModuleList(merges)

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        """Return (N, channels, H / stride, W / stride)."""
        top = self.top(features[-1])
        local, gate = self.context
        merged: torch.Tensor = local(top) * gate(top.mean((2, 3), keepdim=True)) + top
        for lateral, merge, fine in zip(
            self.laterals, self.merges, reversed(features[:-1]), strict=True
        ):
            narrow, smooth = cast(nn.ModuleList, merge)
            merged = smooth(resize(narrow(merged), fine.shape[-2:]) + lateral(fine))
        return merged


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
