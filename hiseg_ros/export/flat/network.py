# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Reads the ONNX graph of a flat network: its input, and the tensor with its classes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from hiseg_ros.errors import CheckpointError, ConfigError, reason_of
from hiseg_ros.export.flat.tail import before_tail, kind_of_tensor
from hiseg_ros.inference.onnx_bytes import refuse_outside_data
from hiseg_ros.model.info import INFO_KEY
from hiseg_ros.types import ImageSize

LEAST_OPSET = 13
"""Oldest version of ONNX's operators, from 2020, that has all operators which wrapping adds."""

RAISED_OPSET = 17
"""Version to which an older graph is converted."""

INPUT_TYPES = {
    TensorProto.FLOAT: np.float32,
    TensorProto.FLOAT16: np.float16,
    TensorProto.UINT8: np.uint8,
}

MARK = 'hiseg_'
"""Prefix of the names of all tensors that wrapping adds."""


@dataclass(frozen=True)
class FlatInput:
    """The input of a flat network."""

    name: str
    layout: str
    """'NCHW' or 'NHWC'."""
    dtype: type[Any]
    """np.float32, np.float16 or np.uint8."""
    size: ImageSize | None
    """Fixed (h, w); None where both are open."""
    any_batch: bool
    """Whether the batch size is open."""

    def prepared(
        self,
        images: NDArray[np.uint8],
        mean: tuple[float, ...],
        std: tuple[float, ...],
        bgr: bool = False,
    ) -> NDArray[Any]:
        """Return the network's input for images: the reference of the preprocessing.

        Args:
            images: (N, h, w, 3) uint8 in RGB order.
            mean: Mean of the three channels in the network's order, in [0, 1].
            std: Standard deviation, likewise.
            bgr: Whether the network expects BGR input.
        """
        values: NDArray[Any] = images[..., ::-1] if bgr else images
        if self.dtype is not np.uint8:
            values = (values / 255 - np.array(mean)) / np.array(std)
        if self.layout == 'NCHW':
            values = values.transpose(0, 3, 1, 2)
        return np.ascontiguousarray(values, self.dtype)


@dataclass(frozen=True)
class FlatOutput:
    """A tensor with the classes."""

    name: str
    kind: str
    """SCORES, PROBABILITIES or LABEL_MAP of `tail`."""


@dataclass(frozen=True)
class FlatNetwork:
    """A flat network as read from its file."""

    path: Path
    model: Any
    """onnx.ModelProto."""
    input: FlatInput
    output: FlatOutput
    """Output of the file itself."""
    source: FlatOutput
    """Tensor from which the engine file continues: before a last argmax or upsampling."""


def open_flat_network(path: Path, output_name: str = '', keep_tail: bool = False) -> FlatNetwork:
    """Read an ONNX file; nothing in it is executed.

    Args:
        path: The file; weights in a file beside it are read too.
        output_name: Tensor with the classes, an output or any tensor inside; needed where there
            are several outputs.
        keep_tail: Whether to use the output even if it is an argmax or an upsampling.

    Raises:
        CheckpointError: The file is missing, not ONNX, already wrapped, or its input is not one
            image.
        ConfigError: It has several outputs and none is named, or it has no tensor of that name.
    """
    model = _load(path)
    graph = model.graph
    producers = {name: node for node in graph.node for name in node.output}
    output = _chosen_output(path, graph, output_name, producers)
    source = (
        output if keep_tail or not _is_output(graph, output) else before_tail(output, producers)
    )
    needed = {name for node in nodes_before(graph, {output}) for name in names_read(node)}
    source_input = _input(path, graph, needed)
    return FlatNetwork(
        path,
        model,
        source_input,
        FlatOutput(output, kind_of_tensor(output, producers)),
        FlatOutput(source, kind_of_tensor(source, producers)),
    )


def _load(path: Path) -> Any:
    if not os.path.isfile(path):
        raise CheckpointError(
            f'{path} does not exist; expected an ONNX file of a flat network: check --onnx.'
        )
    try:
        refuse_outside_data(path.read_bytes(), path)
        model = onnx.load(path)
    except Exception as problem:  # errors of protobuf, onnx and the system, without a common base
        raise CheckpointError(
            f'{path} cannot be read as ONNX ({reason_of(problem)}); expected a file as '
            'torch.onnx.export writes it, with its weights in it or in the file beside it.'
        ) from problem
    if not model.graph.node or not model.graph.output:
        raise CheckpointError(
            f'{path} has no network ({len(model.graph.node)} operators); expected an ONNX file.'
        )
    if any(entry.key == INFO_KEY for entry in model.metadata_props):
        raise CheckpointError(
            f'{path} is already a file of `hiseg export` or `hiseg wrap`; expected a flat network '
            'of another project: use it as --model.'
        )
    standard = ('', 'ai.onnx')
    opset = next((item.version for item in model.opset_import if item.domain in standard), 1)
    if opset < LEAST_OPSET:
        try:
            model = onnx.version_converter.convert_version(model, RAISED_OPSET)
        except Exception as problem:  # its errors have no common base class
            raise CheckpointError(
                f'{path} has opset {opset}, which cannot be converted to {RAISED_OPSET} '
                f'({reason_of(problem)}); expected {LEAST_OPSET} or newer: export it again with '
                f'opset_version={RAISED_OPSET}.'
            ) from problem
    if any(name.startswith(MARK) for node in model.graph.node for name in node.output):
        raise CheckpointError(
            f'{path} has tensors whose names begin with {MARK!r}; expected other names, since '
            '`hiseg wrap` uses these.'
        )
    return model


def names_read(node: Any) -> Iterator[str]:
    """Yield the tensors that an operator reads, including those read by graphs inside it."""
    yield from node.input
    for attribute in node.attribute:
        for graph in (*([attribute.g] if attribute.HasField('g') else []), *attribute.graphs):
            for inner in graph.node:
                yield from names_read(inner)
            yield from (value.name for value in graph.output)


def nodes_before(graph: Any, names: set[str]) -> list[Any]:
    """Return the operators on which some tensors depend, in the order of the graph."""
    wanted, found = set(names), []
    for node in reversed(graph.node):
        if wanted.intersection(node.output):
            found.append(node)
            wanted.update(names_read(node))
    return found[::-1]


def _is_output(graph: Any, name: str) -> bool:
    return any(output.name == name for output in graph.output)


def _chosen_output(path: Path, graph: Any, wanted: str, producers: dict[str, Any]) -> str:
    names = [output.name for output in graph.output]
    if wanted:
        if wanted not in producers:
            raise ConfigError(
                f'{path} has no tensor {wanted!r}; expected one of its outputs {names} or a '
                'tensor inside: check --output-name.'
            )
        return wanted
    if len(names) > 1:
        raise ConfigError(
            f'{path} has the outputs {names}; expected one, or the name of the one with the '
            'classes: choose it with --output-name NAME.'
        )
    return str(names[0])


def _input(path: Path, graph: Any, needed: set[str]) -> FlatInput:
    constants = {tensor.name for tensor in graph.initializer}
    inputs = {value.name: value for value in graph.input if value.name not in constants}
    used = [name for name in inputs if name in needed]
    if len(used) != 1:
        raise CheckpointError(
            f'{path} computes its classes from the inputs {used}; expected one image: export it '
            'with the others as constants, or name an output that needs no others.'
        )
    value = inputs[used[0]].type.tensor_type
    shape = [
        side.dim_value
        if side.HasField('dim_value') and side.dim_value > 0
        else side.dim_param or '?'
        for side in value.shape.dim
    ]
    if value.elem_type not in INPUT_TYPES or len(shape) != 4:
        kind = TensorProto.DataType.Name(value.elem_type).lower()
        raise CheckpointError(
            f'Input {used[0]!r} of {path} is {kind} of shape {_words(shape)}; expected an image '
            'as float (N, 3, h, w) or (N, h, w, 3), or as uint8.'
        )
    dtype = INPUT_TYPES[value.elem_type]
    layout = _layout(shape, dtype)
    if layout is None:
        raise CheckpointError(
            f'Input {used[0]!r} of {path} has the shape {_words(shape)}; expected three channels '
            'in the second or the last place.'
        )
    batch, sides = shape[0], shape[2:] if layout == 'NCHW' else shape[1:3]
    if batch != 1 and isinstance(batch, int):
        raise CheckpointError(
            f'Input {used[0]!r} of {path} has batch size {batch}; expected 1 or an open one: '
            'export it for one image.'
        )
    is_fixed = [isinstance(side, int) for side in sides]
    if any(is_fixed) and not all(is_fixed):
        raise CheckpointError(
            f'Input {used[0]!r} of {path} has the shape {_words(shape)}; expected height and '
            'width both fixed or both open: export it again.'
        )
    size = (int(sides[0]), int(sides[1])) if all(is_fixed) else None
    return FlatInput(used[0], layout, dtype, size, batch != 1)


def _layout(shape: list[Any], dtype: type[Any]) -> str | None:
    """Return the layout by the place of the three channels; the usual one if all are open."""
    if shape[1] == 3 or shape[3] == 3:
        return 'NCHW' if shape[1] == 3 else 'NHWC'
    usual, place = ('NHWC', 3) if dtype is np.uint8 else ('NCHW', 1)
    return None if isinstance(shape[place], int) else usual


def _words(shape: list[Any]) -> str:
    return '(' + ', '.join(map(str, shape)) + ')'
