# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The tree-min loss of HSSN: binary cross entropy of nodes that the tree makes consistent.

Li, Zhou, Wang, Li and Yang, "Deep Hierarchical Semantic Segmentation", CVPR 2022.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional as F  # noqa: N812 (the field's usual name)

from hiseg_ros.errors import ConfigError
from hiseg_ros.model.classifier_tree import HeadOutput
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.training.data.label_table import LabelTable
from hiseg_ros.training.distributed import global_mean
from hiseg_ros.training.losses.iv2018 import at_pixels
from hiseg_ros.training.losses.label_rows import MixtureLayers, row_weights
from hiseg_ros.types import ImageSize

FOCUS = 2.0
"""Exponent of the focal factor, as in the paper."""


def node_order(taxonomy: Taxonomy) -> list[int]:
    """Return the node ids of `HeadOutput.node_logits`, every node but the root."""
    return [child for inner in taxonomy.classifiers for child in taxonomy.children(inner)]


def known_nodes(allowed: torch.Tensor, taxonomy: Taxonomy) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what labels say of nodes: (R, V - 1) bool, is true, and the same, is false.

    A node is true of a label if all leaves that the label allows lie below it, false if none does.
    Of the others the label says nothing.

    Args:
        allowed: (R, L) float, 1 where row r allows leaf l.
        taxonomy: The tree.
    """
    below = torch.from_numpy(taxonomy.leaf_matrix()).float()[node_order(taxonomy)]
    shared = allowed @ below.T
    return shared == allowed.sum(1, keepdim=True), shared == 0


class HssnLoss(torch.nn.Module):
    """Mean over pixels of the focal tree-min loss, the datasets added with their own weights.

    With scores s in (0, 1), a node that is true has p = the least score from it up to the root, a
    node that is false p = the largest score from it down to the leaves. The loss of a pixel is

        sum over true nodes of -(1 - p)^2 log p  +  sum over false nodes of -p^2 log(1 - p).

    In the paper every pixel has a leaf; here a label is a set of leaves, and nodes of which it
    says nothing are left out: what is above a true node is true, what is below a false one false,
    so no score of an unknown node gets into a sum. The paper's triplet loss is not part of it.
    """

    def __init__(
        self, table: LabelTable, taxonomy: Taxonomy, level_weights: Sequence[float] = ()
    ) -> None:
        """Take what the labels mean to each node.

        Raises:
            ConfigError: There are more level weights than levels.
        """
        super().__init__()
        self.layers = MixtureLayers(table)
        is_true, is_false = known_nodes(table.allowed[: table.label_count], taxonomy)
        order = node_order(taxonomy)
        column = {node: index for index, node in enumerate(order)}
        paths = [[column[node] for node in taxonomy.path(end)[1:]] for end in order]
        longest = max(len(path) for path in paths)
        above = torch.tensor([path + path[-1:] * (longest - len(path)) for path in paths])
        for name, values in (
            ('weights', row_weights(table, level_weights)),
            ('is_true', is_true.float()),
            ('is_false', is_false.float()),
            ('above', above),
        ):
            self.register_buffer(name, values, persistent=False)
        self.weights: torch.Tensor
        self.is_true: torch.Tensor
        self.is_false: torch.Tensor
        self.above: torch.Tensor
        # Deepest first: when a level is added to its parents, it has what is below it.
        self._levels = [
            (
                [column[node] for node in order if taxonomy.level(node) == level],
                [
                    column[parent]
                    for node in order
                    if taxonomy.level(node) == level
                    and (parent := taxonomy.parent(node)) is not None
                ],
            )
            for level in range(taxonomy.depth, 1, -1)
        ]

    def forward(
        self,
        output: HeadOutput,
        targets: torch.Tensor,
        dataset_index: torch.Tensor,
        dataset_weights: torch.Tensor,
    ) -> torch.Tensor:
        """Return the scalar loss of a batch.

        Args:
            output: Of the head 'nodes'.
            targets: (N, H, W) integer rows of the label table; -1 = unlabeled.
            dataset_index: (N,) dataset of each image.
            dataset_weights: (D,) weight of each dataset.

        Raises:
            ConfigError: The head has no scores of nodes.
        """
        logits = output.node_logits
        if logits is None:
            raise ConfigError("Loss 'hssn' needs a network with the head 'nodes'.")
        # Every score is part of the sum, also without a pixel, as in `Iv2018Loss`.
        nothing = logits[:1, :, :1, :1].sum() * 0
        sums = [nothing for _ in dataset_weights]
        weight_sums = [logits.new_zeros(()) for _ in dataset_weights]
        with torch.autocast(logits.device.type, enabled=False):
            images = logits.unbind()
            for n, dataset in enumerate(dataset_index.tolist()):
                for rows, share in self.layers(targets[n].long()):
                    weight = self.weights[rows] if share is None else self.weights[rows] * share
                    size = (rows.shape[0], rows.shape[1])
                    loss = self._pixels(images[n], rows.flatten(), weight.flatten(), size)
                    sums[dataset] = sums[dataset] + loss
                    weight_sums[dataset] = weight_sums[dataset] + weight.sum()
        means = global_mean(torch.stack(sums), torch.stack(weight_sums))
        return (dataset_weights * means).sum()

    def _pixels(
        self, logits: torch.Tensor, rows: torch.Tensor, weight: torch.Tensor, size: ImageSize
    ) -> torch.Tensor:
        """Return the weighted sum of the losses of an image's pixels.

        Args:
            logits: (V - 1, h, w).
            rows: (H * W,) int64; -1 = unlabeled.
            weight: (H * W,).
            size: (H, W).
        """
        pixels = (weight > 0).nonzero().flatten()
        if pixels.numel() == 0:
            return logits.new_zeros(())
        x = at_pixels(logits, size, pixels)
        # Sigmoids only rise: the least logit has the least score.
        least, largest = x[self.above].amin(1), self._largest_below(x)
        true, false = self.is_true[rows[pixels]].T, self.is_false[rows[pixels]].T
        of_true = (-least).sigmoid() ** FOCUS * F.softplus(-least)
        of_false = largest.sigmoid() ** FOCUS * F.softplus(largest)
        return (weight[pixels] * (true * of_true + false * of_false).sum(0)).sum()

    def _largest_below(self, x: torch.Tensor) -> torch.Tensor:
        """Return the largest of each node's logit and those below it, (V - 1, P) as `x`."""
        for nodes, parents in self._levels:
            index = torch.tensor(parents, device=x.device)[:, None].expand(-1, x.shape[1])
            x = x.scatter_reduce(0, index, x[nodes], 'amax')
        return x
