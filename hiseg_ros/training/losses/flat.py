# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The naive baseline: one softmax over the leaves, ambiguous labels ignored."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from hiseg_ros.errors import ConfigError
from hiseg_ros.training.data.label_table import IGNORED, LabelTable
from hiseg_ros.training.losses.set_loss import SetLoss


class FlatLoss(SetLoss):
    """Cross entropy over the leaves; a label that means several leaves gives no gradient.

    With one leaf per label the set loss is cross entropy, so the two differ in nothing but what
    they do with ambiguous labels.
    """

    def __init__(self, table: LabelTable, level_weights: Sequence[float] = ()) -> None:
        """Take what the labels mean.

        Raises:
            ConfigError: Not a single label means one leaf, or there are too many level weights.
        """
        super().__init__(table, level_weights)
        is_single = self.allowed.sum(1) == 1
        if not bool(is_single.any()):
            raise ConfigError(
                "Loss 'flat' has no label that means a single leaf; expected at least one: use "
                'the loss set, or a dataset with finer labels.'
            )
        rows = torch.where(is_single, torch.arange(len(is_single)), IGNORED)
        rows = torch.cat([rows, torch.tensor([IGNORED])])
        self.register_buffer('single_leaf_row', rows, persistent=False)
        self.single_leaf_row: torch.Tensor

    def _trained_rows(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the rows of single leaves."""
        return self.single_leaf_row[rows]
