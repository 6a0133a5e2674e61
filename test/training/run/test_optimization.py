# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Optimisers against their update rules, schedules against closed forms."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, cast

import pytest
import torch
from torch import nn

from hiseg_ros.errors import ConfigError
from hiseg_ros.model.config import NetworkConfig
from hiseg_ros.training.config.dataset import DatasetConfig
from hiseg_ros.training.config.experiment import TrainingConfig
from hiseg_ros.training.config.recipe import OptimizerConfig, ScheduleConfig
from hiseg_ros.training.run.optimization import (
    build_optimizer,
    build_schedule,
    freeze_norm_statistics,
    freeze_parts,
    rate_factor,
)

CONFIG = TrainingConfig(
    'x',
    'street',
    NetworkConfig(),
    {'a': DatasetConfig('camvid', '', 1)},
    steps=1000,
    warmup_steps=0,
    learning_rate=0.1,
    weight_decay=0.01,
)


class Parts(nn.Module):
    """A network with a backbone and a head, each with a weight, a bias and a norm."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.backbone = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2))
        self.head = nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2))


def test_norms_and_biases_have_no_decay_and_the_backbone_has_its_own_rate() -> None:
    network = Parts()
    config = replace(CONFIG, backbone_learning_rate=0.5)
    optimizer = build_optimizer(network, config)
    settings = {
        id(parameter): (group['lr'], group['weight_decay'])
        for group in optimizer.param_groups
        for parameter in group['params']
    }
    assert len(settings) == len(list(network.parameters()))
    for name, parameter in network.named_parameters():
        rate = 0.05 if name.startswith('backbone') else 0.1
        decay = 0.01 if name in ('backbone.0.weight', 'head.0.weight') else 0.0
        assert settings[id(parameter)] == (rate, decay), name


def test_a_part_below_another_has_a_rate_of_its_own() -> None:
    """The longest name counts; a part of the backbone comes before the backbone's factor."""
    network = Parts()
    rates = {'backbone.1': 0.25, 'head': 2.0, 'head.0': 3.0}
    config = replace(CONFIG, backbone_learning_rate=0.5, learning_rates=rates)
    rate_of = {
        id(parameter): group['lr']
        for group in build_optimizer(network, config).param_groups
        for parameter in group['params']
    }
    expected = {'backbone.0': 0.05, 'backbone.1': 0.025, 'head.0': 0.3, 'head.1': 0.2}
    for name, parameter in network.named_parameters():
        assert rate_of[id(parameter)] == pytest.approx(expected[name.rpartition('.')[0]]), name


def test_a_factor_of_zero_takes_the_gradient_and_changes_nothing_else() -> None:
    network = Parts()
    config = replace(CONFIG, learning_rates={'backbone': 0.0, 'head.1': 0.0})
    freeze_parts(network, config)
    trained = [name for name, item in network.named_parameters() if item.requires_grad]
    assert trained == ['head.0.weight', 'head.0.bias']
    before = {name: item.clone() for name, item in network.named_parameters()}
    optimizer = build_optimizer(network, config)
    network.head(network.backbone(torch.randn(2, 3, 4, 4))).square().sum().backward()
    optimizer.step()
    changed = [n for n, item in network.named_parameters() if not torch.equal(item, before[n])]
    assert changed == trained


def test_frozen_norms_keep_their_statistics_and_others_do_not() -> None:
    network = Parts().train()
    freeze_norm_statistics(network, ['backbone'])
    network.head(network.backbone(torch.randn(2, 3, 4, 4) + 5))
    assert not cast(nn.BatchNorm2d, network.backbone[1]).running_mean.any()
    assert cast(nn.BatchNorm2d, network.head[1]).running_mean.any()


@pytest.mark.parametrize('name', ['neck', '', 'head.7'])
def test_a_part_that_is_not_there_is_named(name: str) -> None:
    with pytest.raises(ConfigError, match=f'names the part {name!r}.*expected one as in'):
        freeze_norm_statistics(Parts(), [name])
    with pytest.raises(ConfigError, match=f'learning_rates names the part {name!r}'):
        freeze_parts(Parts(), replace(CONFIG, learning_rates={name: 0.0}))


@pytest.mark.parametrize('nesterov', [False, True])
def test_sgd_follows_its_rule(nesterov: bool) -> None:
    """Velocity v = m v + g + d w; w falls by the rate times v, or by that of one look ahead."""
    network = Parts()
    settings = OptimizerConfig('sgd', momentum=0.8, nesterov=nesterov)
    optimizer = build_optimizer(network, replace(CONFIG, optimizer=settings))
    weight = network.head[0].weight
    expected, velocity = weight.detach().clone(), torch.zeros_like(weight)
    for step in range(4):
        gradient = torch.full_like(weight, 0.3 + step)
        weight.grad = gradient.clone()
        optimizer.step()
        full = gradient + 0.01 * expected
        velocity = full if step == 0 else 0.8 * velocity + full
        expected -= 0.1 * (full + 0.8 * velocity if nesterov else velocity)
        torch.testing.assert_close(weight.detach(), expected)


def test_adamw_decays_weights_apart_from_the_gradient() -> None:
    """A first step goes by the rate against the gradient's sign, beside the decay."""
    network = Parts()
    optimizer = build_optimizer(network, CONFIG)
    assert isinstance(optimizer, torch.optim.AdamW)
    weight = network.head[0].weight
    before = weight.detach().clone()
    weight.grad = torch.full_like(weight, 7.0)
    optimizer.step()
    torch.testing.assert_close(weight.detach(), before * (1 - 0.1 * 0.01) - 0.1)
    settings = OptimizerConfig(betas=(0.8, 0.95))
    changed = build_optimizer(network, replace(CONFIG, optimizer=settings))
    assert changed.param_groups[0]['betas'] == (0.8, 0.95)


def factors(steps: int = 1000, warmup: int = 0, **schedule: Any) -> list[float]:
    """Return the factor of each step of a run."""
    config = replace(CONFIG, steps=steps, warmup_steps=warmup, schedule=ScheduleConfig(**schedule))
    return [rate_factor(config)(step) for step in range(steps)]


def test_cosine_and_poly_follow_their_curves_after_the_warm_up() -> None:
    for step, factor in enumerate(factors(kind='cosine')):
        assert factor == pytest.approx((1 + math.cos(math.pi * step / 1000)) / 2)
    for step, factor in enumerate(factors(kind='poly', power=0.9)):
        assert factor == pytest.approx((1 - step / 1000) ** 0.9)
    for step, factor in enumerate(factors(1000, 200, kind='poly', power=2.0)):
        wanted = (step + 1) / 200 if step < 200 else ((1000 - step) / 800) ** 2
        assert factor == pytest.approx(wanted)
    for kind in ('cosine', 'poly'):
        found = factors(1000, 200, kind=kind)
        assert found[199] == found[200] == 1
        assert 0 < found[-1] < 0.01
        assert found[200:] == sorted(found[200:], reverse=True)


def test_the_schedule_of_iv2018_halves_the_rate_at_epochs_8_and_15() -> None:
    """9000 steps an epoch, 17 epochs: 0.01, 0.005 from step 72000, 0.0025 from step 135000."""
    found = factors(153_000, kind='steps', milestones=(72_000, 135_000), factor=0.5)
    for epoch in range(17):
        wanted = 1.0 if epoch < 8 else 0.5 if epoch < 15 else 0.25
        assert set(found[9000 * epoch : 9000 * (epoch + 1)]) == {wanted}


def test_milestones_count_the_warm_up_and_a_constant_rate_stays() -> None:
    found = factors(100, 10, kind='steps', milestones=(50,), factor=0.1)
    assert found[9:50] == [1.0] * 41
    assert found[50:] == [0.1] * 50
    assert factors(100, 4, kind='constant') == [0.25, 0.5, 0.75] + [1.0] * 97


def test_the_schedule_drives_the_rate_of_every_group() -> None:
    config = replace(CONFIG, steps=10, backbone_learning_rate=0.5)
    optimizer = build_optimizer(Parts(), config)
    schedule = build_schedule(optimizer, config)
    for step in range(10):
        factor = rate_factor(config)(step)
        rates = sorted({group['lr'] for group in optimizer.param_groups})
        assert rates == pytest.approx([0.05 * factor, 0.1 * factor])
        optimizer.step()
        schedule.step()


@pytest.mark.parametrize(
    ('make', 'words'),
    [
        (lambda: OptimizerConfig('adam'), "Setting kind is 'adam'; expected one of 'adamw'"),
        (lambda: OptimizerConfig(momentum=1.0), 'momentum is 1.0; expected a number below 1'),
        (lambda: OptimizerConfig('sgd', 0.0, True), 'nesterov is True; expected false where'),
        (lambda: OptimizerConfig(betas=(0.9, 1.0)), r'betas\[1\] is 1.0; expected'),
        (lambda: ScheduleConfig('linear'), "Setting kind is 'linear'; expected one of 'cosine'"),
        (lambda: ScheduleConfig(power=0), 'power is 0'),
        (lambda: ScheduleConfig('steps', factor=0, milestones=(1,)), 'factor is 0'),
        (lambda: ScheduleConfig('steps', milestones=(5, 3)), r'milestones is \(5, 3\); .*ascend'),
        (lambda: ScheduleConfig('steps', milestones=(0, 3)), r'milestones\[0\] is 0; expected'),
        (lambda: ScheduleConfig('steps'), r'milestones is \(\); expected some for the kind'),
        (lambda: ScheduleConfig(milestones=(3,)), r'milestones is \(3,\); .* none for another'),
        (
            lambda: replace(CONFIG, schedule=ScheduleConfig('steps', milestones=(500, 1000))),
            r'milestones is \(500, 1000\); expected numbers below the 1000 steps',
        ),
        (lambda: replace(CONFIG, accumulate_batches=0), 'accumulate_batches is 0'),
        (lambda: replace(CONFIG, gradient_clip=-1.0), 'gradient_clip is -1.0'),
        (lambda: replace(CONFIG, exported_norm='a'), "exported_norm is 'a'; .* dataset_norm is"),
        (
            lambda: replace(CONFIG, dataset_norm=True, exported_norm='b'),
            r"exported_norm is 'b'; expected one of the datasets \['a'\]",
        ),
    ],
)
def test_settings_that_cannot_be_used_are_named(make: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make()
