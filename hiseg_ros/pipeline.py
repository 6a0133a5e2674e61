# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""One image to labels on one page: preprocessing, network, decision."""

from __future__ import annotations

import time
from typing import Any

from hiseg_ros.interfaces import Backend, Decision, needed_probabilities
from hiseg_ros.types import (
    EVERYTHING,
    ImageSize,
    NodeProbabilities,
    RgbImage,
    Segmentation,
    Wanted,
)


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
    nodes = needed_probabilities(backend, images, wanted)
    network_s = time.perf_counter() - prepared
    return decided(
        nodes, rgb, decision, threshold, wanted,
        input_size=backend.input_size((rgb.shape[0], rgb.shape[1])),
        preprocess_s=prepared - started, network_s=network_s,
    )  # fmt: skip


def decided(
    nodes: Any,
    rgb: RgbImage,
    decision: Decision,
    threshold: float,
    wanted: Wanted,
    *,
    input_size: ImageSize,
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
        input_size: (h, w) of the network's input, in pixels.
        preprocess_s: Seconds that the preprocessing took.
        network_s: Seconds that the network took.
    """
    size = (rgb.shape[0], rgb.shape[1])
    started = time.perf_counter()
    labels, confidence, values = decision(nodes, size, threshold, wanted)
    return Segmentation(
        labels,
        confidence,
        NodeProbabilities(values, size),
        {
            'preprocess': 1e3 * preprocess_s,
            'network': 1e3 * network_s,
            'decision': 1e3 * (time.perf_counter() - started),
        },
        input_size,
    )
