# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Optimisers and learning-rate schedules, from the settings of a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from hiseg_ros.errors import ConfigError
from hiseg_ros.training.config.experiment import TrainingConfig


def parameter_groups(network: nn.Module, config: TrainingConfig) -> list[dict[str, Any]]:
    """Return the parameters with their rates: parts at their own, norms and biases undecayed.

    Args:
        network: Its children are the parts; the one named 'backbone' learns at its own rate.
        config: Learning rate, its factors for parts, and weight decay.

    Raises:
        ConfigError: The network has no part of a name in `learning_rates`.
    """
    factors = {'backbone': config.backbone_learning_rate, **config.learning_rates}
    for part in config.learning_rates:
        _check_part(network, part, 'learning_rates')
    members: dict[tuple[str, str, bool], list[nn.Parameter]] = {}
    for child, _ in network.named_children():  # the order of the groups is part of a checkpoint
        for is_decayed in (True, False):
            members[child, '', is_decayed] = []
    for name, parameter in network.named_parameters():
        part = _part_of(name, factors)
        part = '' if part == 'backbone' else part
        child = name.partition('.')[0]
        members.setdefault((child, part, parameter.ndim > 1), []).append(parameter)
    return [
        {
            'params': parameters,
            'lr': config.learning_rate * factors.get(part or child, 1.0),
            'weight_decay': config.weight_decay if is_decayed else 0.0,
        }
        for (child, part, is_decayed), parameters in members.items()
    ]


def freeze_parts(network: nn.Module, config: TrainingConfig) -> None:
    """Take the gradient from parts that `learning_rates` gives a factor of 0: they cost no time.

    Raises:
        ConfigError: The network has no part of a name in `learning_rates`.
    """
    for part in config.learning_rates:
        _check_part(network, part, 'learning_rates')
    for name, parameter in network.named_parameters():
        if config.learning_rates.get(_part_of(name, config.learning_rates), 1.0) == 0:
            parameter.requires_grad_(False)


def _part_of(name: str, parts: Iterable[str]) -> str:
    """Return the longest of some parts that a parameter lies in; empty for none."""
    return max((p for p in parts if f'{name}.'.startswith(f'{p}.')), key=len, default='')


def freeze_norm_statistics(network: nn.Module, parts: Sequence[str]) -> None:
    """Put the batch norms of parts of a network in evaluation mode; their weights still learn.

    Args:
        network: In training mode otherwise.
        parts: Names of its modules.

    Raises:
        ConfigError: The network has no part of a name.
    """
    for part in parts:
        _check_part(network, part, 'frozen_norms')
        for module in network.get_submodule(part).modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()


def _check_part(network: nn.Module, part: str, setting: str) -> None:
    if part not in dict(network.named_modules()) or not part:
        raise ConfigError(
            f'Setting {setting} names the part {part!r} of the network, which has none of this '
            f'name; expected one as in {[name for name, _ in network.named_children()]} or below '
            "them, such as 'decoder.street'."
        )


def build_optimizer(network: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    """Return AdamW or SGD over a network's parameters.

    AdamW has decoupled weight decay, SGD adds `weight_decay` times the weight to the gradient, as
    in IV 2018.
    """
    groups, settings = parameter_groups(network, config), config.optimizer
    if settings.kind == 'sgd':
        return torch.optim.SGD(
            groups,
            lr=config.learning_rate,
            momentum=settings.momentum,
            nesterov=settings.nesterov,
        )
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=settings.betas)


def rate_factor(config: TrainingConfig) -> Callable[[int], float]:
    """Return the factor on the learning rate by optimiser step, from 0.

    The warm-up rises linearly and reaches 1 with its last step; 'cosine' and 'poly' then fall over
    the remaining steps and would be 0 at step `steps`, the first one that is not taken.
    """
    warmup, steps, schedule = config.warmup_steps, config.steps, config.schedule

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        if schedule.kind == 'constant':
            return 1.0
        if schedule.kind == 'steps':
            return schedule.factor ** sum(step >= milestone for milestone in schedule.milestones)
        progress = min(1.0, (step - warmup) / max(1, steps - warmup))
        if schedule.kind == 'poly':
            return (1 - progress) ** schedule.power
        return 0.5 * (1 + math.cos(math.pi * progress))

    return factor


def poly_factor(config: TrainingConfig) -> Callable[[int], float]:
    """Return (1 - progress) ** 0.9 by optimiser step, the rate of published discriminators."""
    return lambda step: float((1 - min(1.0, step / config.steps)) ** 0.9)


def build_schedule(
    optimizer: torch.optim.Optimizer,
    config: TrainingConfig,
    own: Mapping[int, Callable[[int], float]] | None = None,
) -> torch.optim.lr_scheduler.LambdaLR:
    """Return the schedule, to be advanced after each optimiser step.

    Args:
        optimizer: Its groups have the run's rate_factor,
        config: Settings of the run.
        own: but for the groups of these positions.
    """
    of_run, groups = rate_factor(config), range(len(optimizer.param_groups))
    return torch.optim.lr_scheduler.LambdaLR(
        optimizer, [(own or {}).get(group, of_run) for group in groups]
    )
