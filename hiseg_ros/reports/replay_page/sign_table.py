# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Rows of the table of signs: type, time of the sightings, votes and a crop of the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from hiseg_ros.reports.replay_page.frame_source import FrameSource
from hiseg_ros.reports.replay_page.frame_table import FrameTable
from hiseg_ros.reports.replay_page.layers import hex_color, shrunk, webp
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.types import RgbImage

MAX_ROWS = 200
"""Most rows of all cameras together; the tracks with most sightings are shown."""

MARGIN = 0.3
"""Margin around a sign, as a share of its longer side."""
CROP, SMALLEST, QUALITY = 112, 72, 78
"""Largest longer side of a crop in pixels, that below which it is enlarged, and WebP quality."""


@dataclass(frozen=True)
class Vote:
    """Votes of a sign for one type."""

    name: str
    frames: int
    """Frames in which the type had the largest vote."""
    share: float
    """Share of all votes, in [0, 1]."""


@dataclass(frozen=True)
class SignRow:
    """One tracked sign."""

    track: int
    name: str
    color: str
    """'#rrggbb' of its type."""
    crop: str | None
    """Crop as a data URI; None if the bag was written without camera images."""
    crop_size: tuple[int, int]
    """(width, height) of the crop."""
    first_s: float
    """Drive time of the first sighting, in seconds."""
    last_s: float
    first_frame: int
    last_frame: int
    sightings: int
    score: float
    """Score of its best sighting."""
    best_row: int
    """Row of that sighting's frame in the camera's table."""
    votes: Sequence[Vote]
    """Most votes first."""


def sign_rows(
    camera: dict[str, Any],
    table: FrameTable,
    taxonomy: Taxonomy,
    source: FrameSource,
    count: int,
) -> tuple[SignRow, ...]:
    """Return the signs of a camera, in the order of their first sighting.

    Args:
        camera: The camera's part of metrics.json.
        table: The camera's frames.
        taxonomy: The label tree.
        source: The bag with its images.
        count: Most rows.

    Raises:
        BagError: The bag is damaged.
    """
    tracks = sorted(camera['sign_tracks'], key=lambda t: (-t['sightings'], t['track']))[:count]
    time_s = table.drive_time_s()
    # In the order of the bag, which reads it once.
    crops = {
        track['track']: _crop(camera['topic'], track, table, source)
        for track in sorted(tracks, key=lambda t: int(t['best']['frame']))
    }
    rows = []
    for track in sorted(tracks, key=lambda t: int(t['track'])):
        total = sum(vote['vote'] for vote in track['votes']) or 1.0
        first, last = (table.index_of(track[f'{end}_frame']) for end in ('first', 'last'))
        crop = crops[track['track']]
        rows.append(
            SignRow(
                track['track'],
                track['name'],
                hex_color(taxonomy.nodes[track['node_id']].color),
                None if crop is None else webp(crop[..., ::-1], QUALITY),
                (0, 0) if crop is None else (crop.shape[1], crop.shape[0]),
                float(time_s[first]),
                float(time_s[last]),
                track['first_frame'],
                track['last_frame'],
                track['sightings'],
                track['best']['score'],
                table.index_of(track['best']['frame']),
                [Vote(v['name'], v['frames'], v['vote'] / total) for v in track['votes']],
            )
        )
    return tuple(rows)


def _crop(
    topic: str, track: dict[str, Any], table: FrameTable, source: FrameSource
) -> RgbImage | None:
    best = track['best']
    time_ns = int(table.time_ns[table.index_of(best['frame'])])
    image = source.image(topic, time_ns, best['stamp_ns'])
    return None if image is None else cut_out(image, tuple(best['roi']))


def cut_out(image: RgbImage, roi: tuple[int, int, int, int]) -> RgbImage:
    """Return a box (y, x, height, width) of an image with a margin, scaled to a legible size."""
    y, x, height, width = roi
    margin = max(2, round(MARGIN * max(height, width)))
    top, left = max(0, y - margin), max(0, x - margin)
    part = image[top : y + height + margin, left : x + width + margin]
    if max(part.shape[:2]) < SMALLEST:
        scale = SMALLEST / max(part.shape[:2])
        size = max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale))
        return np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    return shrunk(part, CROP)
