# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The backend 'openvino': an exported file on the CPU, in float32, bfloat16 or int8."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import CheckpointError, ConfigError, DeviceError, reason_of
from hiseg_ros.inference.backends.compiled_sizes import CompiledSizes
from hiseg_ros.inference.backends.exported import ExportedBackend
from hiseg_ros.inference.exported_input import ExportedInput
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.threads import thread_count
from hiseg_ros.types import Wanted

if TYPE_CHECKING:
    from hiseg_ros.decision.classifiers import ClassifierTree, EvaluationPlan
    from hiseg_ros.inference.backends.openvino_cut import CutNetwork
    from hiseg_ros.inference.backends.openvino_tree import DividedModel

# OpenVINO's package reports its use over the network, from a fork of this process. A robot's node
# reports nothing, and the fork inherits the node's signal handlers: without a network it ignores
# requests to end, and the exit of the process waits for it forever. Without that module OpenVINO
# uses a stub.
sys.modules.setdefault('openvino_telemetry', None)  # type: ignore[arg-type]
import openvino  # noqa: E402

MAX_SIZES = 36
"""Input sizes that stay compiled: with a fixed size OpenVINO plans memory and layouts ahead and is
a third faster than with an open one. Six cameras of different sizes may share an engine, each with
the six sizes of `scaled_input.SCALES`."""

KEPT_PIXELS = (4 * 2**20, 16 * 2**20)
"""Smallest and largest limit of the pixels of all input sizes that stay compiled. A larger size is
compiled for one image and dropped at the next."""

BYTES_PER_PIXEL = 200
"""What OpenVINO keeps for each pixel of a compiled size, roughly."""

MEMORY_SHARE = 1 / 16
"""Of the machine's memory, for compiled sizes beyond the smallest limit."""

FIRST_SIZES = 2
"""Input sizes that are compiled at their first image. The next ones run with open sides, with the
same results up to rounding, and are compiled when they come again: compiling takes longer than the
network, and a camera may change its size with every image."""

IDLE_IMAGES = 50
"""Images for which a compiled size must not have been used before another one replaces it."""

LARGEST_SHARE = 0.5
"""Of the arithmetic of all classifiers, at all points, up to which our own loops are faster."""

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
        cut_at: Sequence[str] = (),
    ) -> None:
        """Load the file; it is compiled at the first image of each size.

        Args:
            path: File written by `hiseg export`.
            inputs: Rule for its input size; a fixed size of the file takes precedence.
            device: 'auto' or 'cpu'.
            precision: 'float32', 'bfloat16' if the CPU supports it, or 'int8' for a quantized
                file, whose other layers are in bfloat16 if the CPU supports it.
            taxonomy: Tree of the nodes. With it the classifiers of the tree are removed from the
                graph where possible; see `openvino_tree`.
            cut_at: Names of the nodes at which the network's tree is cut. What is below them then
                runs where it is needed; see `openvino_cut`.

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
        self._taxonomy = taxonomy
        self._cut = _cut_parts(model, taxonomy, cut_at) if taxonomy and cut_at else None
        self._parts = _parts(model, taxonomy) if taxonomy and not cut_at else None
        first = self._parts or self._cut
        self._model = first.first if first else model
        self._sizes = CompiledSizes(
            MAX_SIZES, FIRST_SIZES, kept_pixels(memory_bytes()), IDLE_IMAGES
        )
        self._requests: dict[tuple[int, ...], Any] = {}
        self._open_request: Any = None
        self._large_request: Any = None
        self._odds_requests: dict[tuple[int, ...], Any] = {}
        self._plans: dict[tuple[int, bool], EvaluationPlan] = {}

    @property
    def classifiers(self) -> ClassifierTree | None:
        """Classifiers that are evaluated where labels need them; None if the runtime has all."""
        return self._parts.classifiers if self._parts else None

    @property
    def cut(self) -> CutNetwork | None:
        """The parts of a network whose tree is cut, if what is below the cuts can run in tiles."""
        return self._cut

    def features(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (h, w, C) features for `classifiers`; valid until the next call."""
        return _results(self._request_for(images.shape), images)[0]

    def needed_probabilities(
        self, images: NDArray[np.uint8], wanted: Wanted
    ) -> NDArray[np.float32]:
        """Return `node_probabilities` where wanted results depend on them; see `interfaces`."""
        if self._cut is not None and self._cut.is_enough(wanted):
            top = self._cut.read_below(wanted)
            return self._checked(lambda images: self._in_tiles(images, top), images)
        plan = self._plan(wanted)
        if plan is None:
            return self.node_probabilities(images)
        return self._checked(lambda images: self._evaluated(images, plan), images)

    def _plan(self, wanted: Wanted) -> EvaluationPlan | None:
        """Return what to evaluate, None where the runtime is faster."""
        if self.classifiers is None or (wanted.probabilities and wanted.deepest is None):
            return None
        key = (wanted.deepest or 0, wanted.subclasses) if wanted.probabilities else (0, False)
        if key not in self._plans:
            assert self._taxonomy is not None
            self._plans[key] = self.classifiers.plan(self._taxonomy, *key)
        plan = self._plans[key]
        return plan if plan.share <= LARGEST_SHARE else None

    def _evaluated(self, images: NDArray[np.uint8], plan: EvaluationPlan) -> NDArray[np.float32]:
        assert self.classifiers is not None
        return self.classifiers(self.features(images), plan)

    def _in_tiles(self, images: NDArray[np.uint8], top: int | None) -> NDArray[np.float32]:
        """Return all probabilities, those below the cuts where labels or a node's pixels are."""
        assert self._cut is not None
        frontier = _results(self._request_for(images.shape), images)[0]
        compiled = partial(self._compiled, settings={})
        planes = self._cut.needed(frontier, images, compiled, top)
        return self._everywhere(frontier, images) if planes is None else planes

    def _everywhere(
        self, frontier: NDArray[np.float32], images: NDArray[np.uint8]
    ) -> NDArray[np.float32]:
        assert self._cut is not None
        compiled = partial(self._compiled, settings={})
        is_kept = images.shape in self._requests
        return self._cut.everywhere(frontier, images, compiled, is_kept)

    def _run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        results = _results(self._request_for(images.shape), images)
        if self._cut is not None:
            return self._everywhere(results[0], images)
        if self._parts is None or self._parts.classifiers is None:
            return self.planes(results)
        request = self._odds_request_for(images.shape, results[0][None].shape)
        return self._parts.planes(_results(request, results[0][None]))

    def _odds_request_for(self, shape: tuple[int, ...], features: tuple[int, ...]) -> Any:
        """Return the request for the odds behind features, compiled as the one for the images."""
        assert self._parts is not None
        key = shape if shape in self._requests else ()
        if key not in self._odds_requests:
            model = self._parts.odds.clone()
            if key:
                model.reshape({0: list(features)})
            # In float32, as in our own loops: labels then do not depend on who reads what.
            in_float = {'INFERENCE_PRECISION_HINT': HINTS['float32']}
            self._odds_requests[key] = self._compiled(model, in_float)
        return self._odds_requests[key]

    def _request_for(self, shape: tuple[int, ...]) -> Any:
        """Return the compiled request of a shape, that of open sides, or one for this image."""
        self._large_request = None
        use = self._sizes.use_of(shape)
        for other in use.dropped:
            del self._requests[other]
            self._odds_requests.pop(other, None)
            if self._cut is not None:
                self._cut.drop(other)
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
        """Return the (V, h, w) probabilities that labels depend on; valid until the next call.

        Args:
            results: What a request put out for an image.
        """
        if self._cut is not None:
            return self._cut.above(results[0])
        if self._parts is None:
            return results[0]
        if self._parts.classifiers is None:
            return self._parts.planes(results)
        return self._parts.classifiers(results[0])

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
        try:
            compiled = self._core.compile_model(model, 'CPU', settings)
        except RuntimeError:
            # With AMX there may be no kernel between layers in int8 and in bfloat16.
            if self.precision != 'int8' or not has_bfloat16():
                raise
            settings['INFERENCE_PRECISION_HINT'] = HINTS['float32']
            compiled = self._core.compile_model(model, 'CPU', settings)
        return compiled.create_infer_request()

    def _free(self) -> None:
        self._model = None
        self._requests.clear()
        self._odds_requests.clear()
        self._open_request = self._large_request = None
        self._parts = self._cut = None


def _results(request: Any, values: NDArray[Any]) -> list[NDArray[np.float32]]:
    """Return the first of the batch of each result, in the request's memory.

    They are large, and mostly read once.
    """
    results = request.infer([values], share_inputs=True, share_outputs=True)
    return [result[0] for result in results.values()]


def kept_pixels(memory: int) -> int:
    """Return the limit of the pixels of all compiled sizes.

    Args:
        memory: Bytes of the machine.
    """
    least, most = KEPT_PIXELS
    return max(least, min(most, int(MEMORY_SHARE * memory) // BYTES_PER_PIXEL))


def memory_bytes() -> int:
    """Return the size of the machine's memory."""
    return os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')


def _cut_parts(model: Any, taxonomy: Taxonomy, cut_at: Sequence[str]) -> CutNetwork | None:
    """Return the parts of a network with a cut tree; see `openvino_cut.cut_network`."""
    from hiseg_ros.inference.backends.openvino_cut import cut_network

    return cut_network(model, taxonomy, cut_at)


def _parts(model: Any, taxonomy: Taxonomy) -> DividedModel | None:
    """Return the parts of a network with a tree; see `openvino_tree.divided`."""
    # Imports numba, which may be missing where only `has_bfloat16` is called.
    from hiseg_ros.inference.backends.openvino_tree import divided

    return divided(model, taxonomy)


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
