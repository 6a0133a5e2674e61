# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A flat network's graph with what makes an engine file of it: camera bytes in, planes out.

Behind the network's own operators come only elementwise steps, copies, sums and means: a runtime
that computes convolutions and products of matrices in bfloat16 leaves these in float32, so parents
remain the sums of their children.
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
"""Version of the file format, from 2021: constants need not be inputs, too."""


@dataclass(frozen=True)
class FlatOptions:
    """How a flat network is run."""

    preprocessing: Preprocessing
    """Mean and deviation in the order red, green, blue; not used by a network that takes bytes."""
    bgr: bool = False
    """Whether the network takes blue first."""
    size: ImageSize | None = None
    """(h, w) of the only input; None leaves them as the network has them."""
    pooled: int = 1
    """Cells along each side of the network's grid that become one."""


class _Steps:
    """Operators in a row, with names of their own."""

    def __init__(self, part: str) -> None:
        """Start without any."""
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._prefix = f'{MARK}{part}_'

    def constant(self, values: NDArray[Any]) -> str:
        """Return the name of a constant."""
        name = f'{self._prefix}constant_{len(self.constants)}'
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Return the name of what an operator gives."""
        name = f'{self._prefix}{len(self.nodes)}_{kind.lower()}'
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name, **attributes))
        return name

    def gather(self, source: str, places: Sequence[int], axis: int = 1) -> str:
        """Return the name of some channels."""
        return self.add('Gather', source, self.constant(np.array(places, np.int64)), axis=axis)

    def sum(self, source: str) -> str:
        """Return the name of the sum of all channels, one channel."""
        return self.add('ReduceSum', source, self.constant(np.array([1], np.int64)), keepdims=1)

    def scaled(self, source: str, factors: NDArray[np.float64]) -> str:
        """Return the name of channels times one number each."""
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
        network: Left as it is.
        meaning: Of its source.
        classes: Its classes.
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
    # Not the shapes inside that the file states: they may be those of another size.
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
    """Turn (N, h, w, 3) bytes into what the network takes; as `FlatInput.prepared` does."""
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
    """Turn the network's tensor into (N, channels, h, w) probabilities; see `Meaning`."""
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
    """Sum up the channels of each class, and cells of the grid to larger ones."""
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
    """Lay (N, C, h, w) classes on (N, P, h, w) planes."""
    # Many nodes have the same share: computed once each, and copied to their places at the end.
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
