# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Folded networks have the results of the trained ones, which are not changed."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from hiseg_ros.datasets.scenes import draw_scene
from hiseg_ros.decision import decide
from hiseg_ros.inference.backends.fast_network import fast_network
from hiseg_ros.inference.backends.torch_step import eager_step
from hiseg_ros.model.checkpoint import load_checkpoint
from hiseg_ros.model.config import NetworkConfig
from hiseg_ros.model.network import HierarchicalNetwork
from hiseg_ros.resources import default_model, tree_model
from hiseg_ros.taxonomy import Taxonomy


def norms_in(network: nn.Module) -> int:
    """Return how many batch norms a network has."""
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


@pytest.mark.parametrize(('file', 'count'), [(default_model, 40), (tree_model, 64)])
@pytest.mark.parametrize(
    ('precision', 'half', 'least'),
    [('float32', None, 0.999), ('bfloat16', torch.bfloat16, 0.97)],
)
def test_a_shipped_network_decides_the_same_when_folded(
    precision: str,
    half: torch.dtype | None,
    least: float,
    file: Callable[[], Path],
    count: int,
) -> None:
    """On a drawn scene, against the trained network in float32; probabilities are float32."""
    checkpoint = load_checkpoint(file())
    network = checkpoint.build()
    state = copy.deepcopy(network.state_dict())
    fast = fast_network(network, half)
    assert norms_in(network) == count
    assert norms_in(fast) == 0
    size = (256, 512)
    with torch.inference_mode():
        images = checkpoint.preprocessing.prepare(draw_scene(0, size).rgb)
        nodes = [eager_step(network, 'float32')(images)[0], eager_step(fast, precision)(images)[0]]
    assert nodes[1].dtype == torch.float32
    expected, found = (decide(values, checkpoint.taxonomy, size)[0] for values in nodes)
    assert (found == expected).float().mean() >= least
    for name, value in network.state_dict().items():
        assert torch.equal(value, state[name]), name


@pytest.mark.parametrize('backbone', ['resnet18', 'convnext_atto'])
def test_other_backbones_are_folded_as_far_as_they_can_be(
    backbone: str, small_taxonomy: Taxonomy
) -> None:
    """Plain norms, or none in the backbone; a pointwise head without training is enough."""
    network = HierarchicalNetwork(
        NetworkConfig(backbone, channels=8, decoder='fusion'), small_taxonomy
    ).eval()
    fast = fast_network(network)
    assert norms_in(network) > 0 == norms_in(fast)
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(fast(images), network(images), atol=1e-4, rtol=0)


class TwoReaders(nn.Module):
    """A convolution whose output is read beside the norm, too, which folding would change."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 1)
        self.norm = nn.BatchNorm2d(4)
        nn.init.constant_(self.norm.weight, 3.0)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        found = self.convolution(images)
        return self.norm(found) + found


def test_a_network_that_folding_would_change_is_left_as_it_is() -> None:
    """It is tried on an example."""
    network = TwoReaders().eval()
    fast = fast_network(network)  # type: ignore[arg-type]
    assert norms_in(fast) == 1
    assert fast is not network
    images = torch.randn(1, 3, 8, 8)
    torch.testing.assert_close(fast(images), network(images))


def test_what_is_cast_once_is_not_cast_at_every_call(tiny_checkpoint: Path) -> None:
    """Convolutions' weights are in the type of autocast; no other number is."""
    fast = fast_network(load_checkpoint(tiny_checkpoint).build(), torch.bfloat16)
    for module in fast.modules():
        for value in module.parameters(recurse=False):
            assert (value.dtype == torch.bfloat16) == isinstance(module, nn.Conv2d)
    assert fast.leaf_matrix.dtype == torch.float32
    assert fast.head.paths.dtype == torch.float32
