# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Images of a camera for the page: frames that stand out, then as many others as fit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from hiseg_ros.reports.replay_page.frame_choice import FrameGroup, evenly, frame_groups
from hiseg_ros.reports.replay_page.frame_source import FrameSource, Shot, ShotTopics
from hiseg_ros.reports.replay_page.frame_table import FrameTable
from hiseg_ros.reports.replay_page.layers import Painter

MAX_IMAGES = 100
"""Most frames of all cameras together."""
MIN_IMAGES = 12
"""Frames of each camera if there are many cameras."""
MAX_GROUP = 6
"""Most frames of a group."""
MAX_BYTES = 7_000_000
"""Largest size of all images together; the page should stay below 10 MB."""


def drive_images(
    topics: ShotTopics,
    table: FrameTable,
    painter: Painter,
    source: FrameSource,
    cameras: int,
) -> dict[str, Any]:
    """Return the images of one camera.

    Args:
        topics: Topics of the camera in the bag.
        table: The camera's frames.
        painter: Draws the layers.
        source: The bag.
        cameras: Number of cameras that share MAX_BYTES.

    Returns:
        'images': in order of time, each with 'row' (in the table), 'frame', 'time_s' (drive time),
        'stamp_ns' as text, 'size' [height, width], 'values', 'layers', 'legend'. 'groups': frames
        that stand out, each with 'title', 'series' and 'images', their indices in the list.

    Raises:
        BagError: The bag is damaged.
    """
    share = max(MIN_IMAGES, MAX_IMAGES // cameras)
    room = MAX_BYTES // cameras
    groups = frame_groups(table, min(MAX_GROUP, share // 4))
    time_s = table.drive_time_s()
    found: dict[int, dict[str, Any]] = {}

    def take(rows: Iterable[int], room: int) -> int:
        """Take the images that fit and return the bytes that are left."""
        for row in sorted(set(rows) - set(found)):
            image = _image(topics, table, row, painter, source)
            size = sum(map(len, image['layers'].values()))
            if 0 < size <= room:
                image['time_s'] = round(float(time_s[row]), 3)
                found[row], room = image, room - size
        return room

    left = take({row for group in groups for row in group.rows}, room)
    # Fill the rest with frames at equal distances in the drive.
    average = (room - left) / max(1, len(found))
    count = min(share - len(found), int(left / max(1.0, 1.1 * average)))
    take(evenly(table, count), left)
    rows = sorted(found)
    return {
        'images': [found[row] for row in rows],
        'groups': [_group(group, rows) for group in groups if set(group.rows) & set(rows)],
    }


def _image(
    topics: ShotTopics, table: FrameTable, row: int, painter: Painter, source: FrameSource
) -> dict[str, Any]:
    stamp_ns = int(table.stamp_ns[row])
    shot = source.shot(topics, int(table.time_ns[row]), stamp_ns)
    return {
        'row': row,
        'frame': int(table.frame[row]),
        'stamp_ns': str(stamp_ns),  # has more digits than a number in JavaScript
        'size': _size(shot),
        'values': {
            name: round(float(column[row]), 4)
            for name, column in table.values.items()
            if not np.isnan(column[row])
        },
        'layers': painter.layers(shot),
        'legend': painter.legend(shot),
    }


def _size(shot: Shot) -> list[int]:
    images = (shot.rgb, shot.labels, shot.truth, shot.confidence)
    return next((list(image.shape[:2]) for image in images if image is not None), [0, 0])


def _group(group: FrameGroup, rows: Sequence[int]) -> dict[str, Any]:
    kept = [rows.index(row) for row in group.rows if row in rows]
    return {'title': group.title, 'series': group.series, 'images': kept}
