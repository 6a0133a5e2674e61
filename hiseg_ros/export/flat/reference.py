# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Runs the original flat network as the reference, and finds out how its output is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import CheckpointError, ConfigError, reason_of
from hiseg_ros.export.flat.classes import ClassOrder, ClassOrders
from hiseg_ros.export.flat.network import FlatNetwork, FlatOutput
from hiseg_ros.export.flat.tail import LABEL_MAP, PROBABILITIES

LARGEST_EXCESS = 0.02
"""Tolerance for probabilities outside [0, 1] and for their sum: float16 may be off by 0.01."""

Tensors = tuple[NDArray[Any], NDArray[Any]]
"""Values of the tensors `source` and `output` of the flat network."""


@dataclass(frozen=True)
class Meaning:
    """How a tensor with classes is read."""

    axis: int
    """Axis of the classes or of a label map's only channel, 1 or 3; 0 for a map without it."""
    is_label_map: bool
    needs_softmax: bool
    order: ClassOrder
    """Labels of the channels; for a label map, the last one is for all other ids."""

    def probabilities(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return (channels, h, w) probabilities of the first image; a label map is one-hot."""
        if self.is_label_map:
            ids = values[0].squeeze(self.axis - 1) if self.axis else values[0]
            rest = len(self.order.labels) - 1
            known = (ids >= 0) & (ids < rest)
            return np.eye(rest + 1)[np.where(known, ids, rest).astype(int)].transpose(2, 0, 1)
        planes: NDArray[np.float64] = np.moveaxis(values[0], self.axis - 1, 0).astype(np.float64)
        if not self.needs_softmax:
            return planes
        odds = np.exp(planes - planes.max(0))
        return odds / odds.sum(0)


class FlatReference:
    """A flat network in ONNX Runtime, or in OpenVINO where that is not installed."""

    def __init__(self, network: FlatNetwork) -> None:
        """Load the network.

        Raises:
            CheckpointError: The runtime cannot load it.
            ConfigError: Neither runtime is installed.
        """
        self._network = network
        self._names = list(dict.fromkeys([network.source.name, network.output.name]))
        import onnx

        model = onnx.ModelProto()
        model.CopyFrom(network.model)
        del model.graph.output[:]
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in self._names)
        content = model.SerializeToString()
        program = next(
            (name for name in ('onnxruntime', 'openvino') if find_spec(name) is not None), None
        )
        if program is None:
            raise ConfigError(
                'Python has neither onnxruntime nor openvino; expected one of them, to run the '
                'network with: pip install onnxruntime.'
            )
        try:
            self._run = (
                _in_onnx_runtime(content)
                if program == 'onnxruntime'
                else _in_openvino(content, self._names)
            )
        except Exception as problem:  # their errors have no common base class
            raise CheckpointError(
                f'{network.path} cannot be loaded by {program} ({reason_of(problem)}); expected '
                'an ONNX file that it runs.'
            ) from problem

    def __call__(self, prepared: NDArray[Any]) -> Tensors:
        """Return the tensors `source` and `output` for an input of `FlatInput.prepared`.

        Raises:
            CheckpointError: The network does not run at this size.
        """
        try:
            found = self._run({self._network.input.name: prepared})
        except Exception as problem:  # their errors have no common base class
            raise CheckpointError(
                f'{self._network.path} does not run on an input of shape {prepared.shape} '
                f'({reason_of(problem)}); expected it to: export it with open height and width, '
                'or name the size that it takes with --size HxW.'
            ) from problem
        return found[0], found[-1]


def _in_onnx_runtime(content: bytes) -> Any:
    import onnxruntime

    from hiseg_ros.inference.backends.onnx_runtime import CPU, session_options

    session = onnxruntime.InferenceSession(content, session_options(), providers=[CPU])
    return lambda feed: session.run(None, feed)


def _in_openvino(content: bytes, names: Sequence[str]) -> Any:
    from hiseg_ros.inference.backends.openvino_cpu import shared_core

    core = shared_core()
    compiled = core.compile_model(
        core.read_model(content, b''), 'CPU', {'INFERENCE_PRECISION_HINT': 'f32'}
    )
    return lambda feed: [compiled(feed)[name] for name in names]


def meaning_of(
    tensor: FlatOutput, values: NDArray[Any], orders: ClassOrders, softmax: str, path: Any
) -> Meaning:
    """Return how a tensor with classes is read.

    Args:
        tensor: Name and kind of the tensor, by its operator.
        values: Its values for one image.
        orders: Possible orders of the classes.
        softmax: 'auto', 'yes' or 'no'; 'guess' is 'auto' without an error where that is unsure.
        path: File of the network, for messages.

    Raises:
        CheckpointError: The tensor has no classes, the number of classes does not fit, or the
            values are neither scores nor probabilities.
    """
    shape = values.shape
    what = f'Tensor {tensor.name!r} of {path} has the shape {shape}'
    is_whole = np.issubdtype(values.dtype, np.integer)
    if len(shape) not in (3, 4) or shape[0] != 1:
        raise CheckpointError(
            f'{what}; expected classes (N, C, h, w) or (N, h, w, C), or a label map (N, h, w): '
            'name another with --output-name.'
        )
    flat_axis = next((axis for axis in (1, 3) if len(shape) == 4 and shape[axis] == 1), None)
    if tensor.kind == LABEL_MAP or is_whole:
        if len(shape) == 4 and flat_axis is None:
            raise CheckpointError(f'{what}; expected a label map (N, h, w) or (N, 1, h, w).')
        return _label_map(flat_axis, orders.usual)
    if len(shape) == 3 or flat_axis is not None:
        if np.array_equal(values, np.rint(values)):
            return _label_map(flat_axis, orders.usual)
        raise CheckpointError(
            f'{what} and has fractions; expected at least two classes, each with a channel.'
        )
    axis = next((axis for axis in (1, 3) if shape[axis] in orders.counts), None)
    if axis is None:
        raise CheckpointError(
            f'{what}; expected {_or(orders.counts)} classes by mapping {orders.name!r}: choose '
            'another --mapping, or write the label of each channel to a file for --classes.'
        )
    order = orders.of_count(shape[axis])
    assert order is not None  # one of the counts
    sums = values.astype(np.float64).sum(axis)
    in_range = -LARGEST_EXCESS <= values.min() and values.max() <= 1 + LARGEST_EXCESS
    is_distribution = in_range and bool(np.all(np.abs(sums - 1) <= LARGEST_EXCESS))
    if softmax == 'no' and not is_distribution:
        raise CheckpointError(
            f'Tensor {tensor.name!r} of {path} has values from {values.min():.3g} to '
            f'{values.max():.3g} and sums from {sums.min():.3g} to {sums.max():.3g}; expected '
            'probabilities, which sum to 1: use --softmax yes for scores.'
        )
    if softmax == 'auto' and in_range and not is_distribution:
        raise CheckpointError(
            f'Tensor {tensor.name!r} of {path} has values between 0 and 1 and sums from '
            f'{sums.min():.3g} to {sums.max():.3g}; expected probabilities, which sum to 1, or '
            'scores: use --softmax yes if these are scores.'
        )
    is_probability = is_distribution or tensor.kind == PROBABILITIES
    return Meaning(axis, False, softmax == 'yes' or not is_probability, order)


def _label_map(axis: int | None, order: ClassOrder) -> Meaning:
    return Meaning(axis or 0, True, False, replace(order, labels=(*order.labels, None)))


def _or(numbers: Sequence[int]) -> str:
    words = [str(number) for number in numbers]
    return words[0] if len(words) == 1 else f'{", ".join(words[:-1])} or {words[-1]}'
