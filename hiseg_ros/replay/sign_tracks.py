# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Tracks of signs across frames, by overlap after the motion of the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.tracking import MAX_MISSED, Roi, iou, matched
from hiseg_ros.types import ImageSize, SubclassMask

__all__ = ['MAX_MISSED', 'Moment', 'SignTracks', 'Track', 'iou']


class Moves(Protocol):
    """Motion since the frame before, as far as tracks need it."""

    def moved(self, roi: Roi, image_size: ImageSize) -> Roi:
        """Return where a box of the frame before, (y, x, height, width), is in this one."""


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
        # A sighting of unknown type still says which types are likely.
        is_unknown = mask.node_id == mask.parent_id and len(mask.top) > 1
        types = mask.top[1:] if is_unknown else mask.top
        for node_id, vote in types:
            self.votes[node_id] = self.votes.get(node_id, 0.0) + float(vote)
        value = mask.area * float(types[0][1])  # prefers large and certain sightings
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
        """Return the track as plain values.

        Its type is the one with the largest summed vote of those that a sighting had; if all
        were of unknown type, it is that of the sightings.
        """
        order = sorted(self.votes, key=lambda node_id: (-self.votes[node_id], node_id))
        node_id = next((one for one in order if one in self.frames_of), self.best['node_id'])
        return {
            'track': self.number,
            'node_id': node_id,
            'name': taxonomy.nodes[node_id].name,
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
        motion: Moves | None,
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
                track.roi = motion.moved(track.roi, image_size)
        track_of = matched(self._active, masks)
        seen = {track.number for track in track_of.values()}
        unseen = [track for track in self._active if track.number not in seen]
        for track in unseen:
            track.missed += 1
        self._end([track for track in unseen if track.missed > MAX_MISSED])
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
