# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Curves of the metrics of a replay's frames."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hiseg_ros.errors import BagError
from hiseg_ros.viewer.batches import Batches
from hiseg_ros.viewer.names import BY_LEVEL, metric_path


def log_metrics(
    batches: Batches,
    frames: Path,
    nodes: Sequence[str],
    limits: tuple[float, float],
) -> None:
    """Log confidence, flicker and, with ground truth, scores of each frame.

    Args:
        batches: Collects the curves.
        frames: The file frames.jsonl.
        nodes: Prefix of each camera's results, in the order of metrics.json.
        limits: Recording times in ns from which on, and up to which, frames are shown.

    Raises:
        BagError: The file is damaged.
    """
    for record in _records(frames):
        if not limits[0] <= record['time_ns'] < limits[1]:
            continue
        stamp_ns = int(record['stamp_ns'] or record['time_ns'])
        for name, value in frame_metrics(record):
            path = metric_path(nodes[record['camera']], name)
            batches.add_point(path, stamp_ns, value, name.rpartition('/')[2])


def _records(frames: Path) -> Iterator[dict[str, Any]]:
    try:
        with frames.open() as file:
            for line in file:
                record = json.loads(line)
                if record.get('error') is None:
                    yield record
    except (OSError, ValueError) as error:
        raise BagError(
            f'The file {frames} cannot be read ({error}); expected one record for each frame, as '
            '`hiseg replay` writes them: replay again.'
        ) from error


def frame_metrics(record: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield (name, value) of the metrics of a frame; all are shares in [0, 1]."""
    confidence, stability = record['confidence'], record['stability'] or {}
    scores = record['scores'] or {}
    nodes = scores.get('nodes', {})
    values = {
        'mIoU': nodes.get('miou'),
        'pixel accuracy': nodes.get('pixel_accuracy'),
        'flicker': stability.get('flicker'),
        'low confidence': confidence['low_share'],
        'mean confidence': confidence['mean'],
    }
    for level, row in enumerate(scores.get('nodes_by_level', ()), start=1):
        values[f'{BY_LEVEL}/mIoU, level {level}'] = row['miou']
    for level, value in enumerate(stability.get('flicker_by_level', ()), start=1):
        values[f'{BY_LEVEL}/flicker, level {level}'] = value
    yield from ((name, float(value)) for name, value in values.items() if value is not None)
