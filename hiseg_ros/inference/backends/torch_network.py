# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The backends of torch: a step of the network, and the preprocessing before it."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from hiseg_ros.inference.backends.cuda_graph import GraphStep, empty_cache
from hiseg_ros.inference.backends.preparation import Preparation
from hiseg_ros.inference.backends.staging import Staging
from hiseg_ros.inference.backends.torch_step import Step
from hiseg_ros.inference.scaled_input import InputScale
from hiseg_ros.preprocessing import Preprocessing
from hiseg_ros.types import ImageSize, RgbImage


class TorchBackend:
    """A step of the network, and the preprocessing before it.

    Where the step is recorded as CUDA graphs, the preprocessing is too.
    """

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
        """Create the backend.

        Args:
            name: 'eager', 'compile' or 'cuda_graph'.
            step: The network, on the device.
            preprocessing: That of the weights.
            device: CPU or CUDA device.
            precision: 'float32', 'bfloat16' or 'float16'.
            input_height: Shorter side of the network input in pixels; 0 = the weights' rule.
        """
        self._name = name
        self._step: Step | None = step
        self._device = device
        self._precision = precision
        self._preparation = Preparation(preprocessing, device, input_height)
        self._staging = Staging(device) if device.type == 'cuda' else None
        self._prepare: Step = self._preparation
        self._graphs: tuple[GraphStep, ...] = ()
        if isinstance(step, GraphStep):
            self._prepare = recorded = GraphStep(self._preparation, device)
            self._graphs = (recorded, step)

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
        """'float32', 'bfloat16' or 'float16'."""
        return self._precision

    def input_size(self, image_size: ImageSize) -> ImageSize:
        """Return the network's input size for an image size."""
        return self._preparation.input_size(image_size)

    def reduce(self, is_reduced: bool) -> bool:
        """Use a smaller input from the next image on, or no longer."""
        if is_reduced != self._preparation.is_reduced:
            self._preparation.is_reduced = is_reduced
            self.free_cache()  # graphs of the other size would keep their memory
        return True

    def scale_input(self, scale: InputScale) -> bool:
        """Use another input size from the next image on.

        Graphs of the other sizes are kept, up to `cuda_graph.MAX_GRAPHS` of them.
        """
        if scale != self._preparation.scale:
            self._preparation.scale = scale
            if isinstance(self._prepare, GraphStep):
                # Recorded by the size of the image alone, with the input size of that time.
                self._prepare.clear()
        return True

    def free_cache(self) -> None:
        """Drop the graphs, and return memory that torch keeps for later to the device."""
        for graphs in self._graphs:
            graphs.clear()
        if self._device.type == 'cuda':
            empty_cache()

    def prepare(self, rgb: RgbImage) -> torch.Tensor:
        """Return (1, 3, h, w) float32 on the device."""
        with torch.inference_mode():
            if self._staging is None:
                height = self._preparation.height((rgb.shape[0], rgb.shape[1]))
                return self._preparation.preprocessing.prepare(rgb, self._device, height)
            with self._staging.held(rgb) as pixels:
                images = self._prepare(pixels[None])
            # A graph overwrites its result, and a batch is prepared image by image.
            return images.clone() if self._graphs else images

    def node_probabilities(self, images: torch.Tensor) -> torch.Tensor:
        """Return (V, h, w) float32 on the device, complete when this returns.

        Raises:
            RuntimeError: The backend is closed.
        """
        return self._run(images)[0]

    @property
    def batch_pays(self) -> bool:
        """Whether a batch is faster than its images one after the other.

        It is not on a CPU, which one image keeps busy, nor with 'compile': compiling for another
        batch size takes tens of seconds, too long while cameras come and go. Recording a graph
        takes a few runs of the network, once each for 1, 2, 3 to 4, and 5 to 8 images.
        """
        return self._device.type == 'cuda' and self._name != 'compile'

    def batch_probabilities(self, images: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return (N, V, h, w) float32 on the device, complete when this returns.

        Args:
            images: N results of `prepare`, all of one input size.

        Raises:
            RuntimeError: The backend is closed.
        """
        return self._run(torch.cat(list(images)))

    def _run(self, images: torch.Tensor) -> torch.Tensor:
        if self._step is None:
            raise RuntimeError(f'The backend {self._name} is closed; expected an open one.')
        with torch.inference_mode():
            nodes = self._step(images)
        if self._device.type == 'cuda':
            # The stream, not the whole device: another thread may be recording a graph on it.
            torch.cuda.current_stream(self._device).synchronize()
        return nodes

    def close(self) -> None:
        """Free the network's memory; closing twice does no harm."""
        for graphs in self._graphs:
            graphs.clear()
        self._step, self._prepare, self._graphs = None, self._preparation, ()
        if self._staging is not None:
            self._staging.clear()
        self.free_cache()
