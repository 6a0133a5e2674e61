# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Decoder `pixelnet`: the features of all levels at one point through a small MLP.

Bansal et al., "PixelNet: Representation of the Pixels, by the Pixels, and for the Pixels", 2017.
It learns from a few sampled points of each image (`points` of the loss) and works on the whole
grid at test time.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from timm.layers.norm import LayerNorm2d
from torch import nn
from torch.nn import functional as F  # noqa: N812 (the field's usual name)

from hiseg_ros.model.decoders.layers import resize


def _at_places(level: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Return (N, C, 1, P) of features (N, C, h, w), interpolated linearly at places (N, P, 2)."""
    # In half precision a place would be rounded to the next pixel or further.
    values = level.to(places.dtype)
    return F.grid_sample(values, places[:, None], padding_mode='border', align_corners=False)


class PixelNetDecoder(nn.Module):
    """An MLP of three layers on hypercolumns, on a grid or at any points."""

    def __init__(
        self,
        in_channels: Sequence[int],
        strides: Sequence[int],
        channels: int,
        width: int = 256,
        stride: int = 4,
    ) -> None:
        """Build for a backbone's channels and strides, finest first.

        Args:
            in_channels: Channels of the features.
            strides: Their strides.
            channels: Of the output.
            width: Of the two hidden layers.
            stride: Of the grid that `forward` computes, at most that of the finest features. The
                parameters are the same for all.
        """
        super().__init__()
        self.stride = min(stride, strides[0])
        self._finer = strides[0] // self.stride
        # The first layer in parts, one for each level: a 1x1 convolution and an interpolation may
        # change places, and on the coarse grids it costs less.
        self.first = nn.ModuleList(
            nn.Conv2d(count, width, 1, bias=index == 0) for index, count in enumerate(in_channels)
        )
        # Norms of single points: statistics of a batch would be those of the sampled ones.
        self.rest = nn.Sequential(
            LayerNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 1),
            LayerNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, channels, 1),
        )

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        """Return (N, channels, H / stride, W / stride)."""
        height, width = features[0].shape[-2:]
        size = torch.Size((height * self._finer, width * self._finer))
        parts = [
            resize(layer(level), size) for layer, level in zip(self.first, features, strict=True)
        ]
        return self._rest(parts)

    def at_places(self, features: list[torch.Tensor], places: torch.Tensor) -> torch.Tensor:
        """Return the features of single points.

        Args:
            features: As for `forward`.
            places: (N, P, 2) float: x and y of points, -1 and 1 being the edges of the image.

        Returns:
            (N, channels, 1, P).
        """
        parts = [
            layer(_at_places(level, places))
            for layer, level in zip(self.first, features, strict=True)
        ]
        return self._rest(parts)

    def _rest(self, parts: list[torch.Tensor]) -> torch.Tensor:
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        output: torch.Tensor = self.rest(total)
        return output
