# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Decoders `fcn32`, `fcn16` and `fcn8`: scores of deep features, summed with those of finer ones.

Long et al., "Fully Convolutional Networks for Semantic Segmentation", CVPR 2015. The channels of
the output play the part of the paper's scores, since the classifiers come after the decoder; what
the paper does after the last sum, an interpolation to the image's size, is that of every network.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from hiseg_ros.model.decoders.layers import convolution, resize

DROPOUT = 0.1


class FcnDecoder(nn.Module):
    """The last features narrowed, and 1x1 convolutions of finer ones added to them."""

    def __init__(
        self,
        in_channels: Sequence[int],
        strides: Sequence[int],
        channels: int,
        *,
        finest: int,
        width: int = 256,
    ) -> None:
        """Build for a backbone's channels and strides, finest first.

        Args:
            in_channels: Channels of the features.
            strides: Their strides.
            channels: Of the output.
            finest: Stride of the output.
            width: Channels of the layer between the last features and their scores.
        """
        super().__init__()
        self.stride = finest
        self.first = next(i for i, stride in enumerate(strides) if stride >= finest)
        self.top = nn.Sequential(
            convolution(in_channels[-1], width, 3),
            nn.Dropout(DROPOUT),
            nn.Conv2d(width, channels, 1),
        )
        self.laterals = nn.ModuleList(
            nn.Conv2d(count, channels, 1) for count in reversed(in_channels[self.first : -1])
        )

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        """Return (N, channels, H / stride, W / stride)."""
        scores: torch.Tensor = self.top(features[-1])
        for lateral, fine in zip(self.laterals, reversed(features[self.first : -1]), strict=True):
            scores = resize(scores, fine.shape[-2:]) + lateral(fine)
        return scores
