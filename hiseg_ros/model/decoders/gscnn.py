# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Decoder `gscnn`: a stream for outlines beside the network, gated by it.

Takikawa et al., "Gated-SCNN: Gated Shape CNNs for Semantic Segmentation", ICCV 2019, written from
the paper. Two things differ: the shape stream runs at stride 4, since at the image's own size it
would cost more than the network, and the image's edges are Sobel gradients instead of Canny's,
which no exported network could compute.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (the field's usual name)

from hiseg_ros.model.decoders.atrous import AtrousPyramid
from hiseg_ros.model.decoders.layers import convolution, resize, separable

SHAPE_WIDTHS = (64, 32, 16, 8)
"""Channels of the shape stream from its start to its end."""

SKIP_CHANNELS = 48
"""Of the finest features beside the atrous pyramid's, as in DeepLabv3+."""


class ResidualBlock(nn.Module):
    """3x3, norm, ReLU, 3x3, norm, added to the input, ReLU."""

    def __init__(self, channels: int) -> None:
        """Build for a number of channels."""
        super().__init__()
        self.first = convolution(channels, channels, 3)
        self.second = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return features of the same shape."""
        return F.relu(features + self.second(self.first(features)))


class Gate(nn.Module):
    """Scales the shape stream where a stage of the network sees something."""

    def __init__(self, channels: int) -> None:
        """Build for the channels of the shape stream; the stage has one."""
        super().__init__()
        both = channels + 1
        self.attention = nn.Sequential(
            nn.BatchNorm2d(both),
            nn.Conv2d(both, both, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(both, 1, 1),
            nn.BatchNorm2d(1),
        )
        self.output = nn.Conv2d(channels, channels, 1, bias=False)

    def alpha(self, shape: torch.Tensor, stage: torch.Tensor) -> torch.Tensor:
        """Return the attention (N, 1, h, w) in (0, 1)."""
        return torch.sigmoid(self.attention(torch.cat([shape, stage], 1)))

    def forward(self, shape: torch.Tensor, stage: torch.Tensor) -> torch.Tensor:
        """Return the gated stream (N, C, h, w) for a stream and a stage (N, 1, h, w)."""
        gated: torch.Tensor = self.output(shape * (1 + self.alpha(shape, stage)))
        return gated


class GscnnDecoder(nn.Module):
    """Shape stream, and an atrous pyramid that gets the outlines; ends at stride 4."""

    reads_image = True

    def __init__(
        self,
        in_channels: Sequence[int],
        strides: Sequence[int],
        channels: int,
        *,
        width: int = 128,
        rates: tuple[int, int, int] = (3, 6, 9),
    ) -> None:
        """Build for a backbone's channels and strides, finest first.

        Args:
            in_channels: Channels of the features; four levels.
            strides: Their strides.
            channels: Of the output.
            width: Of the atrous pyramid.
            rates: Its atrous rates.
        """
        super().__init__()
        self.stride = strides[0]
        self.coarsest = strides[-1] // strides[0]
        self.start = nn.Conv2d(in_channels[0], SHAPE_WIDTHS[0], 1)
        self.blocks = nn.ModuleList(ResidualBlock(count) for count in SHAPE_WIDTHS[:-1])
        self.narrow = nn.ModuleList(
            nn.Conv2d(wide, narrow, 1)
            for wide, narrow in zip(SHAPE_WIDTHS[:-1], SHAPE_WIDTHS[1:], strict=True)
        )
        self.stages = nn.ModuleList(nn.Conv2d(count, 1, 1) for count in in_channels[-3:])
        self.gates = nn.ModuleList(Gate(count) for count in SHAPE_WIDTHS[1:])
        self.outline = nn.Conv2d(SHAPE_WIDTHS[-1], 1, 1)
        self.edges = nn.Conv2d(2, 1, 1)
        self.pyramid = AtrousPyramid(in_channels[-1], width, rates, further=1)
        self.skip = convolution(in_channels[0], SKIP_CHANNELS)
        self.output = nn.Sequential(
            separable(width + SKIP_CHANNELS, width), separable(width, channels)
        )
        tap = torch.tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]]) / 8
        self.register_buffer('sobel', torch.stack([tap, tap.T])[:, None], persistent=False)
        self.sobel: torch.Tensor

    def with_edges(self, features: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the features of `forward`, and the logits (N, 1, h, w) of outlines there."""
        image, *levels = features
        finest, last = levels[0], levels[-1]
        size = finest.shape[-2:]
        shape = self.start(finest)
        for block, narrow, stage, gate, level in zip(
            self.blocks, self.narrow, self.stages, self.gates, levels[-3:], strict=True
        ):
            shape = gate(narrow(block(shape)), resize(stage(level), size))
        outline = self.outline(shape)
        both = torch.cat([torch.sigmoid(outline), self.image_edges(image)], 1)
        edges = torch.sigmoid(self.edges(both))
        deep = self.pyramid(last, [F.avg_pool2d(edges, self.coarsest)])
        merged = self.output(torch.cat([resize(deep, size), self.skip(finest)], 1))
        return merged, outline

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        """Return (N, channels, H / stride, W / stride); the first of the features are the images.

        Args:
            features: Images (N, 3, H, W) normalised, then the backbone's features, finest first.
        """
        return self.with_edges(features)[0]

    def image_edges(self, images: torch.Tensor) -> torch.Tensor:
        """Return the mean magnitude of the images' gradients in each cell, (N, 1, h, w)."""
        grey = F.pad(images.mean(1, keepdim=True), (1, 1, 1, 1), mode='replicate')
        gradient = F.conv2d(grey, self.sobel.to(grey.dtype))
        magnitude = (gradient.square().sum(1, keepdim=True) + 1e-6).sqrt()
        return F.avg_pool2d(magnitude, self.stride)
