# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The metrics of all frames as columns, one table per camera."""

from __future__ import annotations

import json
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SERIES = ('miou', 'accuracy', 'confidence', 'low_share', 'flicker')
"""Metrics of a frame, all in [0, 1]; mIoU and accuracy are of the node labels against ground
truth."""

PAUSE_S = 1.0
"""Gaps between frames longer than this, and than five median ones, are cut out of the timeline."""


@dataclass(frozen=True)
class FrameTable:
    """All N frames of a camera, in the order of the recording."""

    frame: NDArray[np.int64]
    """(N,) number among the frames of all cameras."""
    time_ns: NDArray[np.int64]
    """(N,) recording time."""
    stamp_ns: NDArray[np.int64]
    """(N,) header stamp; -1 for an image that could not be decoded."""
    values: dict[str, NDArray[np.float64]]
    """(N,) by name in `SERIES`; NaN where there is no value."""

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.frame)

    @property
    def is_readable(self) -> NDArray[np.bool_]:
        """(N,) whether the image could be decoded."""
        return self.stamp_ns >= 0

    @property
    def has_truth(self) -> bool:
        """Whether any frame has scores."""
        return not bool(np.isnan(self.values['miou']).all())

    def index_of(self, frame: int) -> int:
        """Return the row of a frame by its number."""
        return int(np.searchsorted(self.frame, frame))

    def is_pause(self) -> NDArray[np.bool_]:
        """Return (N,) whether there is a pause before the frame."""
        return np.append([False], np.diff(self.time_ns) / 1e9 > self._pause_s())[: len(self)]

    def drive_time_s(self) -> NDArray[np.float64]:
        """Return (N,) seconds since the first frame; a pause counts as one median step."""
        steps = np.diff(self.time_ns) / 1e9
        usual = float(np.median(steps)) if steps.size else 0.0
        steps = np.where(steps > self._pause_s(), usual, steps)
        return np.concatenate([[0.0], np.cumsum(steps)])[: len(self)]

    def _pause_s(self) -> float:
        steps = np.diff(self.time_ns) / 1e9
        return max(PAUSE_S, 5 * float(np.median(steps))) if steps.size else PAUSE_S


def read_tables(path: Path, cameras: int) -> tuple[FrameTable, ...]:
    """Read frames.jsonl line by line.

    Raises:
        OSError: It is missing.
        KeyError, TypeError, ValueError: It is damaged.
    """
    numbers = [(array('q'), array('q'), array('q')) for _ in range(cameras)]
    values = [{name: array('d') for name in SERIES} for _ in range(cameras)]
    with path.open() as file:
        for line in file:
            row = json.loads(line)
            camera, stamp_ns = row['camera'], row['stamp_ns']
            whole = (row['frame'], row['time_ns'], -1 if stamp_ns is None else stamp_ns)
            for column, number in zip(numbers[camera], whole, strict=True):
                column.append(number)
            for name, value in _values(row).items():
                values[camera][name].append(np.nan if value is None else value)
    return tuple(
        FrameTable(
            np.array(frame),
            np.array(time_ns),
            np.array(stamp_ns),
            {name: np.array(column) for name, column in one.items()},
        )
        for (frame, time_ns, stamp_ns), one in zip(numbers, values, strict=True)
    )


def _values(row: dict[str, Any]) -> dict[str, float | None]:
    """Return a frame's metrics; None without ground truth, a frame before or the image."""
    scores = (row.get('scores') or {}).get('nodes', {})
    confidence = row.get('confidence') or {}
    return {
        'miou': scores.get('miou'),
        'accuracy': scores.get('pixel_accuracy'),
        'confidence': confidence.get('mean'),
        'low_share': confidence.get('low_share'),
        'flicker': (row.get('stability') or {}).get('flicker'),
    }
