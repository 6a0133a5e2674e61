# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Any ONNX network of one image, loaded in OpenVINO or ONNX Runtime with the node's settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import CheckpointError, ConfigError, reason_of
from hiseg_ros.types import ImageSize

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)
"""Of ImageNet, red first: values of a usual size, on which the time does not depend."""

TYPES: dict[str, type[Any]] = {'float32': np.float32, 'float16': np.float16, 'uint8': np.uint8}
"""Types of inputs that images can be given to, by their names."""

RUNTIMES = ('openvino', 'onnx_runtime')


@dataclass(frozen=True)
class PeerInput:
    """The input of a network, as its file describes it."""

    name: str
    shape: tuple[int | None, ...]
    """Sides; None where one is open."""
    dtype: str
    """Such as 'float32'."""

    def prepared(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """Return an image in the network's layout and type.

        Args:
            images: (1, h, w, 3) uint8, red first.

        Returns:
            (1, 3, h, w) or (1, h, w, 3), C-contiguous; floats are normalised.

        Raises:
            ConfigError: The network takes no such input.
        """
        size = (images.shape[1], images.shape[2])
        channels_first = self._channels_first()
        expected = (1, 3, *size) if channels_first else (1, *size, 3)
        if any(
            side is not None and side != wanted
            for side, wanted in zip(self.shape, expected, strict=True)
        ):
            raise ConfigError(self._other_size(size, channels_first))
        values: NDArray[Any] = images
        if self.dtype != 'uint8':
            values = (images.astype(np.float32) / np.float32(255) - MEAN) / STD
        if channels_first:
            values = values.transpose(0, 3, 1, 2)
        return np.ascontiguousarray(values, TYPES[self.dtype])

    def _channels_first(self) -> bool:
        """Return whether the layout is NCHW: by the place of the 3, else the usual of the type.

        Raises:
            ConfigError: It is no image.
        """
        shape = self.shape
        if self.dtype in TYPES and len(shape) == 4:
            if shape[1] == 3 or shape[3] == 3:
                return shape[1] == 3
            usual = self.dtype != 'uint8'
            if shape[1 if usual else 3] is None:
                return usual
        raise ConfigError(
            f'Its input {self.name!r} is {self.dtype} of shape {_words(shape)}; expected an image '
            'of three channels in float32, float16 or uint8: export it with such an input.'
        )

    def _other_size(self, size: ImageSize, channels_first: bool) -> str:
        height, width = self.shape[2:4] if channels_first else self.shape[1:3]
        own = f'{height or size[0]}x{width or size[1]}'
        if self.shape[0] not in (None, 1):
            return (
                f'Its input {self.name!r} has the shape {_words(self.shape)}; expected one image: '
                'export it for a batch of 1.'
            )
        return (
            f'Its input is fixed at {own} pixels; expected {size[0]}x{size[1]}, the input of the '
            f'network beside it, or open sides: measure with --size {own}, or export it again.'
        )


@dataclass(frozen=True)
class Peer:
    """A loaded network with its input."""

    values: NDArray[Any]
    """What `run` is called with."""
    run: Callable[[NDArray[Any]], Sequence[NDArray[Any]]]
    """Returns all outputs; valid until the next call."""


def open_peer(path: Path, backend: str, precision: str, images: NDArray[np.uint8]) -> Peer:
    """Load a network for one image.

    Args:
        path: An ONNX file.
        backend: One of `RUNTIMES`.
        precision: As for the node's network: of the layers that are not quantized.
        images: (1, h, w, 3) uint8, red first.

    Raises:
        CheckpointError: The runtime cannot load the file, or not for this size.
        ConfigError: Its input is no image, or one of another size.
    """
    load = _in_openvino if backend == 'openvino' else _in_onnx_runtime
    try:
        return load(path, precision, images)
    except ConfigError:
        raise
    except Exception as problem:  # the runtimes' errors share no family
        raise CheckpointError(
            f'{backend} cannot load it ({reason_of(problem)}); expected an ONNX file that this '
            'runtime supports: export it again with standard operators.'
        ) from problem


def _in_openvino(path: Path, precision: str, images: NDArray[np.uint8]) -> Peer:
    from hiseg_ros.inference.backends.openvino_cpu import HINTS, settings_of, shared_core

    model = shared_core().read_model(path)
    source = _only([_of_openvino(value) for value in model.inputs])
    values = source.prepared(images)
    model.reshape({0: list(values.shape)})
    settings = settings_of(precision)
    try:
        compiled = shared_core().compile_model(model, 'CPU', settings)
    except RuntimeError:
        if precision != 'int8':
            raise
        # With AMX there may be no kernel between layers in int8 and in bfloat16.
        settings['INFERENCE_PRECISION_HINT'] = HINTS['float32']
        compiled = shared_core().compile_model(model, 'CPU', settings)
    request = compiled.create_infer_request()

    def run(values: NDArray[Any]) -> list[NDArray[Any]]:
        results = request.infer([values], share_inputs=True, share_outputs=True)
        return list(results.values())

    return Peer(values, run)


def _of_openvino(value: Any) -> PeerInput:
    shape = value.get_partial_shape()
    sides = shape if shape.rank.is_static else ()
    dtype = value.get_element_type().to_dtype().name
    return PeerInput(
        value.any_name if value.names else 'input',
        tuple(side.get_length() if side.is_static else None for side in sides),
        dtype,
    )


def _in_onnx_runtime(path: Path, precision: str, images: NDArray[np.uint8]) -> Peer:
    import onnxruntime

    from hiseg_ros.inference.backends.onnx_runtime import CPU, session_options

    session = onnxruntime.InferenceSession(str(path), session_options(), providers=[CPU])
    source = _only([_of_onnx_runtime(value) for value in session.get_inputs()])
    values = source.prepared(images)

    def run(values: NDArray[Any]) -> list[NDArray[Any]]:
        return list(session.run(None, {source.name: values}))

    return Peer(values, run)


def _of_onnx_runtime(value: Any) -> PeerInput:
    names = {'tensor(float)': 'float32', 'tensor(float16)': 'float16', 'tensor(uint8)': 'uint8'}
    sides = tuple(side if isinstance(side, int) and side > 0 else None for side in value.shape)
    return PeerInput(value.name, sides, names.get(value.type, value.type))


def _only(inputs: Iterable[PeerInput]) -> PeerInput:
    found = list(inputs)
    if len(found) == 1:
        return found[0]
    names = ', '.join(repr(source.name) for source in found) or 'none'
    raise ConfigError(
        f'Its inputs are {names}; expected one, an image: export it with the others as constants.'
    )


def _words(shape: Sequence[int | None]) -> str:
    return '(' + ', '.join('?' if side is None else str(side) for side in shape) + ')'
