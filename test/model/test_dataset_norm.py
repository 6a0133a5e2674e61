# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Norms with statistics for each dataset equal plain norms on each dataset's images."""

from __future__ import annotations

import copy

import pytest
import torch
from timm.layers import BatchNormAct2d
from torch import nn

from hiseg_ros.model.config import NetworkConfig
from hiseg_ros.model.dataset_norm import (
    DatasetNorm,
    add_dataset_norms,
    dataset_norms_for,
    remove_dataset_norms,
)
from hiseg_ros.model.network import HierarchicalNetwork
from hiseg_ros.taxonomy import load_taxonomy

SHARES = [3, 2, 1]
NORMS = [nn.BatchNorm2d, BatchNormAct2d]


def filled(norm: nn.BatchNorm2d) -> nn.BatchNorm2d:
    """Return the norm with affine weights that are not 1 and 0."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        norm.weight.copy_(torch.rand(4, generator=generator) + 0.5)
        norm.bias.copy_(torch.rand(4, generator=generator) - 0.5)
    return norm


def images(index: list[int], seed: int) -> torch.Tensor:
    """Return (N, 4, 5, 6) features, of another brightness in each dataset."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(len(index), 4, 5, 6, generator=generator)
    return (
        noise * (1 + torch.tensor(index)[:, None, None, None])
        + 3.0 * torch.tensor(index)[:, None, None, None]
    )


@pytest.mark.parametrize('index', [[0, 0, 0, 1, 1, 2], [2, 0, 1, 0, 1, 0], [1, 1]])
@pytest.mark.parametrize('kind', NORMS)
def test_each_data_set_is_normalised_as_by_a_plain_norm_of_its_own(
    kind: type[nn.BatchNorm2d], index: list[int]
) -> None:
    """Outputs, gradients and running statistics, in sorted batches and in others."""
    plain = [filled(kind(4)) for _ in SHARES]
    network = nn.Sequential(filled(kind(4)))
    assert add_dataset_norms(network, SHARES) == 1
    norm = network[0]
    assert isinstance(norm, DatasetNorm)
    for step in range(3):
        features = images(index, step).requires_grad_()
        wanted = torch.zeros_like(features)
        members = {d: [i for i, own in enumerate(index) if own == d] for d in set(index)}
        parts = features.detach().clone().requires_grad_()
        for dataset, own in members.items():
            wanted = wanted.index_add(0, torch.tensor(own), plain[dataset](parts[own]))
        with dataset_norms_for(network, torch.tensor(index)):
            found = network(features)
        torch.testing.assert_close(found, wanted)
        direction = torch.randn(found.shape, generator=torch.Generator().manual_seed(9))
        (found * direction).sum().backward()
        (wanted * direction).sum().backward()
        torch.testing.assert_close(features.grad, parts.grad)
    for dataset in members:
        torch.testing.assert_close(norm.running_mean[dataset], plain[dataset].running_mean)
        torch.testing.assert_close(norm.running_var[dataset], plain[dataset].running_var)
        assert norm.seen_batches[dataset] == 3
    # Affine weights are shared: their gradient is the sum over the datasets.
    gradient = sum(p.weight.grad for p in plain if p.weight.grad is not None)
    torch.testing.assert_close(norm.norm.weight.grad, gradient)
    # A dataset that was in no batch keeps its statistics.
    for dataset in set(range(3)) - set(members):
        assert (norm.running_mean[dataset] == 0).all()
        assert (norm.running_var[dataset] == 1).all()


def trained_norm(index: list[int]) -> nn.Sequential:
    """Return a norm after 200 steps with these datasets."""
    network = nn.Sequential(filled(nn.BatchNorm2d(4)))
    add_dataset_norms(network, SHARES)
    for step in range(200):
        with dataset_norms_for(network, torch.tensor(index)), torch.no_grad():
            network(images(index, step))
    return network.eval()


def test_in_evaluation_an_image_uses_its_data_sets_statistics_or_the_mixture() -> None:
    network = trained_norm([0, 0, 0, 1, 1, 2])
    features = images([0, 1, 2], 77)
    with dataset_norms_for(network, torch.tensor([0, 1, 2])):
        own = network(features)
    for dataset in range(3):
        plain = remove_dataset_norms(network, dataset)
        torch.testing.assert_close(plain(features)[dataset], own[dataset])
        with dataset_norms_for(network, dataset):
            torch.testing.assert_close(network(features[dataset : dataset + 1])[0], own[dataset])
    mixed = remove_dataset_norms(network)
    torch.testing.assert_close(mixed(features), network(features))
    with dataset_norms_for(network, None):
        torch.testing.assert_close(network(features), mixed(features))


def test_the_mixture_has_mean_and_variance_of_images_mixed_by_their_shares() -> None:
    """Against the statistics of one big batch: 3, 2 and 1 parts of the datasets."""
    index = [0, 0, 0, 1, 1, 2]
    plain = remove_dataset_norms(trained_norm(index))[0]
    everything = torch.cat([images(index, 1000 + step) for step in range(200)])
    torch.testing.assert_close(plain.running_mean, everything.mean((0, 2, 3)), rtol=0.05, atol=0.1)
    torch.testing.assert_close(plain.running_var, everything.var((0, 2, 3)), rtol=0.05, atol=0.1)


def test_a_data_set_that_has_not_joined_yet_is_not_in_the_mixture() -> None:
    network = trained_norm([0, 0, 0, 1, 1])
    norm = network[0]
    mean, _ = norm.mixture()
    torch.testing.assert_close(mean, 0.6 * norm.running_mean[0] + 0.4 * norm.running_mean[1])


def test_training_without_saying_the_data_sets_is_an_error() -> None:
    network = nn.Sequential(nn.BatchNorm2d(4))
    add_dataset_norms(network, SHARES)
    with pytest.raises(RuntimeError, match='dataset_norms_for'):
        network(images([0, 1], 0))
    with dataset_norms_for(network, torch.tensor([0, 1])):
        network(images([0, 1], 0))
    with pytest.raises(RuntimeError, match='dataset_norms_for'):
        network(images([0, 1], 0))
    plain = nn.Sequential(nn.BatchNorm2d(4))
    with dataset_norms_for(plain, torch.tensor([0, 1])):
        plain(images([0, 1], 0))


@pytest.fixture(
    scope='module',
    params=[
        NetworkConfig('efficientnet_lite0', channels=16, branch_channels=8, decoder='fusion'),
        NetworkConfig('efficientvit_b0', decoder='summed_detail', channels=24, head='leaf'),
    ],
    ids=lambda config: config.backbone,
)
def network(request: pytest.FixtureRequest) -> HierarchicalNetwork:
    """Return a small whole network, its norms not at their start."""
    torch.manual_seed(0)
    config: NetworkConfig = request.param
    network = HierarchicalNetwork(config, load_taxonomy('street'))
    with torch.no_grad():
        network(torch.randn(2, 3, 64, 64))
    return network


def test_a_finished_network_is_an_ordinary_one(network: HierarchicalNetwork) -> None:
    """The same names and shapes, and the network in training is left as it is."""
    own = copy.deepcopy(network)
    count = add_dataset_norms(own, SHARES)
    assert count == sum(isinstance(part, nn.BatchNorm2d) for part in network.modules())
    for step in range(2):
        torch.manual_seed(step)
        with dataset_norms_for(own, torch.tensor([0, 0, 1, 2])), torch.no_grad():
            own(torch.randn(4, 3, 64, 64))
    before = copy.deepcopy(own.state_dict())
    finished = remove_dataset_norms(own)
    assert not any(isinstance(part, DatasetNorm) for part in finished.modules())
    wanted = {name: value.shape for name, value in network.state_dict().items()}
    assert {name: value.shape for name, value in finished.state_dict().items()} == wanted
    rebuilt = HierarchicalNetwork(network.config, load_taxonomy('street'))
    rebuilt.load_state_dict(finished.state_dict())
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(rebuilt.eval()(image), own.eval()(image))
    for name, value in own.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_an_ordinary_state_can_be_loaded_to_start_from(network: HierarchicalNetwork) -> None:
    """Every dataset starts with its statistics: in evaluation nothing changes."""
    own = HierarchicalNetwork(network.config, load_taxonomy('street'))
    add_dataset_norms(own, SHARES)
    own.load_state_dict(network.state_dict())
    image = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        wanted = copy.deepcopy(network).eval()(image)
        torch.testing.assert_close(own.eval()(image), wanted)
        with dataset_norms_for(own, torch.tensor([2, 1])):
            torch.testing.assert_close(own(image), wanted)
    # Its own state goes round as well, and a wrong one is refused.
    own.load_state_dict(own.state_dict())
    with pytest.raises(RuntimeError, match='Missing key'):
        state = network.state_dict()
        own.load_state_dict({k: v for k, v in state.items() if not k.endswith('running_var')})
