# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Optimisers and learning-rate schedules, from the settings of a run."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from hiseg_ros.training.config.experiment import TrainingConfig


def parameter_groups(network: nn.Module, config: TrainingConfig) -> list[dict[str, Any]]:
    """Return parameter groups: a factor for the backbone, no decay of norms and biases.

    Args:
        network: Its children are the parts; the one named 'backbone' has its own rate.
        config: Learning rate, its factor for the backbone, and weight decay.
    """
    groups: list[dict[str, Any]] = []
    for name, part in network.named_children():
        factor = config.backbone_learning_rate if name == 'backbone' else 1.0
        for is_decayed in (True, False):
            parameters = [p for p in part.parameters() if (p.ndim > 1) == is_decayed]
            groups.append(
                {
                    'params': parameters,
                    'lr': config.learning_rate * factor,
                    'weight_decay': config.weight_decay if is_decayed else 0.0,
                }
            )
    return groups


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


def build_schedule(
    optimizer: torch.optim.Optimizer, config: TrainingConfig
) -> torch.optim.lr_scheduler.LambdaLR:
    """Return the schedule, to be advanced after each optimiser step."""
    return torch.optim.lr_scheduler.LambdaLR(optimizer, rate_factor(config))
