# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What a method of adaptation gets of a training step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from hiseg_ros.model.classifier_tree import HeadOutput
from hiseg_ros.model.network import HierarchicalNetwork


@dataclass
class Maps:
    """Maps inside a network, of the images of its last forward pass."""

    stages: list[torch.Tensor] = field(default_factory=list)
    """Of the backbone, finest first."""
    decoded: torch.Tensor | None = None
    """(N, channels, h, w) of the decoder."""


@contextmanager
def recorded_maps(network: HierarchicalNetwork) -> Iterator[Maps]:
    """Keep the maps of the forward pass within the block."""
    maps = Maps()

    def keep_stages(module: torch.nn.Module, images: Any, stages: list[torch.Tensor]) -> None:
        maps.stages = list(stages)

    def keep_decoded(module: torch.nn.Module, features: Any, decoded: torch.Tensor) -> None:
        maps.decoded = decoded

    handles = (
        network.backbone.register_forward_hook(keep_stages),
        network.decoder.register_forward_hook(keep_decoded),
    )
    try:
        yield maps
    finally:
        for handle in handles:
            handle.remove()


@dataclass(frozen=True)
class Seen:
    """What a network computes of the images of one domain."""

    output: HeadOutput
    maps: Maps


@dataclass(frozen=True)
class Step:
    """One batch of a run with a target."""

    number: int
    """Of the batch in the run, from 0."""
    optimizer_step: int
    """Optimiser steps that were done before it."""
    is_first_batch: bool
    """Whether no batch of this optimiser step came before."""
    seed: int
    """Of the run."""
    network: HierarchicalNetwork
    source_images: torch.Tensor
    """(S, 3, H, W) uint8."""
    source_labels: torch.Tensor
    """(S, H, W) integer ids of label sets; -1 = unlabeled."""
    source: Seen
    target_images: torch.Tensor
    """(T, 3, H, W) uint8."""
    look: Callable[[torch.Tensor], Seen]
    """Passes (T, 3, H, W) uint8 through the network as images of the target."""
    teach: Callable[[HeadOutput], torch.Tensor]
    """The run's own loss of an output for the source's labels."""
    look_with: Callable[[HierarchicalNetwork, torch.Tensor], torch.Tensor]
    """Leaf probabilities (T, L, h, w) of another network for uint8 images of the target."""
