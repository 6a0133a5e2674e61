# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Decoder `segnet`: a VGG network mirrored, with the pooling indices of its encoder.

Badrinarayanan et al., "SegNet: A Deep Convolutional Encoder-Decoder Architecture for Image
Segmentation", PAMI 2017. The stages at strides 16, 8 and 4; those at 2 and 1 are left out, since
probabilities are interpolated from stride 4 on.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from hiseg_ros.errors import ConfigError
from hiseg_ros.model.decoders.layers import convolution
from hiseg_ros.model.decoders.upsampling import unpool

CONVOLUTIONS = 3
"""Of each stage, as in VGG-16."""


class SegNetDecoder(nn.Module):
    """Unpooling and convolutions in turn; of the finer features only the indices are used."""

    def __init__(self, in_channels: Sequence[int], strides: Sequence[int], channels: int) -> None:
        """Build for a backbone's channels and strides, finest first.

        Raises:
            ConfigError: The last features are not those before them, pooled.
        """
        super().__init__()
        if in_channels[-1] != in_channels[-2]:
            raise ConfigError(
                f"Decoder 'segnet' has a backbone with {list(in_channels)} channels; expected as "
                "many in the last two features, as of 'vgg16_bn': take a VGG network."
            )
        self.stride = strides[0]
        wide = list(reversed(in_channels[:-1]))
        self.stages = nn.ModuleList(
            nn.Sequential(
                *(convolution(inside, inside, 3) for _ in range(CONVOLUTIONS - 1)),
                convolution(inside, out, 3),
            )
            for inside, out in zip(wide, [*wide[1:], channels], strict=True)
        )

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        """Return (N, channels, H / stride, W / stride)."""
        placed = features[-1]
        for stage, before_pooling in zip(self.stages, reversed(features[:-1]), strict=True):
            placed = stage(unpool(placed, before_pooling))
        return placed
