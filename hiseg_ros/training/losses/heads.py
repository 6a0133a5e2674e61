# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Separate heads on one backbone: each dataset teaches the classifier of its own labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from hiseg_ros.errors import ConfigError
from hiseg_ros.model.classifier_tree import HeadOutput
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.training.data.label_table import LabelTable
from hiseg_ros.training.losses.set_loss import SetLoss


class HeadsLoss(SetLoss):
    """The set loss given the child of the root that a label lies below.

    For a tree of two levels, a child of the root for each dataset and its labels below it, that is
    cross entropy of the dataset's own softmax, with the weights and divisors of the set loss. The
    root's classifier, which would tell the datasets apart, gets no gradient.
    """

    def __init__(
        self, table: LabelTable, taxonomy: Taxonomy, level_weights: Sequence[float] = ()
    ) -> None:
        """Take what the labels mean.

        Raises:
            ConfigError: The tree has not two levels everywhere, or a label has leaves below two
                children of the root, or there are too many level weights.
        """
        super().__init__(table, level_weights)
        groups = [
            {taxonomy.ancestor_at_level(taxonomy.leaves[leaf], 1) for leaf in row.nonzero()}
            for row in self.allowed
        ]
        if any(taxonomy.level(leaf) != 2 for leaf in taxonomy.leaves) or any(
            len(group) > 1 for group in groups
        ):
            raise ConfigError(
                f"Loss 'heads' has the taxonomy {taxonomy.name!r}; expected one with a child of "
                'the root for each dataset and its labels below it, as `hiseg experiment '
                'heterogeneous` writes it: use the loss set.'
            )

    def forward(
        self,
        output: HeadOutput,
        targets: torch.Tensor,
        dataset_index: torch.Tensor,
        dataset_weights: torch.Tensor,
    ) -> torch.Tensor:
        """Return the scalar loss of a batch; arguments as for `SetLoss`."""
        conditional = output.conditional_log_probabilities
        assert conditional is not None, 'the head was checked'
        # In two levels the leaves are the children of the classifiers below the root, in order.
        given_dataset = torch.cat([values.exp() for values in conditional[1:]], 1)
        return super().forward(
            replace(output, leaf_probabilities=given_dataset),
            targets,
            dataset_index,
            dataset_weights,
        )
