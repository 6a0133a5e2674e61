# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The interfaces between the steps of the pipeline: backend and decision."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.types import ImageSize, LabelImage, RgbImage, Wanted


class Backend(Protocol):
    """Runs the network: a camera image in, node probabilities on the grid out.

    What `prepare` and `node_probabilities` return are arrays of the backend's own kind, on its
    device.
    """

    @property
    def name(self) -> str:
        """Name, such as 'eager'."""

    @property
    def device(self) -> str:
        """Device, such as 'cpu' or 'cuda:0'."""

    @property
    def precision(self) -> str:
        """Precision of the convolutions, such as 'float32'; probabilities are float32."""

    def input_size(self, image_size: ImageSize) -> ImageSize:
        """Return the network's input size for an image size."""

    def prepare(self, rgb: RgbImage) -> Any:
        """Return the network's input for one (H, W, 3) uint8 image."""

    def node_probabilities(self, images: Any) -> Any:
        """Return (V, h, w) float32 for what `prepare` returned; valid until the next call."""

    def close(self) -> None:
        """Free the device's memory; the backend cannot be used afterwards."""


@runtime_checkable
class SparseBackend(Backend, Protocol):
    """A backend that computes less where not all results are wanted; an option."""

    def needed_probabilities(self, images: Any, wanted: Wanted) -> Any:
        """Return `node_probabilities` where wanted results depend on them, elsewhere anything."""


def needed_probabilities(backend: Backend, images: Any, wanted: Wanted) -> Any:
    """Return node probabilities, only where wanted results depend on them if that costs less."""
    if isinstance(backend, SparseBackend):
        return backend.needed_probabilities(images, wanted)
    return backend.node_probabilities(images)


class Decision(Protocol):
    """Turns a backend's node probabilities into images of labels and confidence."""

    def __call__(
        self, nodes: Any, size: ImageSize, threshold: float, wanted: Wanted
    ) -> tuple[LabelImage, NDArray[np.uint8], NDArray[np.float32]]:
        """Decide a node for every pixel.

        Args:
            nodes: Result of the backend's `node_probabilities`.
            size: (H, W) of the camera image.
            threshold: Least conditional probability of a child, in [0, 1]; 0 forces leaves.
            wanted: The results to compute.

        Returns:
            Labels (H, W), confidence (H, W) and probabilities (V, h, w), in new memory; those
            that are not wanted have no elements.
        """
