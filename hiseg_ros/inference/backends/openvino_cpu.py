# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The backend 'openvino': an exported file on the CPU, in float32, bfloat16 or int8."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import CheckpointError, ConfigError, DeviceError, reason_of
from hiseg_ros.inference.backends.compiled_sizes import CompiledSizes
from hiseg_ros.inference.backends.exported import ExportedBackend
from hiseg_ros.inference.exported_graph import LARGEST_LOGIT, LOGITS
from hiseg_ros.inference.exported_input import ExportedInput
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.threads import thread_count

if TYPE_CHECKING:
    from hiseg_ros.inference.backends.tree_planes import TreePlanes

# OpenVINO's package reports its use over the network, from a fork of this process. A robot's node
# reports nothing, and the fork inherits the node's signal handlers: without a network it ignores
# requests to end, and the exit of the process waits for it forever. Without that module OpenVINO
# uses a stub.
sys.modules.setdefault('openvino_telemetry', None)  # type: ignore[arg-type]
import openvino  # noqa: E402
from openvino import opset13  # noqa: E402

MAX_SIZES = 12
"""Input sizes that stay compiled: with a fixed size OpenVINO plans memory and layouts ahead and is
a third faster than with an open one. Cameras of so many sizes may share an engine."""

MAX_KEPT_PIXELS = 4 * 2**20
"""Pixels of all input sizes that stay compiled; each costs OpenVINO about 200 bytes. A larger size
is compiled for one image and dropped at the next."""

FIRST_SIZES = 2
"""Input sizes that are compiled at their first image. The next ones run with open sides, with the
same results up to rounding, and are compiled when they come again: compiling takes longer than the
network, and a camera may change its size with every image."""

IDLE_IMAGES = 50
"""Images for which a compiled size must not have been used before another one replaces it."""

HINTS = {'float32': 'f32', 'bfloat16': 'bf16'}


class OpenVinoBackend(ExportedBackend):
    """An exported network in OpenVINO."""

    name = 'openvino'
    device = 'cpu'

    def __init__(
        self,
        path: Path,
        inputs: ExportedInput,
        device: str,
        precision: str = 'float32',
        taxonomy: Taxonomy | None = None,
    ) -> None:
        """Load the file; it is compiled at the first image of each size.

        Args:
            path: File written by `hiseg export`.
            inputs: Rule for its input size; a fixed size of the file takes precedence.
            device: 'auto' or 'cpu'.
            precision: 'float32', 'bfloat16' if the CPU supports it, or 'int8' for a quantized
                file, whose other layers are in bfloat16 if the CPU supports it.
            taxonomy: Tree of the nodes. With it the arithmetic of the tree is removed from the
                graph where possible and computed by the faster `tree_planes`.

        Raises:
            CheckpointError: OpenVINO cannot read the file, or its input is of another kind.
            ConfigError: The CPU has no bfloat16, or the file has a fixed size and another input
                height is requested.
            DeviceError: The device is not the CPU.
        """
        if device not in ('auto', 'cpu'):
            raise DeviceError(
                f"Backend 'openvino' runs on the CPU, and the device is {device!r}; expected "
                "'auto' or 'cpu': choose backend 'onnx_runtime' for CUDA."
            )
        core = shared_core()
        if precision == 'bfloat16' and not has_bfloat16():
            raise ConfigError("This CPU has no bfloat16; expected precision 'float32' on it.")
        try:
            model = core.read_model(path)
        except RuntimeError as problem:
            raise CheckpointError(
                f'OpenVINO {openvino.__version__} cannot read {path} ({reason_of(problem)}); '
                'expected a file written by `hiseg export`.'
            ) from problem
        source = model.input(0)
        shape = [
            side.get_length() if side.is_static else None for side in source.get_partial_shape()
        ]
        super().__init__(
            path, inputs.of_file(path, shape, source.get_element_type() == openvino.Type.u8)
        )
        self.precision = precision
        self._core = core
        self._model, self._tree = _without_tree(model, taxonomy)
        self._sizes = CompiledSizes(MAX_SIZES, FIRST_SIZES, MAX_KEPT_PIXELS, IDLE_IMAGES)
        self._requests: dict[tuple[int, ...], Any] = {}
        self._open_request: Any = None
        self._large_request: Any = None

    def _run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        request = self._request_for(images.shape)
        # The results stay in the request's memory: they are large, and mostly read once.
        results = request.infer([images], share_inputs=True, share_outputs=True)
        return self.planes([result[0] for result in results.values()])

    def _request_for(self, shape: tuple[int, ...]) -> Any:
        """Return the compiled request of a shape, that of open sides, or one for this image."""
        self._large_request = None
        use = self._sizes.use_of(shape)
        for other in use.dropped:
            del self._requests[other]
        if use.how == 'compiled':
            if shape not in self._requests:
                self._requests[shape] = self.request(shape)
            return self._requests[shape]
        if use.how == 'large':
            self._large_request = self.request(shape)
            return self._large_request
        if self._open_request is None:
            self._open_request = self._compiled(self._model, {})
        return self._open_request

    def planes(self, results: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return the (V, h, w) node probabilities for a request's results; until the next call."""
        return self._tree(results) if self._tree else results[0]

    def request(self, shape: tuple[int, ...], **settings: Any) -> Any:
        """Return a new request for inputs of one shape.

        Args:
            shape: (1, h, w, 3).
            settings: Settings of OpenVINO beside those of every request.
        """
        model = self._model.clone()
        model.reshape({0: list(shape)})
        return self._compiled(model, settings)

    def _compiled(self, model: Any, settings: dict[str, Any]) -> Any:
        settings = {**settings_of(self.precision), **settings}
        return self._core.compile_model(model, 'CPU', settings).create_infer_request()

    def _free(self) -> None:
        self._model = None
        self._requests.clear()
        self._open_request = self._large_request = None
        self._tree = None


def _without_tree(model: Any, taxonomy: Taxonomy | None) -> tuple[Any, TreePlanes | None]:
    """Return a model that ends with the odds of every child, and the loop for what follows.

    The odds have their channels last, as convolutions on a CPU compute them. A model without the
    classifiers of this tree under the names of `hiseg export`, such as a flat network, is returned
    unchanged with None.
    """
    if taxonomy is None:
        return model, None
    # Imports numba, which may be missing where only `has_bfloat16` is called.
    from hiseg_ros.inference.backends.tree_planes import tree_of

    of_name = {operation.get_friendly_name(): operation for operation in model.get_ops()}
    logits: list[Any] = []
    while (name := LOGITS.format(len(logits))) in of_name:
        logits.append(of_name[name].output(0))
    channels = [values.get_partial_shape()[1] for values in logits]
    if not all(count.is_static for count in channels):
        return model, None
    tree = tree_of(taxonomy, [count.get_length() for count in channels])
    if tree is None:
        return model, None
    ends = []
    for values in logits:
        odds = opset13.exp(opset13.clamp(values, -LARGEST_LOGIT, LARGEST_LOGIT))
        ends.append(opset13.transpose(odds, np.array([0, 2, 3, 1])).output(0))
    return openvino.Model(ends, model.get_parameters(), model.get_friendly_name()), tree


def settings_of(precision: str) -> dict[str, Any]:
    """Return OpenVINO's settings for a precision."""
    in_float = 'bfloat16' if has_bfloat16() else 'float32'
    return {
        'INFERENCE_NUM_THREADS': thread_count(),
        'INFERENCE_PRECISION_HINT': HINTS[in_float if precision == 'int8' else precision],
        'PERFORMANCE_HINT': 'LATENCY',
        # Other processes of a robot use the same cores.
        'ENABLE_CPU_PINNING': False,
    }


@lru_cache(maxsize=1)
def shared_core() -> Any:
    """Return OpenVINO's core, which lives as long as the process.

    Its CPU plugin sets an alternate signal stack for the calling thread, and frees that memory
    with the core. If another thread released the core, the next signal in the first thread (the
    end of a child, an alarm) would be a segmentation fault.
    """
    return openvino.Core()


def has_bfloat16() -> bool:
    """Return whether this CPU supports bfloat16."""
    return 'BF16' in shared_core().get_property('CPU', 'OPTIMIZATION_CAPABILITIES')
