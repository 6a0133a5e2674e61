# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Decoder `summed_detail`: `summed`, and beside it a path that sees the image itself."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from hiseg_ros.errors import ConfigError
from hiseg_ros.model.decoders.inverted_bottleneck import projection
from hiseg_ros.model.decoders.registry import DETAIL_SHARE
from hiseg_ros.model.decoders.summed import COARSE_STRIDE, SummedDecoder

DETAIL_SCALE = 3.0
"""Deviation of new detail features, about that of trained ones: a head learns from both alike."""

STEM_WIDTHS = (16, 32)
"""Channels of the second path at strides 2 and 4."""

BLOCKS = 2
"""Residual blocks at stride 8: with the stem they see 79 pixels, as wide as most signs."""


class SummedDetailDecoder(nn.Module):
    """The sum at stride 8, and beside it a path of its own from the image to stride 8.

    The few channels of a light backbone are enough for streets, but do not tell one pictogram
    from another. The second path shares nothing with the first, so that training it moves nothing
    that the first one knows, and what is computed at a place depends on 79 pixels around it only.
    """

    reads_image = True

    def __init__(self, in_channels: Sequence[int], strides: Sequence[int], channels: int) -> None:
        """Build for a backbone's channels and strides, finest first.

        Raises:
            ConfigError: The channels cannot be divided as this decoder needs them, or the
                backbone has no stride 8.
        """
        super().__init__()
        if channels % DETAIL_SHARE or COARSE_STRIDE not in strides:
            raise ConfigError(
                f"Decoder 'summed_detail' has {channels} channels and a backbone with the strides "
                f'{list(strides)}; expected a multiple of {DETAIL_SHARE} and the stride '
                f'{COARSE_STRIDE}.'
            )
        width = channels // DETAIL_SHARE
        self.street = SummedDecoder(in_channels, strides, channels - width)
        self.stride = COARSE_STRIDE
        self.detail = detail_path(width)

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        """Return (N, channels, H / 8, W / 8): those of the sum, then those of the second path.

        Args:
            features: The image (N, 3, H, W), then the backbone's, finest first.
        """
        return torch.cat(self.paths(features), 1)

    def paths(self, features: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what `forward` puts side by side: the sum's channels, and the second path's."""
        return self.street(features[1:]), self.detail(features[0])


def detail_path(width: int) -> nn.Sequential:
    """Return layers from an image (N, 3, H, W) to features (N, width, H / 8, W / 8)."""
    first, second = STEM_WIDTHS
    output = projection(width, width, True)
    norm = output[1]
    assert isinstance(norm, nn.BatchNorm2d)
    nn.init.constant_(norm.weight, DETAIL_SCALE)
    return nn.Sequential(
        projection(3, first, True, kernel=3, stride=2),
        projection(first, second, True, kernel=3, stride=2),
        projection(second, width, True, kernel=3, stride=2),
        *(ResidualBlock(width) for _ in range(BLOCKS)),
        output,
    )


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, added to the input.

    Depthwise ones have fewer products but learn slower, and take a CPU as long.
    """

    def __init__(self, channels: int) -> None:
        """Build for a number of channels."""
        super().__init__()
        self.first = projection(channels, channels, True, kernel=3)
        self.second = projection(channels, channels, kernel=3)
        self.activation = nn.Hardswish()

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return features of the same shape."""
        result: torch.Tensor = self.activation(features + self.second(self.first(features)))
        return result
