# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Latency, drops and rates of a running node, computed from its recording."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.replay.summary import MAX_LATENCY_MS, rate_hz

MAX_PIECES = 120
"""Most pieces of time that the metrics over time are computed for."""

STEPS_S = (0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
"""Possible lengths of a piece; those of recordings of more than five days are longer."""


@dataclass(frozen=True)
class LiveData:
    """Stamps and times of one camera's images and results, both by ascending stamp."""

    image_stamps: NDArray[np.int64]
    image_times: NDArray[np.int64]
    """(N,) header stamps and recording times of the images, in ns."""
    label_stamps: NDArray[np.int64]
    label_times: NDArray[np.int64]
    """(M,) header stamps and recording times of the labels, in ns."""
    stage_ms: Mapping[str, NDArray[np.float64]]
    """(K,) milliseconds by stage, from FrameStats; empty where there are none."""
    drops: Mapping[str, int]
    """Dropped images by cause, as the node counted them between its first and last report."""

    @property
    def is_live(self) -> bool:
        """Whether images and labels have recording times of their own.

        An offline replay writes both with the same one.
        """
        _, image, label = np.intersect1d(
            self.image_stamps, self.label_stamps, assume_unique=True, return_indices=True
        )
        return bool((self.image_times[image] != self.label_times[label]).any())


def live_metrics(data: LiveData) -> dict[str, Any]:
    """Return the metrics in the form of metrics.json; docs/replay.md describes each key."""
    images, labels = data.image_stamps, data.label_stamps
    _, image, label = np.intersect1d(images, labels, assume_unique=True, return_indices=True)
    is_missed = np.ones(len(images), bool)
    is_missed[image] = False
    inside = is_missed[image[0] : image[-1] + 1]
    latency = (data.label_times - labels) / 1e6
    behind = np.full(len(labels), np.nan)
    behind[label] = (data.label_times[label] - data.image_times[image]) / 1e6
    is_one_clock = bool(0 <= np.median(latency) <= MAX_LATENCY_MS)
    arrivals = np.sort(data.label_times)
    stages = {name: spread(column) for name, column in data.stage_ms.items()}
    return {
        'images': len(images),
        'results': len(labels),
        'results_without_image': len(labels) - len(label),
        'dropped': {
            'images': len(inside),
            'count': int(inside.sum()),
            'share': round(int(inside.sum()) / len(inside), 6),
            'longest_run': _longest_run(inside),
            'before_first_result': int(image[0]),
            'after_last_result': len(images) - int(image[-1]) - 1,
            'by_cause': dict(data.drops) or None,
        },
        'is_one_clock': is_one_clock,
        'latency_ms': spread(latency),
        'behind_image_ms': spread(behind),
        'image_latency_ms': spread((data.image_times - images) / 1e6),
        'stages_ms': {name: row for name, row in stages.items() if row is not None} or None,
        'rate_hz': rate_hz(labels.tolist()),
        'image_rate_hz': rate_hz(images.tolist()),
        'interval_ms': spread(np.diff(arrivals) / 1e6),
        'over_time': _over_time(data, latency if is_one_clock else behind, is_missed),
    }


def spread(values: NDArray[np.float64]) -> dict[str, float] | None:
    """Return median, 95th and 99th percentile and maximum of the finite values, if any."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return None
    median, p95, p99 = np.percentile(finite, [50, 95, 99]).tolist()
    found = {'median': median, 'p95': p95, 'p99': p99, 'max': float(finite.max())}
    return {name: round(value, 3) for name, value in found.items()}


def _longest_run(flags: NDArray[np.bool_]) -> int:
    """Return the length of the longest run of set flags."""
    ends = np.flatnonzero(~np.concatenate([[False], flags, [False]]))
    return int(np.diff(ends).max()) - 1


def _over_time(
    data: LiveData, latency: NDArray[np.float64], is_missed: NDArray[np.bool_]
) -> dict[str, Any]:
    """Return the metrics of pieces of time of equal length, by recording time."""
    start = min(int(data.image_times.min()), int(data.label_times.min()))
    end = max(int(data.image_times.max()), int(data.label_times.max()))
    duration_s = (end - start) / 1e9
    step_s = next((s for s in STEPS_S if duration_s < s * MAX_PIECES), None)
    step_s = step_s or 3600 * math.ceil((duration_s + 1) / 3600 / MAX_PIECES)
    count = int(duration_s / step_s) + 1
    piece_of_image = ((data.image_times - start) / 1e9 / step_s).astype(int)
    piece_of_label = ((data.label_times - start) / 1e9 / step_s).astype(int)
    rows = [spread(latency[piece_of_label == piece]) for piece in range(count)]
    return {
        'start_ns': start,
        'step_s': step_s,
        'images': np.bincount(piece_of_image, minlength=count).tolist(),
        'without_result': np.bincount(piece_of_image[is_missed], minlength=count).tolist(),
        'results': np.bincount(piece_of_label, minlength=count).tolist(),
        **{
            f'latency_{name}_ms': [None if row is None else row[name] for row in rows]
            for name in ('median', 'p95', 'max')
        },
    }
