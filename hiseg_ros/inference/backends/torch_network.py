# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The torch back-ends: the reference, compiled, and recorded as a CUDA graph."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np
import torch

from hiseg_ros.errors import ConfigError, DeviceError
from hiseg_ros.inference.reduced_input import reduced_height
from hiseg_ros.model.network import HierarchicalNetwork
from hiseg_ros.preprocessing import Preprocessing
from hiseg_ros.types import ImageSize, RgbImage

Step = Callable[[torch.Tensor], torch.Tensor]
"""(1, 3, h, w) normalised float32 to (1, V, h / stride, w / stride) float32."""

MAX_GRAPHS = 4
"""CUDA graphs kept, one per input size; each holds the memory of all features."""

WARM_UP_RUNS = 3
"""Before a graph is recorded: libraries choose their kernels and reserve memory in these."""


class TorchBackend:
    """A step of torch with the preprocessing around it."""

    def __init__(
        self,
        name: str,
        step: Step,
        preprocessing: Preprocessing,
        *,
        device: torch.device,
        precision: str,
        input_height: int,
    ) -> None:
        """Keep the step, which must be on the device."""
        self._name = name
        self._step: Step | None = step
        self._preprocessing = preprocessing
        self._device = device
        self._precision = precision
        self._input_height = input_height
        self._is_reduced = False
        self._staging = Staging(device) if device.type == 'cuda' else None

    @property
    def name(self) -> str:
        """'eager', 'compile' or 'cuda_graph'."""
        return self._name

    @property
    def device(self) -> str:
        """Device in use, such as 'cpu' or 'cuda:0'."""
        return str(self._device)

    @property
    def precision(self) -> str:
        """'float32' or 'bfloat16'."""
        return self._precision

    def input_size(self, image_size: ImageSize) -> ImageSize:
        """Return the network's input size for an image size."""
        return self._preprocessing.input_size(image_size, self._height(image_size))

    def _height(self, image_size: ImageSize) -> int:
        """Return the shorter side of the network's input; 0 for the weights' rule."""
        if not self._is_reduced:
            return self._input_height
        usual = self._preprocessing.input_size(image_size, self._input_height)
        return reduced_height(usual, self._preprocessing.multiple)

    def reduce(self, is_reduced: bool) -> bool:
        """Use a smaller input from the next image on, or no longer."""
        self._is_reduced = is_reduced
        return True

    def free_cache(self) -> None:
        """Give the memory that torch keeps for later back to the device."""
        if self._device.type == 'cuda':
            torch.cuda.empty_cache()

    def prepare(self, rgb: RgbImage) -> torch.Tensor:
        """Return (1, 3, h, w) float32 on the device."""
        height = self._height((rgb.shape[0], rgb.shape[1]))
        with torch.inference_mode():
            if self._staging is None:
                return self._preprocessing.prepare(rgb, self._device, height)
            pixels = self._staging.on_device(rgb)
            return self._preprocessing.prepare_pixels(pixels, height)

    def node_probabilities(self, images: torch.Tensor) -> torch.Tensor:
        """Return (V, h, w) float32 on the device, complete when this returns.

        Raises:
            RuntimeError: The back-end is closed.
        """
        return self._run(images)[0]

    @property
    def batch_pays(self) -> bool:
        """Whether a batch takes less time than its images one after the other.

        A CPU is busy with one image, and the other back-ends prepare anew for each size of batch.
        """
        return self._device.type == 'cuda' and self._name == 'eager'

    def batch_probabilities(self, images: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return (N, V, h, w) float32 on the device, complete when this returns.

        Args:
            images: N of what `prepare` returned, all for one input size.

        Raises:
            RuntimeError: The back-end is closed.
        """
        return self._run(torch.cat(list(images)))

    def _run(self, images: torch.Tensor) -> torch.Tensor:
        if self._step is None:
            raise RuntimeError(f'The back-end {self._name} is closed; expected an open one.')
        with torch.inference_mode():
            nodes = self._step(images)
        if self._device.type == 'cuda':
            torch.cuda.synchronize(self._device)
        return nodes

    def close(self) -> None:
        """Give the network's memory back; closing twice does no harm."""
        self._step = None
        self.free_cache()


class Staging:
    """Memory that a device reads by itself, one piece per image size: one copy a frame."""

    def __init__(self, device: torch.device) -> None:
        """Keep the device; memory is taken at the first image of each size."""
        self._device = device
        self._pinned: OrderedDict[tuple[int, ...], torch.Tensor] = OrderedDict()

    def on_device(self, rgb: RgbImage) -> torch.Tensor:
        """Return an image's (H, W, 3) uint8 pixels on the device.

        The copy is complete only in the device's order of work; the image may change at once.
        """
        pinned = self._pinned.get(rgb.shape)
        if pinned is None:
            while len(self._pinned) >= MAX_GRAPHS:
                self._pinned.popitem(last=False)
            on_gpu = self._device.type == 'cuda'
            pinned = torch.empty(rgb.shape, dtype=torch.uint8, pin_memory=on_gpu)
            self._pinned[rgb.shape] = pinned
        elif self._device.type == 'cuda':
            # The copy before may still be reading.
            torch.cuda.synchronize(self._device)
        self._pinned.move_to_end(rgb.shape)
        np.copyto(pinned.numpy(), rgb)
        return pinned.to(self._device, non_blocking=True)


def eager_step(network: HierarchicalNetwork, precision: str) -> Step:
    """Return the network as it was trained; in bfloat16 its convolutions alone are."""
    if precision == 'float32':
        return lambda images: network.node_probabilities(network(images))

    def half(images: torch.Tensor) -> torch.Tensor:
        # Weights are cast again at every call: a cache of casts must not outlive a CUDA graph.
        with torch.autocast(images.device.type, torch.bfloat16, cache_enabled=False):
            leaves = network.head_output(images).leaf_probabilities
        return network.node_probabilities(leaves)

    return half


def compiled_step(step: Step) -> Step:
    """Return the step compiled for every input size it meets, at the first image of that size.

    What was compiled stays in torch's cache folder (TORCHINDUCTOR_CACHE_DIR), by code, weights'
    shapes, input size and device, for the next process.
    """
    compiled: Step = torch.compile(step, dynamic=False)

    def run(images: torch.Tensor) -> torch.Tensor:
        try:
            return compiled(images)
        except torch._dynamo.exc.BackendCompilerFailed as problem:
            reason = ' '.join(str(problem).split())[:200]
            raise ConfigError(
                f"Back-end 'compile' cannot compile the network here ({reason}); expected a C++ "
                "compiler on the machine: install g++ or choose backend 'eager'."
            ) from problem

    return run


class GraphStep:
    """A step recorded as one CUDA graph per input size: its kernels start without Python."""

    def __init__(self, step: Step, device: torch.device) -> None:
        """Keep the step; it is recorded at the first image of each size.

        Raises:
            DeviceError: The device is not a CUDA device.
        """
        if device.type != 'cuda':
            raise DeviceError(
                f"Back-end 'cuda_graph' runs on CUDA devices only, and the device is '{device}'; "
                "expected 'cuda' or 'cuda:N': choose backend 'eager' or 'compile' on the CPU."
            )
        self._step = step
        self._device = device
        self._graphs: OrderedDict[
            tuple[int, ...], tuple[torch.cuda.CUDAGraph, torch.Tensor, torch.Tensor]
        ] = OrderedDict()

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Return the step's result, in memory that the next call writes over."""
        shape = tuple(images.shape)
        if shape not in self._graphs:
            while len(self._graphs) >= MAX_GRAPHS:
                self._graphs.popitem(last=False)
            self._graphs[shape] = self._record(images)
        self._graphs.move_to_end(shape)
        graph, source, result = self._graphs[shape]
        with torch.cuda.device(self._device):
            source.copy_(images)
            graph.replay()
        return result

    def _record(
        self, images: torch.Tensor
    ) -> tuple[torch.cuda.CUDAGraph, torch.Tensor, torch.Tensor]:
        """Return the graph with the memory it reads and the memory it writes."""
        source = images.clone()  # keeps channels last
        with torch.cuda.device(self._device):
            beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            beside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(beside):
                for _ in range(WARM_UP_RUNS):
                    self._step(source)
            torch.cuda.current_stream().wait_stream(beside)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                result = self._step(source)
        return graph, source, result
