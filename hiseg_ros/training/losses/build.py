# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The loss that a configuration asks for."""

from __future__ import annotations

from torch import nn

from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.training.config.loss import LossConfig
from hiseg_ros.training.data.label_table import LabelTable
from hiseg_ros.training.losses.box_gate import BoxGate
from hiseg_ros.training.losses.flat import FlatLoss
from hiseg_ros.training.losses.heads import HeadsLoss
from hiseg_ros.training.losses.hssn import HssnLoss
from hiseg_ros.training.losses.iv2018 import Iv2018Loss
from hiseg_ros.training.losses.set_loss import SetLoss


def build_loss(config: LossConfig, table: LabelTable, taxonomy: Taxonomy, head: str) -> nn.Module:
    """Return a module: (HeadOutput, targets, dataset_index, dataset_weights) -> scalar.

    Args:
        config: What to build.
        table: Labels and mixtures of all datasets; mixtures added later are not seen.
        taxonomy: The tree of the table.
        head: The network's head.

    Raises:
        ConfigError: The loss does not go with the head, has more weights than the taxonomy has
            levels, or no label trains anything.
    """
    config.check_head(head)
    if config.kind == 'iv2018':
        return Iv2018Loss(table, taxonomy, config.classifier_weights, config.level_weights)
    if config.kind == 'flat':
        return FlatLoss(table, config.level_weights)
    if config.kind == 'hssn':
        return HssnLoss(table, taxonomy, config.level_weights)
    if config.kind == 'heads':
        return HeadsLoss(table, taxonomy, config.level_weights)
    has_gate = config.box_gate != 'none'
    gate = BoxGate(config.box_gate == 'soft', table, taxonomy) if has_gate else None
    return SetLoss(table, config.level_weights, gate)
