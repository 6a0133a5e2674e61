# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Weights of a network of classes as other authors write them, with random numbers."""

from __future__ import annotations

from pathlib import Path

import timm
import torch
from safetensors.torch import save_file

BACKBONE = 'efficientvit_b0'
CHANNELS_OF_STRIDE = {8: 32, 16: 64, 32: 128}


def _layer(prefix: str, weight: tuple[int, ...]) -> dict[str, torch.Tensor]:
    count = weight[0]
    return {
        f'{prefix}.conv.weight': torch.randn(weight) * 0.3,
        f'{prefix}.norm.weight': torch.rand(count) + 0.5,
        f'{prefix}.norm.bias': torch.randn(count) * 0.3,
        f'{prefix}.norm.running_mean': torch.randn(count) * 0.1,
        f'{prefix}.norm.running_var': torch.rand(count) + 0.5,
        f'{prefix}.norm.num_batches_tracked': torch.tensor(7),
    }


def class_state(classes: int = 19) -> dict[str, torch.Tensor]:
    """Return tensors under the names of timm's backbone and the authors' head."""
    torch.manual_seed(0)
    backbone = timm.create_model(BACKBONE, num_classes=0)
    state = {
        f'backbone.{name}': tensor
        for name, tensor in backbone.state_dict().items()
        if not name.startswith('head.')
    }
    main = 'head.middle.op_list.0.main'
    for prefix, weight in (
        ('head.input_ops.0.op_list.0', (32, 128, 1, 1)),
        ('head.input_ops.1.op_list.0', (32, 64, 1, 1)),
        ('head.input_ops.2', (32, 32, 1, 1)),
        (f'{main}.inverted_conv', (128, 32, 1, 1)),
        (f'{main}.depth_conv', (128, 1, 3, 3)),
        (f'{main}.point_conv', (32, 128, 1, 1)),
        ('head.output_ops.0.op_list.0', (128, 32, 1, 1)),
    ):
        state |= _layer(prefix, weight)
    state['head.output_ops.0.op_list.1.conv.weight'] = torch.randn(classes, 128, 1, 1) * 0.2
    state['head.output_ops.0.op_list.1.conv.bias'] = torch.randn(classes)
    return {name: tensor.contiguous() for name, tensor in state.items()}


def write_class_weights(path: Path, classes: int = 19) -> Path:
    """Write such a file."""
    save_file(class_state(classes), path)
    return path
