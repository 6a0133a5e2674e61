# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Builds the graph of an engine file around a flat network: uint8 images in, planes out.

Only elementwise operators, copies, sums and means follow the network: runtimes that compute
convolutions and matrix products in bfloat16 leave these in float32, so a parent remains the sum of
its children.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from hiseg_ros.export.flat.classes import FlatClass
from hiseg_ros.export.flat.network import (
    MARK,
    FlatInput,
    FlatNetwork,
    names_read,
    nodes_before,
)
from hiseg_ros.export.flat.reference import Meaning
from hiseg_ros.inference.exported_graph import INPUT, OUTPUT
from hiseg_ros.preprocessing import Preprocessing
from hiseg_ros.types import ImageSize

LEAST_IR = 8
"""Version of the file format, from 2021, in which constants need not be inputs."""


@dataclass(frozen=True)
class FlatOptions:
    """How a flat network is run."""

    preprocessing: Preprocessing
    """Mean and standard deviation in RGB order; not used for a network with uint8 input."""
    bgr: bool = False
    """Whether the network expects BGR input."""
    size: ImageSize | None = None
    """Fixed (h, w) of the input; None keeps that of the network."""
    pooled: int = 1
    """Cells along each side of the network's grid that are averaged into one."""


class _Steps:
    """A sequence of operators with unique names."""

    def __init__(self, part: str) -> None:
        """Start an empty sequence.

        Args:
            part: Part of the names, unique among the sequences of a graph.
        """
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._prefix = f'{MARK}{part}_'

    def constant(self, values: NDArray[Any]) -> str:
        """Add a constant; return its name."""
        name = f'{self._prefix}constant_{len(self.constants)}'
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add an operator; return the name of its output."""
        name = f'{self._prefix}{len(self.nodes)}_{kind.lower()}'
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name, **attributes))
        return name

    def gather(self, source: str, places: Sequence[int], axis: int = 1) -> str:
        """Add the selection of some channels; return its name."""
        return self.add('Gather', source, self.constant(np.array(places, np.int64)), axis=axis)

    def sum(self, source: str) -> str:
        """Add the sum of all channels as one channel; return its name."""
        return self.add('ReduceSum', source, self.constant(np.array([1], np.int64)), keepdims=1)

    def scaled(self, source: str, factors: NDArray[np.float64]) -> str:
        """Add the product of each channel with a factor; return its name."""
        if np.all(factors == 1):
            return source
        column = factors.astype(np.float32)[:, None, None]
        return self.add('Mul', source, self.constant(column))


def wrapped_model(
    network: FlatNetwork,
    meaning: Meaning,
    classes: Sequence[FlatClass],
    weights: NDArray[np.float64],
    options: FlatOptions,
) -> Any:
    """Return the onnx.ModelProto of an engine file, without its info block.

    Args:
        network: The flat network; it is not changed.
        meaning: How the tensor `network.source` is read.
        classes: Classes of the network.
        weights: (P, C) of `FlatPlanes`.
        options: Preprocessing and sizes.
    """
    before = _Steps('in')
    _add_input(before, network.input, options)
    before.nodes[-1].output[0] = network.input.name
    after = _Steps('out')
    channels = _add_probabilities(after, network.source.name, meaning)
    _add_planes(after, _add_classes(after, channels, classes, meaning, options.pooled), weights)
    after.nodes[-1].output[0] = OUTPUT
    model = network.model
    nodes = [*before.nodes, *nodes_before(model.graph, {network.source.name}), *after.nodes]
    read = {name for node in nodes for name in names_read(node)} - {network.input.name}
    constants = [tensor for tensor in model.graph.initializer if tensor.name in read]
    height, width = options.size or network.input.size or ('height', 'width')
    batch = 'n' if network.input.any_batch else 1
    # Without the shapes of tensors inside, which may be those of another size.
    graph = helper.make_graph(
        nodes,
        model.graph.name,
        [helper.make_tensor_value_info(INPUT, TensorProto.UINT8, [batch, height, width, 3])],
        [
            helper.make_tensor_value_info(
                OUTPUT, TensorProto.FLOAT, [batch, len(weights), 'grid_height', 'grid_width']
            )
        ],
        initializer=[*before.constants, *constants, *after.constants],
        sparse_initializer=model.graph.sparse_initializer,
    )
    graph.quantization_annotation.extend(model.graph.quantization_annotation)
    return helper.make_model(
        graph,
        opset_imports=model.opset_import,
        functions=model.functions,
        ir_version=max(model.ir_version, LEAST_IR),
        producer_name='hiseg wrap',
    )


def _add_input(steps: _Steps, source: FlatInput, options: FlatOptions) -> None:
    """Add the preprocessing of (N, h, w, 3) uint8, equal to `FlatInput.prepared`."""
    name = INPUT
    mean, std = np.array(options.preprocessing.mean), np.array(options.preprocessing.std)
    if options.bgr:
        name = steps.gather(name, [2, 1, 0], axis=3)
        mean, std = mean[::-1], std[::-1]
    if source.dtype is not np.uint8:
        name = steps.add('Cast', name, to=TensorProto.FLOAT)
        name = steps.add('Sub', name, steps.constant((mean * 255).astype(np.float32)))
        name = steps.add('Mul', name, steps.constant((1 / (std * 255)).astype(np.float32)))
    if source.layout == 'NCHW':
        name = steps.add('Transpose', name, perm=[0, 3, 1, 2])
    if source.dtype is np.float16:
        name = steps.add('Cast', name, to=TensorProto.FLOAT16)
    if not steps.nodes:
        steps.add('Identity', name)


def _add_probabilities(steps: _Steps, name: str, meaning: Meaning) -> str:
    """Add (N, channels, h, w) probabilities from the network's tensor; see `Meaning`."""
    if meaning.is_label_map:
        rest = len(meaning.order.labels) - 1
        name = steps.add('Cast', name, to=TensorProto.INT32)
        if meaning.axis == 3:
            name = steps.add('Transpose', name, perm=[0, 3, 1, 2])
        elif meaning.axis == 0:
            name = steps.add('Unsqueeze', name, steps.constant(np.array([1], np.int64)))
        numbers = steps.constant(np.arange(rest, dtype=np.int32)[:, None, None])
        known = steps.add('Cast', steps.add('Equal', name, numbers), to=TensorProto.FLOAT)
        one = steps.constant(np.ones((1, 1, 1), np.float32))
        return steps.add('Concat', known, steps.add('Sub', one, steps.sum(known)), axis=1)
    name = steps.add('Cast', name, to=TensorProto.FLOAT)
    if meaning.axis == 3:
        name = steps.add('Transpose', name, perm=[0, 3, 1, 2])
    return steps.add('Softmax', name, axis=1) if meaning.needs_softmax else name


def _add_classes(
    steps: _Steps, name: str, classes: Sequence[FlatClass], meaning: Meaning, pooled: int
) -> str:
    """Add the sum of the channels of each class, averaged over cells."""
    places = [one.channels for one in classes]
    if places != [(channel,) for channel in range(len(meaning.order.labels))]:
        parts = [
            steps.gather(name, group) if len(group) == 1 else steps.sum(steps.gather(name, group))
            for group in places
        ]
        name = steps.add('Concat', *parts, axis=1)
    if pooled > 1:
        sides = [pooled, pooled]
        name = steps.add('AveragePool', name, kernel_shape=sides, strides=sides)
    return name


def _add_planes(steps: _Steps, name: str, weights: NDArray[np.float64]) -> None:
    """Add (N, P, h, w) planes from (N, C, h, w) classes."""
    # Many planes are equal: each distinct one is computed once, and copied at the end.
    rows, place_of_plane = np.unique(weights, axis=0, return_inverse=True)
    is_sum = (rows > 0).sum(1) > 1
    simple = rows[~is_sum]
    parts = [steps.scaled(steps.gather(name, simple.argmax(1).tolist()), simple.max(1))]
    for row in rows[is_sum]:
        members = np.flatnonzero(row)
        parts.append(steps.sum(steps.scaled(steps.gather(name, members.tolist()), row[members])))
    order = np.argsort(np.concatenate([np.flatnonzero(~is_sum), np.flatnonzero(is_sum)]))
    distinct = steps.add('Concat', *parts, axis=1)
    limits = [steps.constant(np.array(value, np.float32)) for value in (0, 1)]
    distinct = steps.add('Clip', distinct, *limits)
    steps.gather(distinct, order[place_of_plane.ravel()].tolist())
