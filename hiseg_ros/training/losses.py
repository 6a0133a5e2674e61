# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The set loss: minus the log of the summed probability of the leaves that a label allows."""

from __future__ import annotations

import torch
from torch.nn import functional as F  # noqa: N812 (the field's usual name)

from hiseg_ros.training.label_table import IGNORED, LabelTable

SMALLEST_PROBABILITY = 1e-6
"""Below this the logarithm goes on as its tangent: finite, and a lost pixel still learns."""


def set_nll(
    leaf_probabilities: torch.Tensor, targets: torch.Tensor, allowed: torch.Tensor
) -> torch.Tensor:
    """Return minus the log of the summed probability of the allowed leaves, pixel by pixel.

    The sums are interpolated from the network's grid to the targets' size, as at inference.

    Args:
        leaf_probabilities: (L, h, w) float, summing to 1 over L.
        targets: (H, W) integer rows of `allowed`; -1 = unlabeled.
        allowed: (R, L) float, 1 where row r allows leaf l.

    Returns:
        (H, W) float; 0 without gradient where unlabeled.
    """
    present = torch.unique(targets)
    present = present[present != IGNORED]
    if present.numel() == 0:
        return leaf_probabilities.sum() * leaf_probabilities.new_zeros(targets.shape)
    # Only the rows that occur in this image are summed and interpolated: about ten of 150.
    sums = torch.einsum('rl,lhw->rhw', allowed[present], leaf_probabilities)
    full = F.interpolate(sums[None], targets.shape, mode='bilinear', align_corners=False)[0]
    position = torch.searchsorted(present, targets.clamp(min=0).contiguous())
    chosen = full.gather(0, position.clamp(max=present.numel() - 1)[None])[0]
    nll = -chosen.clamp(min=SMALLEST_PROBABILITY, max=1.0).log()
    nll = nll + (SMALLEST_PROBABILITY - chosen).relu() / SMALLEST_PROBABILITY
    return torch.where(targets == IGNORED, torch.zeros_like(nll), nll)


class SetLoss(torch.nn.Module):
    """Weighted mean of `set_nll` per data set, the data sets added with their own weights."""

    def __init__(self, table: LabelTable) -> None:
        """Take the table of allowed leaves and pixel weights."""
        super().__init__()
        self.register_buffer('allowed', table.allowed, persistent=False)
        self.register_buffer('weights', table.weights, persistent=False)
        self.allowed: torch.Tensor
        self.weights: torch.Tensor

    def forward(
        self,
        leaf_probabilities: torch.Tensor,
        targets: torch.Tensor,
        dataset_index: torch.Tensor,
        dataset_weights: torch.Tensor,
    ) -> torch.Tensor:
        """Return the scalar loss of a batch.

        Args:
            leaf_probabilities: (N, L, h, w).
            targets: (N, H, W) rows of the label table; -1 = unlabeled.
            dataset_index: (N,) data set of each image.
            dataset_weights: (D,) weight of each data set.
        """
        weight_by_row = torch.cat([self.weights, self.weights.new_zeros(1)])  # [-1] is unlabeled
        total = leaf_probabilities.new_zeros(())
        for dataset in torch.unique(dataset_index).tolist():
            members = (dataset_index == dataset).nonzero().flatten().tolist()
            weighted_sum = leaf_probabilities.new_zeros(())
            weight_sum = leaf_probabilities.new_zeros(())
            for n in members:
                weight = weight_by_row[targets[n]]
                nll = set_nll(leaf_probabilities[n], targets[n], self.allowed)
                weighted_sum = weighted_sum + (weight * nll).sum()
                weight_sum = weight_sum + weight.sum()
            total = total + dataset_weights[dataset] * weighted_sum / weight_sum.clamp(min=1.0)
        return total
