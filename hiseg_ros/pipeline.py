# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""One image to labels on one page: preprocessing, network, decision."""

from __future__ import annotations

import time
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.types import (
    EVERYTHING,
    ImageSize,
    LabelImage,
    NodeProbabilities,
    RgbImage,
    Segmentation,
    Wanted,
)


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


def segment(
    rgb: RgbImage,
    backend: Backend,
    decision: Decision,
    *,
    threshold: float = 0.0,
    wanted: Wanted = EVERYTHING,
) -> Segmentation:
    """Segment one image.

    Args:
        rgb: (H, W, 3) uint8.
        backend: Runs the network.
        decision: For the network's tree and the backend's kind of array.
        threshold: Least conditional probability of a child, in [0, 1]; 0 forces leaves.
        wanted: The results to compute.
    """
    started = time.perf_counter()
    images = backend.prepare(rgb)
    prepared = time.perf_counter()
    nodes = backend.node_probabilities(images)
    network_s = time.perf_counter() - prepared
    return decided(
        nodes, rgb, decision, threshold, wanted,
        preprocess_s=prepared - started, network_s=network_s,
    )  # fmt: skip


def decided(
    nodes: Any,
    rgb: RgbImage,
    decision: Decision,
    threshold: float,
    wanted: Wanted,
    *,
    preprocess_s: float,
    network_s: float,
) -> Segmentation:
    """Decide one image's node probabilities.

    Args:
        nodes: (V, h, w) probabilities as the backend returned them.
        rgb: (H, W, 3) uint8, for its size.
        decision: As for `segment`.
        threshold: As for `segment`.
        wanted: As for `segment`.
        preprocess_s: Seconds that the preprocessing took.
        network_s: Seconds that the network took.
    """
    size = (rgb.shape[0], rgb.shape[1])
    started = time.perf_counter()
    labels, confidence, values = decision(nodes, size, threshold, wanted)
    decision_s = time.perf_counter() - started
    return Segmentation(
        labels,
        confidence,
        NodeProbabilities(values, size),
        {
            'preprocess': 1e3 * preprocess_s,
            'network': 1e3 * network_s,
            'decision': 1e3 * decision_s,
        },
    )
