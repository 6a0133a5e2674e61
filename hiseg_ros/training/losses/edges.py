# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Loss terms about outlines: of Gated-SCNN's shape stream, and of any network's labels.

Takikawa et al., "Gated-SCNN: Gated Shape CNNs for Semantic Segmentation", ICCV 2019, section 3.2,
on the network's grid instead of at the image's size.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F  # noqa: N812 (the field's usual name)

from hiseg_ros.model.classifier_tree import HeadOutput
from hiseg_ros.training.config.loss import LossConfig
from hiseg_ros.training.data.label_table import IGNORED, LabelTable
from hiseg_ros.training.distributed import global_mean, sum_over_processes
from hiseg_ros.training.losses.label_rows import present_rows
from hiseg_ros.training.losses.set_loss import SMALLEST_PROBABILITY, set_nll

RADIUS = 2
"""Pixels from a boundary within which a pixel belongs to an outline."""

SURE_EDGE = 0.8
"""Probability of an outline from which a cell counts for the attention term."""

TEMPERATURE = 0.5
"""Of the Gumbel softmax in the dual-task term."""

SMALLEST_GRADIENT = 1e-8
"""Above it prediction or label change, and the dual-task term looks at a cell."""


def label_edges(targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return which pixels lie within RADIUS of a boundary between labels, and which are known.

    Args:
        targets: (N, H, W) integer; -1 = unlabeled. Where a label meets an unlabeled pixel there is
            no boundary, since nobody knows what is there.

    Returns:
        Two (N, 1, H, W) float of zeros and ones: outlines, and pixels with a label or on one.
    """
    edges = torch.zeros_like(targets, dtype=torch.float32)
    for one, other in (
        ((slice(None), slice(1, None)), (slice(None), slice(None, -1))),
        ((slice(None), slice(None), slice(1, None)), (slice(None), slice(None), slice(None, -1))),
    ):
        first, second = targets[one], targets[other]
        differ = ((first != second) & (first != IGNORED) & (second != IGNORED)).float()
        edges[one] = torch.maximum(edges[one], differ)
        edges[other] = torch.maximum(edges[other], differ)
    # The pixels on both sides of a boundary are the first that it reaches.
    wide = 2 * (RADIUS - 1) + 1
    edges = F.max_pool2d(edges[:, None], wide, 1, RADIUS - 1)
    known = torch.maximum((targets != IGNORED).float()[:, None], edges)
    return edges, known


def gradient(maps: torch.Tensor) -> torch.Tensor:
    """Return the magnitude of the spatial gradient of (..., h, w), by central differences."""
    padded = F.pad(maps, (1, 1, 1, 1), mode='replicate')
    across = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    along = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    # Not the root alone: its slope at 0 is infinite.
    return (across.square() + along.square() + 1e-12).sqrt() - 1e-6


class EdgeLoss(torch.nn.Module):
    """Sum of the terms that a configuration gives a weight."""

    def __init__(self, config: LossConfig, table: LabelTable) -> None:
        """Take the weights, and what labels mean.

        Args:
            config: edge_weight, edge_attention_weight, dual_task_weight.
            table: Labels of all datasets. Pixels with a mixture are taken as unlabeled.
        """
        super().__init__()
        self.config = config
        self.label_count = table.label_count
        self.register_buffer('allowed', table.allowed[: table.label_count], persistent=False)
        self.allowed: torch.Tensor

    def forward(
        self,
        output: HeadOutput,
        targets: torch.Tensor,
        dataset_index: torch.Tensor,
        dataset_weights: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        """Return the weighted terms by name: means of each dataset, added by their weights.

        Args:
            output: On the network's grid.
            targets: (N, H, W) integer label set ids; -1 = unlabeled.
            dataset_index: (N,) dataset of each image.
            dataset_weights: (D,) weight of each dataset.
        """
        rows = targets.long()
        rows = torch.where(rows < self.label_count, rows, IGNORED)
        terms = {}
        with torch.autocast(rows.device.type, enabled=False):
            for name, weight, term in (
                ('edge_loss', self.config.edge_weight, self.edges),
                ('edge_attention_loss', self.config.edge_attention_weight, self.attention),
                ('dual_task_loss', self.config.dual_task_weight, self.dual_task),
            ):
                if not weight:
                    continue
                sums, counts = (
                    torch.zeros_like(dataset_weights).index_add(0, dataset_index, part)
                    for part in term(output, rows)
                )
                terms[name] = weight * (dataset_weights * global_mean(sums, counts)).sum()
        return terms

    def edges(self, output: HeadOutput, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the cross entropy of the outlines, both classes balanced over the batch.

        A cell belongs to an outline if one of its pixels does, and counts if one is known.

        Args:
            output: With `edge_logits`.
            rows: (N, H, W) int64 label set ids without mixtures; -1 = unlabeled.

        Returns:
            Sums over the counted cells of each image, and their numbers; (N,) both.
        """
        assert output.edge_logits is not None
        logits = output.edge_logits.float()
        size = (logits.shape[2], logits.shape[3])
        wanted, known = (F.adaptive_max_pool2d(part, size) for part in label_edges(rows))
        on, all_known = sum_over_processes(torch.stack([(known * wanted).sum(), known.sum()]))
        share = on / all_known.clamp(min=1)
        balance = known * torch.where(wanted > 0, 1 - share, share)
        losses = F.binary_cross_entropy_with_logits(logits, wanted, reduction='none')
        return (balance * losses).sum((1, 2, 3)), known.sum((1, 2, 3))

    def attention(
        self, output: HeadOutput, rows: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the loss of the labels where the network is sure of an outline.

        Arguments and result as of `edges`, over pixels.
        """
        assert output.edge_logits is not None
        sure = (torch.sigmoid(output.edge_logits.float()) > SURE_EDGE).float()
        size = (rows.shape[1], rows.shape[2])
        counted = F.interpolate(sure, size, mode='nearest')[:, 0] * (rows != IGNORED)
        sums = [
            (here * set_nll(image, labels, self.allowed)).sum()
            for image, labels, here in zip(
                output.leaf_probabilities.unbind(), rows, counted, strict=True
            )
        ]
        return torch.stack(sums), counted.sum((1, 2))

    def dual_task(
        self, output: HeadOutput, rows: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return how far the outlines of the predicted labels are from those of the true ones.

        The L1 distance between the spatial gradients of both, over the cells and labels where
        either changes. The prediction is a Gumbel softmax over the labels of the image.

        Arguments and result as of `edges`.
        """
        results = [
            self._distance(image, labels)
            for image, labels in zip(output.leaf_probabilities.unbind(), rows, strict=True)
        ]
        sums, counts = zip(*results, strict=True)
        return torch.stack(sums), torch.stack(counts)

    def _distance(
        self, probabilities: torch.Tensor, labels: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return sum and count of the dual-task term of one image, (L, h, w) and (H, W)."""
        present = present_rows(labels, self.label_count)
        if len(present) < 2:  # one label alone has no outline
            return probabilities.sum() * 0, probabilities.new_zeros(())
        size = (probabilities.shape[1], probabilities.shape[2])
        sums = torch.einsum('rl,lhw->rhw', self.allowed[present], probabilities.float())
        noise = -torch.empty_like(sums).exponential_().log()
        predicted = ((sums.clamp(min=SMALLEST_PROBABILITY).log() + noise) / TEMPERATURE).softmax(0)
        true = (labels[None] == present[:, None, None]).float()
        true = F.adaptive_avg_pool2d(true, size)
        known = F.adaptive_avg_pool2d((labels != IGNORED).float()[None], size) > 0
        of_prediction, of_labels = gradient(predicted), gradient(true)
        changes = (of_prediction > SMALLEST_GRADIENT) | (of_labels > SMALLEST_GRADIENT)
        counted = (changes & known).float()
        return (counted * (of_prediction - of_labels).abs()).sum(), counted.sum()
