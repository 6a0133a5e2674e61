# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Tiny flat networks for tests, written with ONNX's own helpers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


def write_network(
    path: Path,
    classes: int,
    tail: str = 'scores',
    *,
    layout: str = 'NCHW',
    dtype: int = TensorProto.FLOAT,
    stride: int = 4,
    size: tuple[Any, Any] = ('h', 'w'),
    batch: Any = 'n',
    opset: int = 17,
    peak: float = 4.0,
) -> Path:
    """Write a network that gives each cell of a few pixels classes by its mean colour.

    Args:
        path: File to write.
        classes: Number of channels.
        tail: Operators behind the scores, from 'softmax', 'sigmoid', 'resize', 'corners',
            'argmax', 'cast', 'keepdims', 'last' (channels last), joined by '+'.
        layout: Of the input.
        dtype: Of the input.
        stride: Pixels along each side of a cell.
        size: (h, w) of the input.
        batch: Of the input.
        opset: Of ONNX.
        peak: How steep the scores are.
    """
    rng = np.random.default_rng(classes)
    weights = rng.normal(0, peak, (classes, 3, 1, 1)).astype(np.float32)
    nodes: list[Any] = []
    constants = {'weights': weights, 'bias': rng.normal(0, 1, classes).astype(np.float32)}

    def add(kind: str, *inputs: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, list(inputs), [f'{kind}_{len(nodes)}'], **attributes))
        return str(nodes[-1].output[0])

    def constant(values: Any) -> str:
        constants[f'constant_{len(constants)}'] = np.asarray(values)
        return list(constants)[-1]

    name = 'image'
    if dtype != TensorProto.FLOAT:
        name = add('Cast', name, to=TensorProto.FLOAT)
    if dtype == TensorProto.UINT8:
        name = add('Mul', name, constant(np.float32(1 / 100)))
    if layout == 'NHWC':
        name = add('Transpose', name, perm=[0, 3, 1, 2])
    if stride > 1:
        name = add('AveragePool', name, kernel_shape=[stride] * 2, strides=[stride] * 2)
    name = add('Conv', name, 'weights', 'bias')
    enlarged = constant(np.array([1, 1, stride, stride], np.float32))
    for word in tail.split('+'):
        if word == 'softmax':
            name = add('Softmax', name, axis=1)
        elif word == 'sigmoid':
            name = add('Sigmoid', name)
        elif word in ('resize', 'corners'):
            placing = 'align_corners' if word == 'corners' else 'pytorch_half_pixel'
            name = add(
                'Resize',
                name,
                '',
                enlarged,
                mode='linear',
                coordinate_transformation_mode=placing,
            )
        elif word == 'argmax':
            name = add('ArgMax', name, axis=1, keepdims=int('keepdims' in tail))
        elif word == 'cast':
            name = add('Cast', name, to=TensorProto.UINT8)
        elif word == 'last':
            name = add('Transpose', name, perm=[0, 2, 3, 1])
    nodes[-1].output[0] = 'classes'
    sides = [batch, 3, *size] if layout == 'NCHW' else [batch, *size, 3]
    kind = TensorProto.FLOAT
    if 'argmax' in tail:
        kind = TensorProto.UINT8 if 'cast' in tail else TensorProto.INT64
    rank = 3 if 'argmax' in tail and 'keepdims' not in tail else 4
    graph = helper.make_graph(
        nodes,
        'tiny',
        [helper.make_tensor_value_info('image', dtype, sides)],
        [helper.make_tensor_value_info('classes', kind, [f'o{axis}' for axis in range(rank)])],
        [numpy_helper.from_array(values, key) for key, values in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', opset)], ir_version=8)
    onnx.save(model, path)
    return path
