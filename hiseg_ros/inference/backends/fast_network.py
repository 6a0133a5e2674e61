# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A network for inference alone: batch norms folded into convolutions, weights cast once.

torch folds a given pair of modules and torch.fx finds pairs only in networks that it can trace;
here the pairs are found by running the network once.
"""

from __future__ import annotations

import copy

import torch
from timm.layers.norm_act import BatchNormAct2d
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from hiseg_ros.model.network import HierarchicalNetwork

EXAMPLE = (1, 3, 64, 64)
"""(N, 3, h, w) of the input with which norms and convolutions are paired."""

LARGEST_DIFFERENCE = 1e-3
"""Largest difference between the probabilities of both networks if the folding is correct."""


def fast_network(
    network: HierarchicalNetwork, half: torch.dtype | None = None
) -> HierarchicalNetwork:
    """Return a copy with the same results and fewer kernels.

    Args:
        network: On the CPU, in float32 and evaluation mode; it is not changed.
        half: Dtype for the weights of the convolutions, so that autocast to it has nothing left
            to cast; None leaves them in float32.
    """
    fast = _folded(network)
    if half is not None:
        for module in fast.modules():
            if type(module) in (nn.Conv2d, nn.Linear):  # subclasses may compute their weights
                module.to(half)
    return fast


@torch.no_grad()
def _folded(network: HierarchicalNetwork) -> HierarchicalNetwork:
    """Return a copy with folded batch norms, or a plain copy where that changes the results."""
    generator = torch.Generator().manual_seed(0)
    example = torch.randn(EXAMPLE, generator=generator)
    folded = copy.deepcopy(network)
    pairs = _convolutions_before_norms(folded, example)
    name_of = {module: name for name, module in folded.named_modules()}
    for norm, convolution in pairs.items():
        fused = fuse_conv_bn_eval(convolution, norm)
        folded.set_submodule(name_of[convolution], fused)
        folded.set_submodule(name_of[norm], _without_norm(norm))
    # They differ in a network that also uses a convolution's output without the norm.
    same = (folded(example) - network(example)).abs().max() <= LARGEST_DIFFERENCE
    return folded if same else copy.deepcopy(network)


def _convolutions_before_norms(
    network: nn.Module, example: torch.Tensor
) -> dict[nn.BatchNorm2d, nn.Conv2d]:
    """Return, for each batch norm whose input is a convolution's output, that convolution.

    Modules are not registered in the order in which they run, so hooks observe a forward pass.
    """
    outputs: list[tuple[torch.Tensor, nn.Conv2d]] = []
    pairs: dict[nn.BatchNorm2d, nn.Conv2d] = {}

    def note_output(module: nn.Module, _: object, output: torch.Tensor) -> None:
        assert isinstance(module, nn.Conv2d)
        outputs.append((output, module))

    def note_input(module: nn.Module, inputs: tuple[torch.Tensor]) -> None:
        assert isinstance(module, nn.BatchNorm2d)
        for output, made_by in outputs:
            if output is inputs[0]:
                pairs[module] = made_by

    # Subclasses may compute something else.
    hooks = [
        module.register_forward_hook(note_output)
        if type(module) is nn.Conv2d
        else module.register_forward_pre_hook(note_input)
        for module in network.modules()
        if type(module) in (nn.Conv2d, nn.BatchNorm2d, BatchNormAct2d)
    ]
    network(example)
    for hook in hooks:
        hook.remove()
    return pairs


def _without_norm(norm: nn.BatchNorm2d) -> nn.Module:
    """Return what is left of a norm without the normalisation: timm's contains the activation."""
    return nn.Sequential(norm.drop, norm.act) if type(norm) is BatchNormAct2d else nn.Identity()
