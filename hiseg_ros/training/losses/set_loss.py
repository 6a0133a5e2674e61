# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The set loss: minus the log of the summed probability of the leaves that a label allows."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional as F  # noqa: N812 (the field's usual name)

from hiseg_ros.model.classifier_tree import HeadOutput
from hiseg_ros.training.data.label_table import IGNORED, LabelTable
from hiseg_ros.training.distributed import global_mean
from hiseg_ros.training.losses.box_gate import BoxGate
from hiseg_ros.training.losses.label_rows import MixtureLayers, present_rows, row_weights

SMALLEST_PROBABILITY = 1e-6
"""Below this the logarithm goes on as its tangent: finite, and a lost pixel still learns."""


def set_nll(
    leaf_probabilities: torch.Tensor, targets: torch.Tensor, allowed: torch.Tensor
) -> torch.Tensor:
    """Return minus the log of the summed probability of the allowed leaves, pixel by pixel.

    The sums are interpolated from the network's grid to the targets' size, as at inference.

    Args:
        leaf_probabilities: (L, h, w) float, summing to 1 over L.
        targets: (H, W) int64 rows of `allowed`; -1 = unlabeled.
        allowed: (R, L) float, 1 where row r allows leaf l.

    Returns:
        (H, W) float; 0 without gradient where unlabeled.
    """
    present = present_rows(targets, len(allowed))
    if present.numel() == 0:
        return leaf_probabilities.sum() * leaf_probabilities.new_zeros(targets.shape)
    # Only the rows that occur in this image are summed and interpolated: about ten of 150.
    sums = torch.einsum('rl,lhw->rhw', allowed[present], leaf_probabilities)
    full = F.interpolate(sums[None], targets.shape, mode='bilinear', align_corners=False)[0]
    position = torch.zeros(len(allowed) + 1, dtype=torch.int64, device=targets.device)
    position[present] = torch.arange(len(present), device=targets.device)
    chosen = full.gather(0, position[targets][None])[0]
    nll = -chosen.clamp(min=SMALLEST_PROBABILITY, max=1.0).log()
    nll = nll + (SMALLEST_PROBABILITY - chosen).relu() / SMALLEST_PROBABILITY
    return torch.where(targets == IGNORED, torch.zeros_like(nll), nll)


class SetLoss(torch.nn.Module):
    """Weighted mean of `set_nll` per dataset, the datasets added with their own weights."""

    def __init__(
        self,
        table: LabelTable,
        level_weights: Sequence[float] = (),
        box_gate: BoxGate | None = None,
    ) -> None:
        """Take what the labels mean.

        Args:
            table: Allowed leaves, pixel weights and mixtures.
            level_weights: As in LossConfig.
            box_gate: What to do with the labels of boxes; None takes them as they are.

        Raises:
            ConfigError: There are more level weights than levels.
        """
        super().__init__()
        self.layers = MixtureLayers(table)
        self.box_gate = box_gate
        self.register_buffer('allowed', table.allowed[: table.label_count], persistent=False)
        self.register_buffer('weights', row_weights(table, level_weights), persistent=False)
        self.allowed: torch.Tensor
        self.weights: torch.Tensor

    def forward(
        self,
        output: HeadOutput,
        targets: torch.Tensor,
        dataset_index: torch.Tensor,
        dataset_weights: torch.Tensor,
    ) -> torch.Tensor:
        """Return the scalar loss of a batch.

        Args:
            output: Of either head; its leaf probabilities are read.
            targets: (N, H, W) integer rows of the label table; -1 = unlabeled.
            dataset_index: (N,) dataset of each image.
            dataset_weights: (D,) weight of each dataset.
        """
        probabilities = output.leaf_probabilities
        # One tensor per image: indexing would make each gradient as large as the batch.
        images = probabilities.unbind()
        sums = [probabilities.new_zeros(()) for _ in dataset_weights]
        weight_sums = [probabilities.new_zeros(()) for _ in dataset_weights]
        with torch.autocast(probabilities.device.type, enabled=False):
            for n, dataset in enumerate(dataset_index.tolist()):
                for weight, nll in self._terms(images[n], targets[n].long()):
                    sums[dataset] = sums[dataset] + (weight * nll).sum()
                    weight_sums[dataset] = weight_sums[dataset] + weight.sum()
        # Also a dataset without an image in this process: all of them have to add up the same.
        means = global_mean(torch.stack(sums), torch.stack(weight_sums))
        return (dataset_weights * means).sum()

    def _terms(
        self, probabilities: torch.Tensor, targets: torch.Tensor
    ) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Return pixel weights and losses (H, W) of an image, one pair per layer of mixtures."""
        terms = []
        for rows, share in self.layers(targets):
            rows = self._trained_rows(rows)
            weight = self.weights[rows]
            if share is not None:
                weight = weight * share
            if self.box_gate is not None:
                weight = self.box_gate(probabilities, rows, weight)
            terms.append((weight, set_nll(probabilities, rows, self.allowed)))
        return terms

    def _trained_rows(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the rows that this loss learns from, IGNORED where it does not."""
        return rows
