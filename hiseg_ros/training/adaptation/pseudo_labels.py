# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Pseudo labels of target images from a teacher's probabilities: flat classes, or tree nodes."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from hiseg_ros.model.decoders.layers import resize
from hiseg_ros.taxonomy import Mapping, Taxonomy
from hiseg_ros.training.adaptation.class_maps import class_maps, class_matrix
from hiseg_ros.training.data.label_table import IGNORED
from hiseg_ros.types import ImageSize


@dataclass(frozen=True)
class PseudoLabels:
    """Labels of some images."""

    rows: torch.Tensor
    """(N, H, W) int64 rows of `allowed` of who made them; -1 = no label."""
    weight: float
    """Of each labelled pixel, in [0, 1]."""


class ClassLabels(torch.nn.Module):
    """The likeliest class of each pixel."""

    def __init__(
        self, mapping: Mapping, taxonomy: Taxonomy, threshold: float, keeps_unsure: bool
    ) -> None:
        """Take the classes.

        Args:
            mapping: Its evaluated labels are the classes, and the rest of the tree one more.
            taxonomy: The tree.
            threshold: Probability from which a pixel is sure.
            keeps_unsure: Whether unsure pixels have labels too, and all of them the weight of the
                share of sure ones, as in DACS.

        Raises:
            ConfigError: Two classes share a leaf.
        """
        super().__init__()
        self.threshold, self.keeps_unsure = threshold, keeps_unsure
        self.register_buffer('allowed', class_matrix(mapping, taxonomy), persistent=False)
        self.allowed: torch.Tensor

    @torch.no_grad()
    def forward(self, leaf_probabilities: torch.Tensor, size: ImageSize) -> PseudoLabels:
        """Return labels of (N, L, h, w) probabilities for images of a size."""
        best, rows = resize(class_maps(leaf_probabilities, self.allowed), size).max(1)
        is_sure = best >= self.threshold
        if self.keeps_unsure:
            return PseudoLabels(rows, float(is_sure.float().mean()))
        return PseudoLabels(rows.masked_fill(~is_sure, IGNORED), 1.0)


class NodeLabels(torch.nn.Module):
    """The deepest node of the tree that is sure: 'vehicle' where 'car' is not.

    Above 0.5 the sure nodes of a pixel lie on one path from the root, since siblings share the
    probability of their parent. A pixel of which only the root is sure has no label.
    """

    def __init__(self, taxonomy: Taxonomy, threshold: float) -> None:
        """Take the tree, and the probability above 0.5 from which a node is sure."""
        super().__init__()
        self.threshold = threshold
        allowed = torch.from_numpy(taxonomy.leaf_matrix()).float()
        self.register_buffer('allowed', allowed, persistent=False)
        self.allowed: torch.Tensor

    @torch.no_grad()
    def forward(self, leaf_probabilities: torch.Tensor, size: ImageSize) -> PseudoLabels:
        """Return labels of (N, L, h, w) probabilities for images of a size; rows are node ids."""
        nodes = class_maps(leaf_probabilities, self.allowed)
        # No interpolated value is above the largest one: the other nodes are sure nowhere.
        possible = (nodes.amax((0, 2, 3)) >= self.threshold).nonzero().flatten()
        possible = possible[possible > 0]
        if not len(possible):
            return PseudoLabels(torch.full((len(nodes), *size), IGNORED, device=nodes.device), 1.0)
        is_sure = resize(nodes[:, possible], size) >= self.threshold
        # Node ids are in preorder: of the nodes on one path the deepest has the largest id.
        rows = torch.where(is_sure, possible[None, :, None, None], IGNORED).amax(1)
        return PseudoLabels(rows, 1.0)
