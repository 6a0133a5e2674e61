# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Base of the backends that run exported files: input size, input bytes, and closing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import CheckpointError, HisegError, reason_of
from hiseg_ros.inference.backends.camera_image import network_bytes
from hiseg_ros.inference.device_faults import device_faults
from hiseg_ros.inference.exported_input import ExportedInput
from hiseg_ros.inference.scaled_input import InputScale
from hiseg_ros.types import ImageSize, RgbImage


class ExportedBackend(ABC):
    """Runs an exported network on (1, h, w, 3) uint8: normalisation is part of the network."""

    name: str
    device: str
    precision: str

    def __init__(self, path: Path, inputs: ExportedInput) -> None:
        """Create the backend.

        Args:
            path: The opened file, for error messages.
            inputs: The rule for its input size.
        """
        self._file = path
        self._inputs = inputs
        self._is_open = True
        self.planes_expected = 0
        """Planes that the output must have; 0 for any number."""

    def input_size(self, image_size: ImageSize) -> ImageSize:
        """Return the network's input size for an image size."""
        return self._inputs.size(image_size)

    def reduce(self, is_reduced: bool) -> bool:
        """Use a smaller input from the next image on, or no longer; False where it is fixed."""
        self._inputs = replace(self._inputs, is_reduced=is_reduced)
        return self._inputs.fixed is None

    def scale_input(self, scale: InputScale) -> bool:
        """Use another input size from the next image on; False where it is fixed."""
        self._inputs = replace(self._inputs, scale=scale)
        return self._inputs.fixed is None

    def prepare(self, rgb: RgbImage) -> NDArray[np.uint8]:
        """Return (1, h, w, 3) uint8."""
        return network_bytes(rgb, self.input_size((rgb.shape[0], rgb.shape[1])))

    def node_probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (V, h, w) float32 for what `prepare` returned; valid until the next call.

        Raises:
            DeviceError: The runtime cannot compile for this size.
            CheckpointError: The file's output is no grid of probabilities, has another number of
                planes than its tree, or cannot be computed.
            RuntimeError: The backend is closed.
        """
        return self._checked(self._run, images)

    def _checked(
        self, run: Callable[[NDArray[np.uint8]], NDArray[np.float32]], images: NDArray[np.uint8]
    ) -> NDArray[np.float32]:
        """Return what `run` returns for some images; raise as `node_probabilities`."""
        if not self._is_open:
            raise RuntimeError(f'The backend {self.name} is closed; expected an open one.')
        try:
            with device_faults(self.device):
                nodes = run(images)
        except HisegError:
            raise
        except Exception as problem:  # the runtimes' errors share no family
            raise CheckpointError(
                f'{self._file} cannot be run on an input of {images.shape[1]} x {images.shape[2]} '
                f'pixels ({reason_of(problem)}); expected a file written by `hiseg export`.'
            ) from problem
        self._check_output(nodes)
        return nodes

    def _check_output(self, nodes: object) -> None:
        is_grid = isinstance(nodes, np.ndarray) and nodes.ndim == 3 and 0 not in nodes.shape
        if is_grid and isinstance(nodes, np.ndarray) and nodes.dtype == np.float32:
            if self.planes_expected in (0, len(nodes)):
                return
        found = f'{nodes.shape} {nodes.dtype}' if isinstance(nodes, np.ndarray) else type(nodes)
        raise CheckpointError(
            f'{self._file} puts out {found} for an image; expected '
            f'({self.planes_expected or "V"}, h, w) float32, one plane for each node of its '
            'tree: export the network again with `hiseg export`.'
        )

    def close(self) -> None:
        """Free the network; closing twice does no harm."""
        self._is_open = False
        self._free()

    @abstractmethod
    def _run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return what `node_probabilities` returns."""

    @abstractmethod
    def _free(self) -> None:
        """Drop all objects of the runtime; may be called again."""
