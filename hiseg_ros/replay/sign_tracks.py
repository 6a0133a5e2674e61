# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Tracks of signs across frames, by overlap after the motion of the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.replay.motion import Motion
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.types import ImageSize, SubclassMask

MIN_IOU = 0.2
"""Least IoU of a sighting with a track, moved as the image moved, to belong to it."""
MAX_MISSED = 3
"""Most frames in a row in which a track may have no sighting."""

Roi = tuple[int, int, int, int]
"""(y, x, height, width) in image pixels."""


@dataclass(frozen=True)
class Moment:
    """Number and stamp of a frame."""

    frame: int
    """Number among all replayed frames, from 0."""
    stamp_ns: int


@dataclass
class Track:
    """One sign across frames."""

    number: int
    first: Moment
    last: Moment
    roi: Roi
    """Box of the last sighting, moved with the image since."""
    mask: NDArray[np.bool_]
    sightings: int = 0
    missed: int = 0
    frames_of: dict[int, int] = field(default_factory=dict)
    """Number of sightings by the type with the largest vote."""
    votes: dict[int, float] = field(default_factory=dict)
    """Summed votes by type, over the best types of each sighting."""
    best: dict[str, Any] = field(default_factory=dict)
    best_value: float = -1.0

    def add(self, moment: Moment, mask: SubclassMask) -> None:
        """Add a sighting."""
        self.last, self.roi, self.mask, self.missed = moment, mask.roi, mask.mask, 0
        self.sightings += 1
        self.frames_of[mask.node_id] = self.frames_of.get(mask.node_id, 0) + 1
        for node_id, vote in mask.top:
            self.votes[node_id] = self.votes.get(node_id, 0.0) + float(vote)
        value = mask.area * float(mask.score)  # prefers large and certain sightings
        if value > self.best_value:
            self.best_value = value
            self.best = {
                'frame': moment.frame,
                'stamp_ns': moment.stamp_ns,
                'roi': list(mask.roi),
                'node_id': mask.node_id,
                'score': round(float(mask.score), 6),
            }

    def summary(self, taxonomy: Taxonomy) -> dict[str, Any]:
        """Return the track as plain values; its type is the one with the largest summed vote."""
        order = sorted(self.votes, key=lambda node_id: (-self.votes[node_id], node_id))
        return {
            'track': self.number,
            'node_id': order[0],
            'name': taxonomy.nodes[order[0]].name,
            'first_frame': self.first.frame,
            'first_stamp_ns': self.first.stamp_ns,
            'last_frame': self.last.frame,
            'last_stamp_ns': self.last.stamp_ns,
            'sightings': self.sightings,
            'votes': [
                {
                    'node_id': node_id,
                    'name': taxonomy.nodes[node_id].name,
                    'frames': self.frames_of.get(node_id, 0),
                    'vote': round(self.votes[node_id], 6),
                }
                for node_id in order
            ],
            'best': self.best,
        }


class SignTracks:
    """All tracks of one camera."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        """Start without tracks."""
        self._taxonomy = taxonomy
        self._active: list[Track] = []
        self._ended: list[dict[str, Any]] = []
        self._next = 0

    def add(
        self,
        moment: Moment,
        masks: Sequence[SubclassMask],
        motion: Motion | None,
        image_size: ImageSize,
    ) -> list[dict[str, Any]]:
        """Assign the signs of one frame to tracks.

        Args:
            moment: Number and stamp of the frame.
            masks: Its signs.
            motion: Motion since the frame before; None ends all tracks.
            image_size: (H, W) of the image.

        Returns:
            One row for each mask, with the number of its track.
        """
        if motion is None:
            self._end(self._active)
        else:
            for track in self._active:
                track.roi = moved(track.roi, motion, image_size)
        pairs = sorted(
            (-overlap, track.number, index)
            for track in self._active
            for index, mask in enumerate(masks)
            if (overlap := iou(track.roi, track.mask, mask.roi, mask.mask)) >= MIN_IOU
        )
        by_number = {track.number: track for track in self._active}
        track_of: dict[int, Track] = {}
        for _, number, index in pairs:
            if number in by_number and index not in track_of:
                track_of[index] = by_number.pop(number)
        for track in by_number.values():
            track.missed += 1
        self._end([track for track in by_number.values() if track.missed > MAX_MISSED])
        rows = []
        for index, mask in enumerate(masks):
            if index not in track_of:
                track_of[index] = Track(self._next, moment, moment, mask.roi, mask.mask)
                self._active.append(track_of[index])
                self._next += 1
            track_of[index].add(moment, mask)
            rows.append(
                {
                    'track': track_of[index].number,
                    'node_id': mask.node_id,
                    'score': round(float(mask.score), 6),
                    'roi': list(mask.roi),
                }
            )
        return rows

    def _end(self, tracks: Sequence[Track]) -> None:
        self._ended += [track.summary(self._taxonomy) for track in tracks]
        gone = {track.number for track in tracks}
        self._active = [track for track in self._active if track.number not in gone]

    def summary(self) -> list[dict[str, Any]]:
        """Return all tracks, in the order in which they were first seen."""
        still = [track.summary(self._taxonomy) for track in self._active]
        return sorted([*self._ended, *still], key=lambda row: int(row['track']))

    def state(self) -> dict[str, Any]:
        """Return the state that a resumed run starts from."""
        active = [
            {
                **vars(track),
                'first': [track.first.frame, track.first.stamp_ns],
                'last': [track.last.frame, track.last.stamp_ns],
                'frames_of': list(track.frames_of.items()),
                'votes': list(track.votes.items()),
            }
            for track in self._active
        ]
        return {'active': active, 'ended': self._ended, 'next': self._next}

    def load(self, state: dict[str, Any]) -> None:
        """Continue from a state."""
        self._ended, self._next = state['ended'], state['next']
        self._active = [
            Track(
                **{
                    **row,
                    'roi': tuple(row['roi']),
                    'first': Moment(*row['first']),
                    'last': Moment(*row['last']),
                    'frames_of': dict(row['frames_of']),
                    'votes': dict(row['votes']),
                }
            )
            for row in state['active']
        ]


def moved(roi: Roi, motion: Motion, image_size: ImageSize) -> Roi:
    """Return a box moved by the median flow inside it."""
    height, width = motion.is_steady.shape
    scale_y, scale_x = image_size[0] / height, image_size[1] / width
    top, left = int(max(0, roi[0]) / scale_y), int(max(0, roi[1]) / scale_x)
    bottom = max(top + 1, int(np.ceil((roi[0] + roi[2]) / scale_y)))
    right = max(left + 1, int(np.ceil((roi[1] + roi[3]) / scale_x)))
    inside = motion.flow[top:bottom, left:right].reshape(-1, 2)
    if not inside.size:
        return roi  # it has left the image
    x, y = np.median(inside, axis=0)
    return roi[0] + round(float(y) * scale_y), roi[1] + round(float(x) * scale_x), roi[2], roi[3]


def iou(one: Roi, one_mask: NDArray[np.bool_], other: Roi, other_mask: NDArray[np.bool_]) -> float:
    """Return intersection over union of two masks, each inside its box."""
    top, left = max(one[0], other[0]), max(one[1], other[1])
    bottom = min(one[0] + one[2], other[0] + other[2])
    right = min(one[1] + one[3], other[1] + other[3])
    if bottom <= top or right <= left:
        return 0.0
    first = one_mask[top - one[0] : bottom - one[0], left - one[1] : right - one[1]]
    second = other_mask[top - other[0] : bottom - other[0], left - other[1] : right - other[1]]
    shared = int((first & second).sum())
    return shared / (int(one_mask.sum()) + int(other_mask.sum()) - shared)
