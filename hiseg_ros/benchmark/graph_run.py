# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Metrics of one run of the node in a ROS graph, from what the cameras sent and received."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.benchmark.machine import peak_mib
from hiseg_ros.benchmark.nvml import Gpu
from hiseg_ros.benchmark.spread import Spread

LABELS = 'labels'
"""The node's output whose images are compared with the reference."""


@dataclass
class Run:
    """What was recorded in one run; keys are the stamps of images in ns."""

    sent: dict[int, float] = field(default_factory=dict)
    """When the image was sent, in seconds of the steady clock."""
    arrived: dict[int, dict[str, float]] = field(default_factory=dict)
    """When each result arrived, by name, in seconds of the steady clock."""
    stats: list[Any] = field(default_factory=list)
    """The FrameStats messages of the node."""
    image: dict[int, int] = field(default_factory=dict)
    """Index of the image."""
    labels: dict[int, Any] = field(default_factory=dict)
    """The first message with labels, by index of the image."""


def summary(
    run: Run,
    results: Sequence[str],
    cores_s: float,
    process_id: int,
    reference: NDArray[np.uint8] | None = None,
) -> dict[str, Any]:
    """Return the metrics of a run; see `ros.benchmark.run.measure`.

    Args:
        run: What was recorded.
        results: Names of the outputs; an image is complete with all of them.
        cores_s: CPU time of the node in seconds.
        process_id: Process id of the node.
        reference: (N, H, W) uint8 labels of the images.
    """
    latencies, ends = [], []
    for stamp, found in run.arrived.items():
        if len(found) == len(results):
            ends.append(max(found.values()))
            latencies.append(1e3 * (ends[-1] - run.sent[stamp]))
    began = min(run.sent.values())
    elapsed = max([*ends, *run.sent.values()]) - began
    engine = [s.preprocess_ms + s.network_ms + s.decision_ms for s in run.stats]
    around = [s.total_ms - s.queue_ms - e for s, e in zip(run.stats, engine, strict=True)]
    heights = [min(s.input_height, s.input_width) for s in run.stats]
    latency = Spread.of(latencies)
    device = run.stats[-1].device if run.stats else ''
    return {
        'backend': run.stats[-1].backend if run.stats else '',
        'device': device,
        'batched': any(stats.batch_size > 1 for stats in run.stats),
        'images': len(run.sent),
        'frames_per_s': round(len(latencies) / elapsed, 2) if elapsed > 0 else 0.0,
        'lost': round(1 - len(latencies) / len(run.sent), 4),
        'latency_ms': vars(latency) if latency else None,
        'engine_ms': round(statistics.median(engine), 2) if engine else None,
        'overhead_ms': round(statistics.median(around), 2) if around else None,
        'network_heights': [min(heights), max(heights)] if heights else None,
        'cores': round(cores_s / elapsed, 2) if elapsed > 0 else None,
        'host_peak_mib': peak_mib(process_id),
        'device_used_mib': Gpu(device).used_mib(),
        'labels_equal_to_reference': _agreement(run, reference),
    }


def _agreement(run: Run, reference: NDArray[np.uint8] | None) -> float | None:
    """Return the share of pixels with the label of the reference; None without labels."""
    if reference is None or not run.labels:
        return None
    equal = [
        np.frombuffer(message.data, np.uint8).reshape(reference.shape[1:]) == reference[image]
        for image, message in run.labels.items()
    ]
    return round(float(np.mean(equal)), 5)
