# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Soft labels: how far a network is from its teacher, among what the true labels leave open."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional as F  # noqa: N812 (the field's usual name)

from hiseg_ros.model.class_network import check_disjoint
from hiseg_ros.taxonomy import Mapping, Taxonomy
from hiseg_ros.training.data.label_table import LabelTable
from hiseg_ros.training.distributed import global_mean
from hiseg_ros.training.losses.label_rows import present_rows
from hiseg_ros.training.losses.set_loss import SMALLEST_PROBABILITY


class TeacherLoss(torch.nn.Module):
    """Divergence from a teacher's classes, each narrowed by the label of its cell.

    In a cell whose label allows the leaves S, class c of the teacher stands for its leaves in S,
    c(S). With the teacher's probabilities q, summed leaf probabilities P of the network, and m,
    the sum of q over the classes that have a leaf in S, the loss of the cell is

        m * KL( q_c / m  ||  P(c(S)) / P(S) ).

    A teacher counts as much as it agrees with the label, and where the label leaves nothing open
    it teaches nothing. An unlabeled cell allows every leaf.
    """

    def __init__(
        self,
        table: LabelTable,
        mapping: Mapping,
        taxonomy: Taxonomy,
        dataset_factors: Sequence[float],
    ) -> None:
        """Take what labels and classes mean.

        Args:
            table: Labels and mixtures of all datasets.
            mapping: Its labels are the teacher's classes, in order.
            taxonomy: The tree of both.
            dataset_factors: Weight of this loss for each dataset, besides the dataset's own.

        Raises:
            ConfigError: A leaf belongs to two classes.
        """
        super().__init__()
        check_disjoint(mapping, taxonomy)
        classes = torch.from_numpy(mapping.label_matrix(taxonomy)).float()
        # The last row is that of unlabeled pixels.
        allowed = torch.cat([table.allowed, torch.ones(1, classes.shape[1])])
        for name, values in (
            ('classes', classes),
            ('allowed', allowed),
            ('factors', torch.tensor(list(dataset_factors))),
        ):
            self.register_buffer(name, values, persistent=False)
        self.classes: torch.Tensor
        self.allowed: torch.Tensor
        self.factors: torch.Tensor

    def teaches(self, dataset_index: torch.Tensor) -> torch.Tensor:
        """Return (N,) bool: which images of a batch the teacher is asked about."""
        return self.factors[dataset_index] > 0

    def forward(
        self,
        leaf_probabilities: torch.Tensor,
        teacher_logits: torch.Tensor,
        targets: torch.Tensor,
        dataset_index: torch.Tensor,
        dataset_weights: torch.Tensor,
    ) -> torch.Tensor:
        """Return the scalar loss: means over the cells of each dataset, added by their weights.

        Args:
            leaf_probabilities: (N, L, h, w) of the network; on a finer grid than the teacher's
                they are averaged.
            teacher_logits: (T, C, th, tw) of the images that `teaches` chooses, in order.
            targets: (N, H, W) integer rows of the label table; -1 = unlabeled.
            dataset_index: (N,) dataset of each image.
            dataset_weights: (D,) weight of each dataset.
        """
        sums = [leaf_probabilities.new_zeros(()) for _ in dataset_weights]
        counts = [0] * len(dataset_weights)
        asked = self.teaches(dataset_index).nonzero().flatten().tolist()
        images = leaf_probabilities.unbind()
        with torch.autocast(leaf_probabilities.device.type, enabled=False):
            teacher = teacher_logits.detach().float().softmax(1)
            for place, n in enumerate(asked):
                dataset = int(dataset_index[n])
                cells = self._cells(images[n], teacher[place], targets[n].long())
                sums[dataset] = sums[dataset] + cells.sum()
                counts[dataset] += cells.numel()
        counted = torch.tensor(counts, dtype=torch.float32, device=self.factors.device)
        means = global_mean(torch.stack(sums), counted)
        return (dataset_weights * self.factors * means).sum()

    def _cells(
        self, probabilities: torch.Tensor, teacher: torch.Tensor, targets: torch.Tensor
    ) -> torch.Tensor:
        """Return the losses of the cells of one image, in any order.

        Args:
            probabilities: (L, h, w).
            teacher: (C, th, tw).
            targets: (H, W) int64.
        """
        size = (teacher.shape[1], teacher.shape[2])
        if probabilities.shape[1:] != teacher.shape[1:]:
            probabilities = F.adaptive_avg_pool2d(probabilities[None], size)[0]
        rows = _at_centres(targets, size).flatten()
        leaves, said = probabilities.flatten(1), teacher.flatten(1)
        unlabeled = len(self.allowed) - 1
        rows = torch.where(rows < 0, unlabeled, rows)
        losses = []
        for row in present_rows(rows, unlabeled + 1).tolist():
            here = (rows == row).nonzero().flatten()
            of_row = leaves[:, here]
            narrowed = self.classes * self.allowed[row]
            ours = (narrowed @ of_row).clamp(min=SMALLEST_PROBABILITY)
            total = (self.allowed[row] @ of_row).clamp(min=SMALLEST_PROBABILITY)
            theirs = said[:, here] * (narrowed.sum(1) > 0)[:, None]
            mass = theirs.sum(0).clamp(min=torch.finfo().tiny)
            wanted = torch.xlogy(theirs, theirs / mass).sum(0)
            losses.append(wanted - (theirs * (ours / total).log()).sum(0))
        return torch.cat(losses)


def _at_centres(targets: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Return the (h, w) targets of the pixels in the middle of a grid's cells."""
    height, width = size
    rows = (torch.arange(height, device=targets.device) * 2 + 1) * targets.shape[0]
    columns = (torch.arange(width, device=targets.device) * 2 + 1) * targets.shape[1]
    return targets[rows // (2 * height)][:, columns // (2 * width)]
