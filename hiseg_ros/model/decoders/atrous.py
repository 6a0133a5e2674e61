# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Atrous spatial pyramid pooling, with room for further branches.

Chen et al., "Rethinking Atrous Convolution for Semantic Image Segmentation" (DeepLabv3), 2017.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from hiseg_ros.model.decoders.layers import convolution, pooled_branch

DROPOUT = 0.1


class AtrousPyramid(nn.Module):
    """1x1, three dilated 3x3, the average of the whole, and further maps; joined by 1x1."""

    def __init__(
        self, in_channels: int, width: int, rates: Sequence[int], further: int = 0
    ) -> None:
        """Build the branches.

        Args:
            in_channels: Of the map.
            width: Of each branch and of the output.
            rates: Of the dilated convolutions.
            further: Channels of further maps, each a branch of its own with as many as these.
        """
        super().__init__()
        self.branches = nn.ModuleList(
            [
                convolution(in_channels, width),
                *(
                    nn.Sequential(
                        nn.Conv2d(in_channels, width, 3, padding=rate, dilation=rate, bias=False),
                        nn.BatchNorm2d(width),
                        nn.ReLU(inplace=True),
                    )
                    for rate in rates
                ),
            ]
        )
        self.whole = pooled_branch(in_channels, width)
        self.further = convolution(further, width) if further else None
        count = len(self.branches) + 1 + bool(further)
        self.project = nn.Sequential(convolution(count * width, width), nn.Dropout(DROPOUT))

    def forward(
        self, features: torch.Tensor, further: Sequence[torch.Tensor] = ()
    ) -> torch.Tensor:
        """Return (N, width, h, w) for (N, in_channels, h, w) and further maps of that size."""
        whole = self.whole(features.mean((2, 3), keepdim=True))
        parts = [branch(features) for branch in self.branches]
        parts.append(whole.expand(-1, -1, *features.shape[-2:]))
        if self.further is not None:
            parts.append(self.further(torch.cat(list(further), 1)))
        joined: torch.Tensor = self.project(torch.cat(parts, 1))
        return joined
