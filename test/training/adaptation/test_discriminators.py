# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Discriminators as published, what they see, and where gradients go."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from adaptation_steps import CAMVID, CROP, TREE, step_of
from torch import nn

from hiseg_ros.errors import ConfigError
from hiseg_ros.model.config import NetworkConfig
from hiseg_ros.model.network import HierarchicalNetwork
from hiseg_ros.training.adaptation.adversarial import Adversarial
from hiseg_ros.training.adaptation.class_maps import class_maps, class_matrix, self_information
from hiseg_ros.training.adaptation.discriminator import (
    GRID_STRIDES,
    PUBLISHED_STRIDES,
    SOURCE,
    TARGET,
    Discriminator,
    cells_left,
    domain_loss,
)
from hiseg_ros.training.config.adaptation import ADVERSARIAL, AdaptationConfig, TargetConfig


def test_the_discriminator_is_the_published_one() -> None:
    layers = list(Discriminator(12))
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == [64, 128, 256, 512, 1]
    assert all(layer.kernel_size == (4, 4) for layer in convolutions)
    assert all(layer.stride == (2, 2) for layer in convolutions)
    assert all(layer.padding == (1, 1) for layer in convolutions)
    leaky = [layer for layer in layers if isinstance(layer, nn.LeakyReLU)]
    assert [layer.negative_slope for layer in leaky] == [0.2] * 4
    assert layers[-1] is convolutions[-1]
    assert len(layers) == 9  # no norm


@pytest.mark.parametrize(
    ('strides', 'size', 'left'),
    [(PUBLISHED_STRIDES, (256, 320), (8, 10)), (GRID_STRIDES, (64, 80), (6, 8))],
)
def test_logits_are_left_on_both_kinds_of_maps(
    strides: tuple[int, ...], size: tuple[int, int], left: tuple[int, int]
) -> None:
    assert cells_left(size, strides) == left
    small = (size[0] // 2, size[1] // 2)
    assert Discriminator(3, strides)(torch.rand(1, 3, *small)).shape[2:] == cells_left(
        small, strides
    )


def test_chance_costs_log_2_and_certainty_nothing() -> None:
    assert float(domain_loss(torch.zeros(2, 1, 3, 3), SOURCE)) == pytest.approx(math.log(2))
    assert float(domain_loss(torch.full((2, 1, 3, 3), 20.0), TARGET)) < 1e-6
    assert float(domain_loss(torch.full((2, 1, 3, 3), 20.0), SOURCE)) == pytest.approx(20)


def test_class_maps_add_up_to_1_and_self_information_is_the_entropy() -> None:
    matrix = class_matrix(CAMVID, TREE)
    assert matrix.shape == (12, len(TREE.leaves))
    assert bool((matrix.sum(0) == 1).all())
    leaves = torch.rand(2, len(TREE.leaves), 3, 4).softmax(1)
    maps = class_maps(leaves, matrix)
    assert torch.allclose(maps.sum(1), torch.ones(2, 3, 4))
    road = [TREE.leaf_index_of_node_id[leaf] for leaf in CAMVID.labels[3].leaves]
    assert torch.allclose(maps[:, 3], leaves[:, road].sum(1))
    uniform = torch.full((1, 12, 2, 2), 1 / 12)
    assert torch.allclose(self_information(uniform).sum(1), torch.ones(1, 2, 2))
    certain = torch.zeros(1, 12, 1, 1)
    certain[0, 4] = 1
    assert bool((self_information(certain) == 0).all())


def method(name: str, **settings: Any) -> tuple[HierarchicalNetwork, Adversarial]:
    """Return a small network, and a method on it that is active at once."""
    torch.manual_seed(0)
    config = NetworkConfig(
        'mobilenetv4_conv_small_050', channels=16, branch_channels=8, decoder='fusion'
    )
    network = HierarchicalNetwork(config, TREE)
    settings = {'weight': 0.1, 'from_step': 0, 'discriminator_sees': 'image', **settings}
    chosen = AdaptationConfig(name, TargetConfig('x'), **settings)  # type: ignore[arg-type]
    return network, Adversarial(chosen, network, TREE, CAMVID, CROP)


def has_gradient(module: nn.Module) -> bool:
    """Return whether any parameter got a gradient other than 0."""
    return any(p.grad is not None and bool(p.grad.any()) for p in module.parameters())


@pytest.mark.parametrize('name', ADVERSARIAL)
def test_the_network_learns_from_the_adversarial_terms_and_discriminators_from_theirs(
    name: str,
) -> None:
    network, adversarial = method(name)
    terms = adversarial(step_of(network))
    levels = ['main', 'auxiliary'] if name == 'multi_level' else ['main']
    expected = {f'{kind}_{level}' for level in levels for kind in ('adversarial', 'discriminator')}
    assert set(terms) - {'auxiliary_loss'} == expected

    own = [value for key, value in terms.items() if key.startswith('discriminator')]
    torch.stack(own).sum().backward(retain_graph=True)
    assert not has_gradient(network)
    assert all(has_gradient(one) for one in adversarial.discriminators.values())
    adversarial.zero_grad()

    against = [value for key, value in terms.items() if key.startswith('adversarial')]
    torch.stack(against).sum().backward()
    assert has_gradient(network.backbone)
    assert not has_gradient(adversarial.discriminators)
    is_above = name == 'feature'  # the map is below the head
    assert has_gradient(network.head) != is_above


def test_levels_weigh_as_published_and_the_second_head_learns() -> None:
    network, adversarial = method('multi_level', weight=0.001)
    assert adversarial.weights == {'main': 0.001, 'auxiliary': pytest.approx(0.0002)}
    terms = adversarial(step_of(network))
    assert adversarial.auxiliary is not None
    terms['auxiliary_loss'].backward()
    assert has_gradient(adversarial.auxiliary)
    assert has_gradient(network.backbone)
    own = {id(p) for p in adversarial.network_parameters()}
    assert own == {id(p) for p in adversarial.auxiliary.parameters()}


def test_before_its_first_step_only_discriminators_learn() -> None:
    network, adversarial = method('output', from_step=3)
    assert set(adversarial(step_of(network, 2))) == {'discriminator_main'}
    assert 'adversarial_main' in adversarial(step_of(network, 3))


def test_maps_that_are_too_small_are_refused() -> None:
    with pytest.raises(ConfigError, match=r'maps of 16x24 cells, of which .* leave none'):
        method('output', discriminator_sees='grid')


def test_the_smaller_grid_has_a_discriminator_too() -> None:
    network = method('output')[0]
    config = AdaptationConfig('output', TargetConfig('x'), from_step=0)
    adversarial = Adversarial(config, network, TREE, CAMVID, (128, 128))
    assert [
        layer.stride
        for layer in adversarial.discriminators['main']
        if isinstance(layer, nn.Conv2d)
    ] == [(2, 2), (2, 2), (2, 2), (1, 1), (1, 1)]
    assert replace(config, weight=0.5).loss_weight == 0.5
