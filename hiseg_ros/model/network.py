# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The network: images to the probability of every leaf on a coarse grid."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import torch
from torch import nn

from hiseg_ros.model.backbone import TimmBackbone
from hiseg_ros.model.classifier_tree import HeadOutput, build_head
from hiseg_ros.model.config import NetworkConfig
from hiseg_ros.model.decoders import build
from hiseg_ros.taxonomy import Taxonomy


class HierarchicalNetwork(nn.Module):
    """Backbone, decoder and classifier tree."""

    def __init__(self, config: NetworkConfig, taxonomy: Taxonomy) -> None:
        """Build the network with random weights.

        Raises:
            ConfigError: The backbone or the decoder cannot be built.
        """
        super().__init__()
        self.config = config
        self.backbone = TimmBackbone(config.backbone, config.output_stride)
        self.decoder = build.build_decoder(
            config.decoder,
            self.backbone.channels,
            self.backbone.strides,
            config.channels,
            config.decoder_options,
        )
        self.head = build_head(taxonomy, config)
        leaf_matrix = torch.from_numpy(taxonomy.leaf_matrix()).float()
        self.register_buffer('leaf_matrix', leaf_matrix, persistent=False)
        self.leaf_matrix: torch.Tensor

    @property
    def stride(self) -> int:
        """Image pixels per grid cell along each side."""
        return cast(int, self.decoder.stride)

    @property
    def reads_points(self) -> bool:
        """Whether `output_at` computes single points without the whole grid."""
        return isinstance(self.decoder, build.PointDecoder)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return leaf probabilities.

        Args:
            images: (N, 3, H, W) normalised; H and W multiples of 32.

        Returns:
            (N, L, H / stride, W / stride) float32; sums to 1 over L.
        """
        features = build.decoded(self.backbone, self.decoder, images)
        leaf_probabilities: torch.Tensor = self.head(features)
        return leaf_probabilities

    def head_output(self, images: torch.Tensor) -> HeadOutput:
        """Return what losses read: `forward` and, where the parts have them, factors and outlines.

        Args:
            images: As for `forward`.
        """
        head = self.head
        features = build.decoder_input(self.backbone, self.decoder, images)
        if isinstance(self.decoder, build.EdgeDecoder):
            decoded_features, edge_logits = self.decoder.with_edges(features)
            return replace(head.head_output(decoded_features), edge_logits=edge_logits)
        return head.head_output(self.decoder(features))

    def output_at(self, images: torch.Tensor, places: torch.Tensor) -> HeadOutput:
        """Return what losses read at some points only, by a decoder that reads single points.

        Args:
            images: As for `forward`.
            places: (N, P, 2) float: x and y of points, -1 and 1 being the edges of the image.

        Returns:
            As `head_output`, on a grid of (1, P) cells, one for each point.

        Raises:
            TypeError: The decoder computes whole grids only.
        """
        if not isinstance(self.decoder, build.PointDecoder):
            raise TypeError(f'Decoder {self.config.decoder!r} reads no single points.')
        head = self.head
        features = build.decoder_input(self.backbone, self.decoder, images)
        return head.head_output(self.decoder.at_places(features, places))

    def node_probabilities(self, leaf_probabilities: torch.Tensor) -> torch.Tensor:
        """Return (N, V, h, w): parents as sums of the leaves below them."""
        return torch.einsum('vl,nlhw->nvhw', self.leaf_matrix, leaf_probabilities).clamp_(max=1.0)
