# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Image to labels on one page: preprocessing, network, decision."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

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


@runtime_checkable
class BatchBackend(Backend, Protocol):
    """A backend that can run several images as one batch."""

    @property
    def batch_pays(self) -> bool:
        """Whether a batch is faster than its images one after the other, as on a GPU."""

    def batch_probabilities(self, images: Sequence[Any]) -> Sequence[Any]:
        """Return (V, h, w) float32 for each; valid until the next call.

        Args:
            images: Results of `prepare`, all of one input size.
        """


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
    return _decided(
        nodes, rgb, decision, threshold, wanted,
        preprocess_s=prepared - started, network_s=network_s,
    )  # fmt: skip


def segment_batch(
    rgbs: Sequence[RgbImage],
    backend: Backend,
    decision: Decision,
    *,
    threshold: float = 0.0,
    wanted: Sequence[Wanted],
) -> Iterator[tuple[int, Segmentation]]:
    """Segment several images of any sizes; each is yielded as soon as it is decided.

    Images of one network input size run as one batch where the backend supports that. Each of
    them then has the time of the whole batch as its network time.

    Args:
        rgbs: (H, W, 3) uint8 each.
        backend: Runs the network.
        decision: For the network's tree and the backend's kind of array.
        threshold: Least conditional probability of a child, in [0, 1]; 0 forces leaves.
        wanted: The results to compute for each image.

    Yields:
        Position and segmentation of each image, grouped by input size.
    """
    numbers_of_size: dict[ImageSize, list[int]] = {}
    for number, rgb in enumerate(rgbs):
        size = backend.input_size((rgb.shape[0], rgb.shape[1]))
        numbers_of_size.setdefault(size, []).append(number)
    for numbers in numbers_of_size.values():
        if len(numbers) == 1 or not isinstance(backend, BatchBackend):
            for number in numbers:
                yield (
                    number,
                    segment(
                        rgbs[number], backend, decision, threshold=threshold, wanted=wanted[number]
                    ),
                )
            continue
        prepared, preprocess_s = [], []
        for number in numbers:
            started = time.perf_counter()
            prepared.append(backend.prepare(rgbs[number]))
            preprocess_s.append(time.perf_counter() - started)
        started = time.perf_counter()
        nodes_of_images = backend.batch_probabilities(prepared)
        network_s = time.perf_counter() - started
        for place, number in enumerate(numbers):
            yield number, _decided(
                nodes_of_images[place], rgbs[number], decision, threshold, wanted[number],
                preprocess_s=preprocess_s[place], network_s=network_s,
            )  # fmt: skip


def _decided(
    nodes: Any,
    rgb: RgbImage,
    decision: Decision,
    threshold: float,
    wanted: Wanted,
    *,
    preprocess_s: float,
    network_s: float,
) -> Segmentation:
    """Decide an image's node probabilities."""
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
