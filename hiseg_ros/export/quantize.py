# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Quantizes an exported network to int8 with NNCF, calibrated on images."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import CheckpointError, ConfigError
from hiseg_ros.inference.model_file import ONNX, kind_of, read_info
from hiseg_ros.inference.onnx_digest import add_digest
from hiseg_ros.model.info import INFO_KEY, QUANTIZATION, ModelInfo, dump_info

FIRST_CONVOLUTIONS = 3
"""Number of first convolutions that stay in float: at full resolution a step of eight bits is as
large as an edge in the dark. In int8 they change the label of a third more pixels, and the network
is not faster."""


def quantize(source: Path, output: Path, inputs: Sequence[NDArray[np.uint8]]) -> None:
    """Write an exported network with weights and activations of its convolutions in int8.

    The range of each activation is calibrated on `inputs`. The first and the last convolutions
    and everything before and after them stay in float, so probabilities of children still sum to
    that of their parent.

    Args:
        source: A .onnx file written by `hiseg export` or `hiseg wrap`.
        output: The .onnx file to write; its info block says that it is quantized.
        inputs: (1, h, w, 3) uint8 of the network's input size, from images like the camera's.

    Raises:
        CheckpointError: The source cannot be used, or is already quantized.
        ConfigError: A package is missing, or the output cannot be written.
    """
    info = check_source(source)
    # NNCF reports its use over the network unless this module is missing.
    sys.modules.setdefault('openvino_telemetry', None)  # type: ignore[arg-type]
    import nncf
    import onnx
    from nncf.quantization.advanced_parameters import QuantizationParameters

    nncf.set_log_level(logging.ERROR)
    try:
        model = onnx.load(source)
    except Exception as problem:  # protobuf's errors have no common base class
        raise CheckpointError(
            f'{source} cannot be read ({problem}); expected a file written by `hiseg export`.'
        ) from problem
    _name_nodes(model.graph)
    input_name = model.graph.input[0].name
    quantized = nncf.quantize(
        model,
        nncf.Dataset(list(inputs), lambda image: {input_name: image}),
        preset=nncf.QuantizationPreset.MIXED,
        target_device=nncf.TargetDevice.CPU,
        subset_size=len(inputs),
        advanced_parameters=nncf.AdvancedQuantizationParameters(
            # ONNX Runtime has no kernels for ranges per channel, which depthwise ones would get.
            activations_quantization_params=QuantizationParameters(per_channel=False)
        ),
        ignored_scope=nncf.IgnoredScope(names=float_nodes(model.graph), validate=False),
    )
    facts = {'precision': 'int8', 'calibration_images': len(inputs)}
    _write(quantized, output, replace(info, card={**info.card, QUANTIZATION: facts}))


def check_source(source: Path) -> ModelInfo:
    """Return the info block of a file that can be quantized.

    Raises:
        CheckpointError: The file cannot be used, or is already quantized.
        ConfigError: A package is missing.
    """
    if kind_of(source) != ONNX:
        raise CheckpointError(
            f'{source} is not an {ONNX} file; expected one written by `hiseg export`: export it '
            'first.'
        )
    info = read_info(source)
    if info.is_quantized:
        raise CheckpointError(
            f'{source} is already quantized; expected a file in float32 of `hiseg export`.'
        )
    for module in ('onnx', 'nncf'):
        if find_spec(module) is None:
            raise ConfigError(
                f'Python has no module {module}, which int8 needs; expected it in this '
                f'environment: pip install {module}.'
            )
    return info


def add_facts(path: Path, facts: Mapping[str, Any]) -> None:
    """Add measured values to the section about quantization in a file's info block.

    Raises:
        ConfigError: The file cannot be written.
    """
    import onnx

    info = read_info(path)
    known = info.card[QUANTIZATION]
    _write(
        onnx.load(path),
        path,
        replace(
            info,
            card={
                **info.card,
                QUANTIZATION: {
                    **known,
                    **facts,
                },
            },
        ),
    )


def float_nodes(graph: Any) -> list[str]:
    """Return the names of a graph's nodes that stay in float.

    These are the first convolutions with everything before them, the last convolutions, the
    logits, with everything after them, and attention: products of activations, with the
    convolutions that make their factors. A sum over all positions of an image has a range that
    eight bits cannot divide.
    """
    nodes = list(graph.node)
    maker = {output: index for index, node in enumerate(nodes) for output in node.output}
    sources = [[maker[name] for name in node.input if name in maker] for node in nodes]
    is_convolution = [node.op_type == 'Conv' for node in nodes]
    follows, is_followed = [False] * len(nodes), [False] * len(nodes)
    for index in range(len(nodes)):  # a graph lists a node after its sources
        follows[index] = any(is_convolution[i] or follows[i] for i in sources[index])
    for index in reversed(range(len(nodes))):
        for source in sources[index]:
            is_followed[source] |= is_convolution[index] or is_followed[index]
    first = [index for index, is_one in enumerate(is_convolution) if is_one][:FIRST_CONVOLUTIONS]
    in_attention = _attention(nodes, sources, is_convolution, follows)
    return [
        node.name
        for index, node in enumerate(nodes)
        if index in first
        or index in in_attention
        or not is_followed[index]
        or not (follows[index] or is_convolution[index])
    ]


def _attention(
    nodes: Sequence[Any],
    sources: Sequence[Sequence[int]],
    is_convolution: Sequence[bool],
    follows: Sequence[bool],
) -> set[int]:
    """Return the positions of products of activations, and of all nodes around them.

    Before a product that is down to and with the convolutions that make its factors, after it up
    to the next convolution.
    """
    products = {
        index
        for index, node in enumerate(nodes)
        if node.op_type == 'MatMul' and sum(follows[source] for source in sources[index]) == 2
    }
    before, after = set(products), set(products)
    for index in reversed(range(len(nodes))):
        if index in before and not is_convolution[index]:
            before.update(source for source in sources[index] if follows[source])
            before.update(source for source in sources[index] if is_convolution[source])
    for index in range(len(nodes)):
        if not is_convolution[index] and any(source in after for source in sources[index]):
            after.add(index)
    return before | after


def _name_nodes(graph: Any) -> None:
    """Give every node a unique name; exporters may leave some without."""
    taken = {node.name for node in graph.node}
    for index, node in enumerate(graph.node):
        if not node.name:
            node.name = f'{node.op_type}_{index}'
            while node.name in taken:
                node.name += '_'
            taken.add(node.name)


def _write(model: Any, output: Path, info: ModelInfo) -> None:
    import onnx

    onnx.helper.set_model_props(model, {INFO_KEY: dump_info(info)})
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(model, output)
        add_digest(output)
    except OSError as problem:
        raise ConfigError(f'--output {output} cannot be written: {problem}.') from problem
