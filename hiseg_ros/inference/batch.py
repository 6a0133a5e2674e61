# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Several images to labels: the pipeline with one run of the network for a whole batch."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

from hiseg_ros.interfaces import Backend, Decision
from hiseg_ros.pipeline import decided, segment
from hiseg_ros.types import ImageSize, RgbImage, Segmentation, Wanted


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
    for input_size, numbers in numbers_of_size.items():
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
            yield number, decided(
                nodes_of_images[place], rgbs[number], decision, threshold, wanted[number],
                input_size=input_size, preprocess_s=preprocess_s[place], network_s=network_s,
            )  # fmt: skip
