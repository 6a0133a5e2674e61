# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Weights files: safetensors with an info block that says what the weights are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from hiseg_ros.errors import CheckpointError, ConfigError
from hiseg_ros.model.config import NetworkConfig
from hiseg_ros.model.decoders.checks import check_package
from hiseg_ros.model.digest import check_safetensors, with_digest
from hiseg_ros.model.info import (
    INFO_KEY,
    ModelInfo,
    check_is_network,
    dump_info,
    parse_info,
)
from hiseg_ros.model.network import HierarchicalNetwork
from hiseg_ros.preprocessing import Preprocessing
from hiseg_ros.taxonomy import Taxonomy

__all__ = ['INFO_KEY', 'Checkpoint', 'load_checkpoint', 'save_checkpoint']

MAX_REASON = 300
"""Characters of torch's own words in a message."""


@dataclass(frozen=True)
class Checkpoint:
    """A weights file as read."""

    path: Path
    network: NetworkConfig
    preprocessing: Preprocessing
    taxonomy: Taxonomy
    card: Mapping[str, Any]
    """Name, recipe, training sets with licences, scores: what a model card says."""
    state: Mapping[str, torch.Tensor]

    @property
    def info(self) -> ModelInfo:
        """What the file says about itself."""
        return ModelInfo(self.network, self.preprocessing, self.taxonomy, self.card)

    def build(self) -> HierarchicalNetwork:
        """Return the network with these weights, in float32 and evaluation mode.

        Raises:
            CheckpointError: The tensors do not fit the network that the info block describes.
            ConfigError: The package of its decoder is not installed.
        """
        check_package(self.network.decoder)
        try:
            network = HierarchicalNetwork(self.network, self.taxonomy)
            network.load_state_dict(dict(self.state))
        except (RuntimeError, ConfigError) as problem:
            # torch lists every tensor on lines of their own; the first ones tell enough.
            reason = ' '.join(str(problem).split())
            reason = reason if len(reason) <= MAX_REASON else reason[:MAX_REASON] + ' ...'
            raise CheckpointError(
                f'The tensors of {self.path} do not fit the network in its info block '
                f'({reason}); expected a file written by `hiseg train`.'
            ) from problem
        return network.float().eval()


def save_checkpoint(
    path: Path,
    network: HierarchicalNetwork,
    taxonomy: Taxonomy,
    preprocessing: Preprocessing,
    card: Mapping[str, Any],
    half: bool = True,
) -> None:
    """Write weights, info block and digest.

    Args:
        path: File to write.
        network: Its parameters and running statistics are stored.
        taxonomy: Stored whole, with its digest.
        preprocessing: Stored.
        card: JSON-serialisable: name, recipe, training_sets, scores.
        half: Store floating-point tensors as float16, but for those with numbers beyond its range.
    """
    info = ModelInfo(network.config, preprocessing, taxonomy, card)
    state = {
        name: (_halved(tensor) if half else tensor).detach().cpu().contiguous()
        for name, tensor in network.state_dict().items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(with_digest(save(state, {INFO_KEY: dump_info(info)})))


def _halved(tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor of fractions as float16 unless a number would become infinite."""
    if not tensor.is_floating_point() or tensor.abs().max() > torch.finfo(torch.float16).max:
        return tensor
    return tensor.half()


def load_checkpoint(path: Path | str) -> Checkpoint:
    """Read a weights file; nothing in it is executed.

    Raises:
        CheckpointError: Missing, not safetensors, with another digest than it states, without info
            block, or with one that is damaged, of a newer format or of a classical method.
    """
    path = Path(path)
    if not os.path.isfile(path):  # Path.is_file raises on a name that is too long
        raise CheckpointError(
            f'Weights {path} do not exist; expected a .safetensors file written by `hiseg train`: '
            'check the path or leave it out for the shipped weights.'
        )
    check_safetensors(path)
    try:
        with safe_open(path, framework='pt') as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as problem:
        raise CheckpointError(
            f'{path} is not a readable safetensors file ({problem}); expected weights written by '
            '`hiseg train`.'
        ) from problem
    if INFO_KEY not in metadata:
        raise CheckpointError(
            f'{path} is a safetensors file without the info block {INFO_KEY!r}; expected weights '
            'written by `hiseg train`, not those of another project.'
        )
    info = parse_info(metadata[INFO_KEY], path)
    check_is_network(info, path)
    if info.network is None:
        raise CheckpointError(
            f'The info block of {path} names no network; expected one written by `hiseg train`.'
        )
    return Checkpoint(path, info.network, info.preprocessing, info.taxonomy, info.card, state)
