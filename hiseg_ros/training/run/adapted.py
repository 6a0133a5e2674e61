# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What a run with a target domain does before and after its training steps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hiseg_ros.errors import ConfigError
from hiseg_ros.taxonomy import Mapping, Taxonomy, load_mapping
from hiseg_ros.training.adaptation.adversarial import Adversarial, CollapseError
from hiseg_ros.training.adaptation.class_mix import ClassMix
from hiseg_ros.training.adaptation.norm_statistics import adapt_norm_statistics, target_crops
from hiseg_ros.training.config.experiment import TrainingConfig
from hiseg_ros.training.data.data_module import MixedData
from hiseg_ros.training.run.optimization import poly_factor

DISCRIMINATOR_BETAS = (0.9, 0.99)
"""Of Adam, as published."""


def check_processes(config: TrainingConfig, processes: int) -> None:
    """Check that a run with adaptation is one process.

    Raises:
        ConfigError: It is several.
    """
    chosen = config.adaptation
    if chosen is not None and chosen.opens_target and processes > 1:
        raise ConfigError(
            f'The run has adaptation to a target and {processes} processes; expected one process: '
            'start it without torchrun.'
        )


def norm_shares(config: TrainingConfig) -> list[float]:
    """Return the images in a batch of what has norm statistics of its own: `norm_owners`."""
    shares = [float(item.share) for item in config.datasets.values()]
    chosen = config.adaptation
    has_target = chosen is not None and chosen.sees_target
    return [*shares, float(chosen.target.share)] if chosen and has_target else shares


def class_mapping(config: TrainingConfig, data: MixedData, taxonomy: Taxonomy) -> Mapping | None:
    """Return the labels that an adaptation sees; None where none learns from the target.

    Raises:
        MappingError: The mapping cannot be read or does not fit the taxonomy.
    """
    chosen = config.adaptation
    if chosen is None or not chosen.sees_target:
        return None
    return load_mapping(chosen.classes, taxonomy) if chosen.classes else data.first_mapping


def add_adaptation(
    optimizer: torch.optim.Optimizer,
    adaptation: Adversarial | ClassMix | None,
    config: TrainingConfig,
) -> dict[int, Callable[[int], float]]:
    """Give an optimiser the parameters of an adaptation.

    Args:
        optimizer: Of the network; gets groups behind its own.
        adaptation: None for none.
        config: Settings of the run.

    Returns:
        The schedules of groups that have their own, by position.
    """
    if adaptation is None:
        return {}
    with_network, apart = adaptation.network_parameters(), adaptation.discriminator_parameters()
    if with_network:
        optimizer.add_param_group(
            {'params': with_network, 'lr': config.learning_rate, 'weight_decay': 0.0}
        )
    if not apart:
        return {}
    assert config.adaptation is not None
    optimizer.add_param_group(
        {
            'params': apart,
            'lr': config.adaptation.discriminator_learning_rate,
            'betas': DISCRIMINATOR_BETAS,
            'weight_decay': 0.0,
        }
    )
    return {len(optimizer.param_groups) - 1: poly_factor(config)}


def kept_before(problem: CollapseError, last: Path) -> str:
    """Return in words what is kept of a run whose discriminator collapsed.

    Raises:
        ConfigError: There is no checkpoint to keep.
    """
    if not last.is_file():
        raise ConfigError(f'{problem} There is no checkpoint yet, so nothing is written.')
    step = int(torch.load(last, map_location='cpu', weights_only=True)['global_step'])
    return f'{problem} The weights of step {step}, the last ones before, are kept.'


def finish_adaptation(
    network: nn.Module, config: TrainingConfig, data: MixedData, collapse: str | None = None
) -> dict[str, Any]:
    """Adapt norm statistics where the method does; return what the model card says of it.

    Args:
        network: The trained network.
        config: Settings of the run.
        data: Has the target's images.
        collapse: Why the run ended early, if it did.
    """
    chosen = config.adaptation
    if chosen is None or data.target is None:
        return {}
    if chosen.method == 'adabn':
        crops = target_crops(data.target, config.crop, config.seed)
        adapt_norm_statistics(network, crops, config.preprocessing)
    return {
        'adaptation': {
            'method': chosen.method,
            'target': Path(chosen.target.root).name,
            'target_images': len(data.target.images),
            'weight': chosen.loss_weight,
            'fda_beta': chosen.beta,
            **({'ended_early': collapse} if collapse else {}),
        }
    }
