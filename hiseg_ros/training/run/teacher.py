# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Other authors' weights in a run: what it starts from, and the frozen teacher beside it."""

from __future__ import annotations

import torch

from hiseg_ros.model.class_network import (
    ClassNetwork,
    check_disjoint,
    load_class_network,
    start_from_classes,
)
from hiseg_ros.model.network import HierarchicalNetwork
from hiseg_ros.taxonomy import Mapping, Taxonomy, load_mapping
from hiseg_ros.training.config.experiment import TrainingConfig


def start(network: HierarchicalNetwork, config: TrainingConfig, taxonomy: Taxonomy) -> str:
    """Give a network the weights that the run starts from; return how many fit.

    Raises:
        CheckpointError: The file is missing, damaged or of another network.
        ConfigError: The network cannot start from it.
        MappingError: The mapping cannot be read.
    """
    settings = config.start
    assert settings is not None
    mapping = load_mapping(settings.mapping, taxonomy)
    source = load_class_network(settings.weights, config.network.backbone, len(mapping.labels))
    return start_from_classes(network, source, mapping, taxonomy)


class Teacher:
    """A frozen network and what its classes mean; no part of the trained module's state."""

    def __init__(self, network: ClassNetwork, mapping: Mapping) -> None:
        """Take a network and the mapping whose labels are its classes, in order."""
        self.network = network.requires_grad_(False).to(memory_format=torch.channels_last)
        self.mapping = mapping

    @classmethod
    def load(cls, config: TrainingConfig, taxonomy: Taxonomy) -> Teacher | None:
        """Return the teacher of a run, None where it has none.

        Raises:
            CheckpointError: The file is missing, damaged or of another network.
            ConfigError: A leaf belongs to two of its classes.
            MappingError: The mapping cannot be read.
        """
        settings = config.teacher
        if settings is None or settings.weight == 0:
            return None
        mapping = load_mapping(settings.mapping, taxonomy)
        check_disjoint(mapping, taxonomy)
        return cls(
            load_class_network(settings.weights, settings.backbone, len(mapping.labels)), mapping
        )

    @torch.no_grad()
    def logits(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return (N, C, H / 8, W / 8) for (N, 3, H, W) normalised images."""
        result: torch.Tensor = self.network.eval().to(inputs.device)(inputs)
        return result
