# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Faster layers for training on a CPU do not change the results."""

from __future__ import annotations

from copy import deepcopy

import pytest
import timm
import torch
from torch import nn

from hiseg_ros.training.run.cpu_speedup import DepthwiseConv2d, speed_up_depthwise


def depthwise(stride: int = 1, dilation: int = 1, kernel: int = 3) -> nn.Conv2d:
    """Return a depthwise layer of eight channels."""
    padding = dilation * (kernel // 2)
    return nn.Conv2d(8, 8, kernel, stride, padding, dilation=dilation, groups=8, bias=False)


def gradients(layer: nn.Module, images: torch.Tensor, bf16: bool) -> list[torch.Tensor]:
    """Return output and gradients of images and weight, in float32."""
    images = images.clone().requires_grad_()
    layer.zero_grad()
    with torch.autocast('cpu', torch.bfloat16, enabled=bf16):
        output = layer(images)
    generator = torch.Generator().manual_seed(4)
    output.backward(torch.randn(output.shape, generator=generator).to(output.dtype))
    assert images.grad is not None
    weight = next(layer.parameters())
    assert weight.grad is not None
    return [output.detach().float(), images.grad.float(), weight.grad.float().clone()]


@pytest.mark.parametrize(
    ('stride', 'dilation', 'kernel'), [(1, 1, 3), (2, 1, 3), (1, 2, 3), (2, 1, 5)]
)
def test_gradients_are_those_of_the_plain_layer(stride: int, dilation: int, kernel: int) -> None:
    """Within what bfloat16 can tell apart, and nearer to float32 than the plain layer is."""
    torch.manual_seed(2)
    plain = depthwise(stride, dilation, kernel)
    fast = deepcopy(plain)
    assert speed_up_depthwise(nn.Sequential(fast)) == 1
    images = torch.randn(3, 8, 12, 14)
    exact = gradients(plain, images, bf16=False)
    found = gradients(fast, images, bf16=True)
    usual = gradients(plain, images, bf16=True)
    for name, value, truth, other in zip(
        ('output', 'images', 'weight'), found, exact, usual, strict=True
    ):
        scale = float(truth.abs().max())
        error = float((value - truth).abs().max()) / scale
        assert error < 0.02, f'{name}: {error}'
        assert error <= 1.5 * float((other - truth).abs().max()) / scale + 1e-3, name


def test_without_bfloat16_or_in_evaluation_it_is_the_plain_layer() -> None:
    """Bit by bit."""
    torch.manual_seed(2)
    plain = depthwise()
    fast = deepcopy(plain)
    speed_up_depthwise(nn.Sequential(fast))
    images = torch.randn(2, 8, 9, 9)
    for one, other in zip(
        gradients(plain, images, bf16=False), gradients(fast, images, bf16=False), strict=True
    ):
        assert torch.equal(one, other)
    with torch.no_grad(), torch.autocast('cpu', torch.bfloat16):
        assert torch.equal(plain.eval()(images), fast.eval()(images))


def test_a_network_keeps_its_weights_and_its_names() -> None:
    """State, copies and results are the same; only depthwise layers without bias are replaced."""
    torch.manual_seed(2)
    network = timm.create_model('mobilenetv4_conv_small_035', features_only=True)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    images = torch.randn(1, 3, 64, 64)
    expected = network.eval()(images)
    layers = [
        layer
        for layer in network.modules()
        if isinstance(layer, nn.Conv2d) and layer.groups == layer.in_channels > 1
    ]
    assert speed_up_depthwise(network) == len(layers) > 5
    assert all(isinstance(layer, DepthwiseConv2d) for layer in layers)
    assert speed_up_depthwise(network) == 0, 'a second time there is nothing to do'
    after = network.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], before[name]) for name in before)
    for one, other in zip(expected, deepcopy(network)(images), strict=True):
        assert torch.equal(one, other)


def test_layers_of_another_kind_stay_as_they_are() -> None:
    """Ordinary and grouped convolutions, and those with a bias."""
    network = nn.Sequential(
        nn.Conv2d(4, 4, 3),
        nn.Conv2d(4, 4, 3, groups=2),
        nn.Conv2d(1, 1, 3),
        nn.Conv2d(4, 4, 3, groups=4),
        nn.Conv2d(4, 4, 3, groups=4, bias=False, padding='same'),
    )
    assert speed_up_depthwise(network) == 0
    assert all(type(layer) is nn.Conv2d for layer in network)
