# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The second head of multi-level adaptation, on the last but one stage of the backbone."""

from __future__ import annotations

from typing import cast

import torch
from torch import nn

from hiseg_ros.model.classifier_tree import ConditionalHead, HeadOutput
from hiseg_ros.model.decoders.layers import convolution
from hiseg_ros.model.network import HierarchicalNetwork
from hiseg_ros.taxonomy import Taxonomy

STAGE = -2
"""As layer3 of the published network: stride 16 of a backbone that ends at stride 32."""


class AuxiliaryHead(nn.Module):
    """A 1x1 convolution and a head of the network's own kind; not part of written weights."""

    def __init__(self, network: HierarchicalNetwork, taxonomy: Taxonomy) -> None:
        """Build it with random weights.

        Args:
            network: Whose stage it reads, and whose kind of head it has.
            taxonomy: The tree.
        """
        super().__init__()
        self.projection = convolution(network.backbone.channels[STAGE], network.config.channels)
        self.head = type(network.head)(taxonomy, network.config)

    def forward(self, stages: list[torch.Tensor]) -> HeadOutput:
        """Return what the head says of the backbone's stages, on the grid of its stage."""
        head = cast(ConditionalHead, self.head)
        return head.head_output(self.projection(stages[STAGE]))
