# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The method of adaptation that a configuration asks for."""

from __future__ import annotations

import torch

from hiseg_ros.model.network import HierarchicalNetwork
from hiseg_ros.taxonomy import Mapping, Taxonomy
from hiseg_ros.training.adaptation.adversarial import Adversarial
from hiseg_ros.training.adaptation.class_mix import ClassMix
from hiseg_ros.training.adaptation.pseudo_labels import ClassLabels, NodeLabels
from hiseg_ros.training.config.adaptation import ADVERSARIAL
from hiseg_ros.training.config.experiment import TrainingConfig
from hiseg_ros.training.data.label_table import LabelTable

SEED = 3_000_000
"""Added to the seed of the run for the weights of discriminators."""


def build_adaptation(
    config: TrainingConfig,
    network: HierarchicalNetwork,
    taxonomy: Taxonomy,
    table: LabelTable,
    classes: Mapping,
) -> Adversarial | ClassMix | None:
    """Return the part of a run that learns from the target in its steps; None where none does.

    Random numbers of the run itself are drawn as without it.

    Args:
        config: Of the run.
        network: To be adapted.
        taxonomy: The tree.
        table: Label sets of the source.
        classes: Labels that discriminators see, and of flat pseudo labels.

    Raises:
        ConfigError: Two classes share a leaf, or maps do not suit a discriminator.
    """
    chosen = config.adaptation
    if chosen is None or not chosen.sees_target:
        return None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed + SEED)
        if chosen.method in ADVERSARIAL:
            return Adversarial(chosen, network, taxonomy, classes, config.crop)
        labels: ClassLabels | NodeLabels
        if chosen.method == 'node_labels':
            labels = NodeLabels(taxonomy, chosen.threshold)
        else:
            keeps = chosen.unsure == 'weighted'
            labels = ClassLabels(classes, taxonomy, chosen.threshold, keeps)
        return ClassMix(chosen, network, table, labels)
