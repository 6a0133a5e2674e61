# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Choice of the frames shown as images: the worst, the best, and some at equal distances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.reports.replay_page.frame_table import FrameTable


@dataclass(frozen=True)
class FrameGroup:
    """Frames that stand out by one metric, the most extreme first."""

    title: str
    series: str
    """The metric, see `frame_table.SERIES`."""
    rows: Sequence[int]
    """Rows of the camera's table."""


def frame_groups(table: FrameTable, count: int) -> tuple[FrameGroup, ...]:
    """Return the groups of a camera: by mIoU if there is ground truth, else by confidence.

    Frames of a group are at least a second apart, in short recordings less, so that they do not
    all show the same moment.

    Args:
        table: The camera's frames.
        count: Most frames of a group.
    """
    plans = [('Most flicker', 'flicker', True)]
    if table.has_truth:
        plans = [('Worst mIoU', 'miou', False), ('Best mIoU', 'miou', True), *plans]
    else:
        plans = [('Least sure', 'confidence', False), ('Surest', 'confidence', True), *plans]
    gap = max(1, min(_frames_per_s(table), len(table) // (4 * max(1, count))))
    return tuple(
        FrameGroup(title, series, _extremes(table.values[series], count, gap, is_largest))
        for title, series, is_largest in plans
    )


def evenly(table: FrameTable, count: int) -> tuple[int, ...]:
    """Return the rows of readable frames at equal distances, first and last included."""
    rows = np.flatnonzero(table.is_readable)
    if not rows.size or count <= 0:
        return ()
    places = np.linspace(0, rows.size - 1, min(count, rows.size))
    return tuple(rows[np.rint(places).astype(np.int64)].tolist())


def _frames_per_s(table: FrameTable) -> int:
    steps = np.diff(table.time_ns)
    usual = float(np.median(steps)) if steps.size else 0.0
    return round(1e9 / usual) if usual > 0 else 1


def _extremes(
    values: NDArray[np.float64], count: int, gap: int, is_largest: bool
) -> tuple[int, ...]:
    known = np.flatnonzero(~np.isnan(values))
    # Stable: of equal values the first, in every run.
    order = known[np.argsort(-values[known] if is_largest else values[known], kind='stable')]
    chosen: list[int] = []
    for row in order.tolist():
        if len(chosen) == count:
            break
        if all(abs(row - other) >= gap for other in chosen):
            chosen.append(row)
    return tuple(chosen)
