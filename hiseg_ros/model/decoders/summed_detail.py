# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Decoder `summed_detail`: `summed`, and beside it a path that sees the image itself."""

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

STEM_WIDTHS = (16, 48)
"""Channels of the path's own features of the image at strides 2 and 4."""

BLOCKS = 4
"""Inverted bottlenecks at stride 8: together they see about 80 pixels, as wide as most signs."""


class SummedDetailDecoder(nn.Module):
    """The sum at stride 8, and beside it a wider path from the image and strides 4 to 16.

    The few channels of a light backbone are enough for streets, but no longer tell one pictogram
    from another. So the path has a stem of its own, which can be trained without moving what the
    backbone knows.
    """

    reads_image = True

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
        width = channels // 3
        self.street = SummedDecoder(in_channels, strides, channels - width)
        self.stride = COARSE_STRIDE
        self.stem = stem(width)
        self.fine = projection(in_channels[0], width, kernel=2, stride=2)
        self.own = projection(in_channels[1], width)
        self.coarse = projection(in_channels[2], width)
        self.blocks = nn.Sequential(*(InvertedBottleneck(width, 3) for _ in range(BLOCKS)))
        self.output = projection(width, width, True)
        norm = self.output[1]
        assert isinstance(norm, nn.BatchNorm2d)
        nn.init.constant_(norm.weight, DETAIL_SCALE)

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        """Return (N, channels, H / 8, W / 8): those of the sum, then those of the detail path.

        Args:
            features: The image (N, 3, H, W), then the backbone's, finest first.
        """
        image, fine, own, coarse = features[:4]
        detail = self.stem(image) + self.fine(fine) + self.own(own)
        detail = detail + resize(self.coarse(coarse), own.shape[-2:])
        return torch.cat([self.street(features[1:]), self.output(self.blocks(detail))], 1)


def stem(width: int) -> nn.Sequential:
    """Return layers from an image (N, 3, H, W) to features (N, width, H / 8, W / 8)."""
    first, second = STEM_WIDTHS
    wide = 3 * second
    return nn.Sequential(
        projection(3, first, True, kernel=3, stride=2),
        projection(first, first, True, kernel=3, stride=2, groups=first),
        projection(first, second),
        InvertedBottleneck(second, 2),
        projection(second, wide, True),
        projection(wide, wide, True, kernel=3, stride=2, groups=wide),
        projection(wide, width),
    )
