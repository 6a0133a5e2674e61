# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A camera's metrics over time in pieces: mean, smallest and largest value of each."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.reports.replay_page.frame_table import SERIES, FrameTable

MAX_PIECES = 1500
"""Most pieces; a screen has about as many columns, while five minutes are 4500 frames."""


def timeline(table: FrameTable) -> dict[str, Any]:
    """Return the data of the timeline.

    Returns:
        'frames': number of frames. 'first': first row of each piece, and the end. 'from', 'to':
        numbers of its first and last frame. 'time_s': drive time at the start of each piece, and
        the end. 'pause', 'unreadable': pieces with a pause or an unreadable image. 'series': by
        metric 'mean', and 'low' and 'high' if a piece has more than one frame; None where a piece
        has no value. A metric without any value is left out.
    """
    total = len(table)
    count = min(total, MAX_PIECES)
    edges = (np.arange(count + 1) * total) // max(1, count)
    time_s = table.drive_time_s()
    step = float(time_s[-1]) / (total - 1) if total > 1 else 0.0
    end = float(time_s[-1]) + (step or 1.0) if total else 0.0
    return {
        'frames': total,
        'first': edges.tolist(),
        'from': table.frame[edges[:-1]].tolist(),
        'to': table.frame[edges[1:] - 1].tolist(),
        'time_s': [round(float(t), 3) for t in time_s[edges[:-1]]] + [round(end, 3)],
        'pause': _pieces_with(table.is_pause(), edges),
        'unreadable': _pieces_with(~table.is_readable, edges),
        'series': {
            name: _series(table.values[name], edges)
            for name in SERIES
            if not np.isnan(table.values[name]).all()
        },
    }


def _pieces_with(flags: NDArray[np.bool_], edges: NDArray[np.int64]) -> list[int]:
    pieces = np.searchsorted(edges, np.flatnonzero(flags), side='right') - 1
    return np.unique(pieces).tolist()


def _series(values: NDArray[np.float64], edges: NDArray[np.int64]) -> dict[str, Any]:
    pieces = [values[a:b] for a, b in zip(edges[:-1], edges[1:], strict=True)]
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', RuntimeWarning)  # a piece without a value has mean NaN
        metrics = {
            'mean': [float(np.nanmean(piece)) for piece in pieces],
            'low': [float(np.nanmin(piece)) for piece in pieces],
            'high': [float(np.nanmax(piece)) for piece in pieces],
        }
    if len(values) == len(pieces):
        metrics = {'mean': metrics['mean']}
    return {name: [_rounded(value) for value in row] for name, row in metrics.items()}


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 4)
