# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Layers that several decoders are built from."""

from __future__ import annotations

from collections.abc import Sequence

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


def pooled_branch(in_channels: int, out_channels: int) -> nn.Module:
    """Return 1x1 convolution, norm and ReLU for a vector pooled from a whole image.

    The norm is over the channels of each vector: a batch norm is noise over few images and fails
    on one, and without a norm the features of some backbones outweigh the other branches.
    """
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
        nn.GroupNorm(1, out_channels),
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
