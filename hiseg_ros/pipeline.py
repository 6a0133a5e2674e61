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
    """What runs the network: a camera image in, node probabilities on the grid out.

    What it hands from one step to the next are arrays of its own kind, on its device.
    """

    @property
    def name(self) -> str:
        """Such as 'eager'."""

    @property
    def device(self) -> str:
        """Such as 'cpu' or 'cuda:0'."""

    @property
    def precision(self) -> str:
        """Of the convolutions, such as 'float32' or 'int8'; probabilities are float32."""

    def input_size(self, image_size: ImageSize) -> ImageSize:
        """Return the network's input size for an image size."""

    def prepare(self, rgb: RgbImage) -> Any:
        """Return the network's input for one (H, W, 3) uint8 image."""

    def node_probabilities(self, images: Any) -> Any:
        """Return (V, h, w) float32 for what `prepare` returned; valid until the next call."""

    def close(self) -> None:
        """Free the device; nothing can be run afterwards."""


@runtime_checkable
class BatchBackend(Backend, Protocol):
    """A backend that can run several images at once; an option, others take them one by one."""

    @property
    def batch_pays(self) -> bool:
        """Whether a batch takes less time than its images one after the other, as on a GPU."""

    def batch_probabilities(self, images: Sequence[Any]) -> Sequence[Any]:
        """Return (V, h, w) float32 for each; valid until the next call.

        Args:
            images: What `prepare` returned, all for one input size.
        """


class Decision(Protocol):
    """What turns a backend's node probabilities into images."""

    def __call__(
        self, nodes: Any, size: ImageSize, threshold: float, wanted: Wanted
    ) -> tuple[LabelImage, NDArray[np.uint8], NDArray[np.float32]]:
        """Return labels (H, W), confidence (H, W), and the (V, h, w) probabilities.

        They are in memory of their own, and have no elements where they are not wanted.
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
        backend: With the network.
        decision: Of the network's tree, for this backend's kind of array.
        threshold: Least conditional probability of a child, in [0, 1]; 0 forces leaves.
        wanted: The results to make.
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
    """Segment several images, of any sizes; each comes out as soon as it is decided.

    Images with one network input size run as one batch where the backend can. The time of the
    network is then that of the batch: what each of its images waited for.

    Args:
        rgbs: (H, W, 3) uint8 each.
        backend: With the network.
        decision: Of the network's tree, for this backend's kind of array.
        threshold: Least conditional probability of a child, in [0, 1]; 0 forces leaves.
        wanted: The results to make of each image.

    Yields:
        An image's position and its segmentation, those of one input size together.
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
