# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Logging small values of many frames in batches.

Rerun's log call writes an index entry for each value, and keeps it in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import rerun as rr
from numpy.typing import NDArray

from hiseg_ros.viewer.names import TIMELINE

ROWS = 32
"""Frames in a batch; each batch takes a kilobyte of memory until the file is closed."""

COLORS = (
    (86, 180, 233), (230, 159, 0), (213, 94, 0), (240, 228, 66), (204, 121, 167), (0, 158, 115),
    (0, 114, 178), (200, 200, 200), (140, 90, 60), (150, 130, 255),
)  # fmt: skip
"""Colours of the curves of one plot; the first seven, of Okabe and Ito, can be told apart with a
colour-vision deficiency."""

Value = float | bytes | NDArray[np.uint8]


class Batches:
    """Collects curves and small images by entity, and sends them in batches."""

    def __init__(self, stream: rr.RecordingStream) -> None:
        """Start empty."""
        self._stream = stream
        self._rows: dict[str, list[tuple[int, Value]]] = {}
        self._curves: dict[str, set[str]] = {}

    def add_point(self, path: str, stamp_ns: int, value: float, name: str) -> None:
        """Add a point to a curve; each curve of a group gets its own colour.

        Args:
            path: Path of the entity; its parent is the group.
            stamp_ns: Time on the timeline.
            value: The value.
            name: Name of the curve in the plot.
        """
        group = self._curves.setdefault(path.rpartition('/')[0], set())
        if path not in group:
            line = rr.SeriesLines(names=name, colors=COLORS[len(group) % len(COLORS)])
            self._stream.log(path, line, static=True)
            group.add(path)
        self.add(path, stamp_ns, value)

    def add(self, path: str, stamp_ns: int, value: Value) -> None:
        """Add one value of an entity.

        Args:
            path: Path of the entity.
            stamp_ns: Time on the timeline.
            value: A value of a curve, an image as PNG, or (h, w) uint8 node ids.
        """
        rows = self._rows.setdefault(path, [])
        rows.append((stamp_ns, value))
        if len(rows) == ROWS:
            self._send(path)

    def flush(self) -> None:
        """Send all incomplete batches."""
        for path in list(self._rows):
            self._send(path)

    def _send(self, path: str) -> None:
        rows = self._rows.pop(path)
        stamps = np.array([stamp for stamp, _ in rows], 'datetime64[ns]')
        columns = _columns([value for _, value in rows])
        self._stream.send_columns(path, [rr.TimeColumn(TIMELINE, timestamp=stamps)], columns)


def _columns(values: Sequence[Any]) -> Iterable[Any]:
    """Return values of one type as Rerun columns."""
    if isinstance(values[0], bytes):
        blobs = [np.frombuffer(value, np.uint8) for value in values]
        return rr.EncodedImage.columns(blob=blobs, media_type=['image/png'] * len(blobs))
    if isinstance(values[0], np.ndarray):
        formats = [
            rr.components.ImageFormat(
                width=labels.shape[1], height=labels.shape[0], channel_datatype='U8'
            )
            for labels in values
        ]
        buffers = [labels.reshape(-1) for labels in values]
        return rr.SegmentationImage.columns(buffer=buffers, format=formats)
    return rr.Scalars.columns(scalars=values)
