# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Sign tracks of a recording that was replayed in parts: notes of each frame, joined later.

Tracks pass from one part to the next, so a part cannot number them. It notes the signs of each
frame and where the motion of the image led each box that it followed itself. Joining runs the
tracks over the notes: it asks for the same boxes, but for those that come from the part before and
were not seen again at once. For these the first frames have their image, so that the motion can be
measured again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.replay.motion import Motion, motion_between
from hiseg_ros.replay.sign_tracks import Moment, SignTracks
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.tracking import MAX_MISSED, Roi
from hiseg_ros.types import ImageSize, SubclassMask

NOTED_IMAGES = MAX_MISSED + 5
"""Number of first frames of a part that are noted with their image: a sign that is not seen again
is given up before."""


class UnknownMotionError(Exception):
    """The notes do not say where a box has moved: the part is to be done with the true tracks."""


class _NotedMotion:
    """Motion that notes what it was asked for."""

    def __init__(self, motion: Motion) -> None:
        self._motion = motion
        self.moves: list[list[list[int]]] = []

    def moved(self, roi: Roi, image_size: ImageSize) -> Roi:
        to = self._motion.moved(roi, image_size)
        self.moves.append([list(roi), list(to)])
        return to


class SignNotes:
    """Takes the signs of one camera in a part."""

    def __init__(self, taxonomy: Taxonomy, tracks: dict[str, Any] | None = None) -> None:
        """Start.

        Args:
            taxonomy: Tree of the labels.
            tracks: State of the tracks before the part; None starts without any.
        """
        self._tracks = SignTracks(taxonomy)
        if tracks is not None:
            self._tracks.load(tracks)
        self.before: NDArray[np.uint8] | None = None
        """Reduced image of the frame before the part."""
        self.rows: list[dict[str, Any]] = []
        """One for each readable frame; plain values and arrays."""

    def add(
        self,
        moment: Moment,
        masks: Sequence[SubclassMask],
        motion: Motion | None,
        image_size: ImageSize,
        grey: NDArray[np.uint8],
    ) -> list[dict[str, Any]]:
        """Note one frame, see `SignTracks.add`; the rows are added by `join`."""
        noted = None if motion is None else _NotedMotion(motion)
        self._tracks.add(moment, masks, noted, image_size)
        self.rows.append(
            {
                'frame': moment.frame,
                'stamp_ns': moment.stamp_ns,
                'image_size': list(image_size),
                'moves': None if noted is None else noted.moves,
                'masks': [_as_row(mask) for mask in masks],
                'grey': grey if len(self.rows) < NOTED_IMAGES else None,
            }
        )
        return []

    def state(self) -> dict[str, Any]:
        """Return the notes."""
        return {'before': self.before, 'rows': self.rows}


class _KnownMotion:
    """Motion of a noted frame."""

    def __init__(self, row: dict[str, Any], before: NDArray[np.uint8] | None) -> None:
        self._moves = {tuple(a): tuple(b) for a, b in row['moves']}
        self._before, self._grey = before, row['grey']
        self._motion: Motion | None = None

    def moved(self, roi: Roi, image_size: ImageSize) -> Roi:
        known = self._moves.get(roi)
        if known is not None:
            return known
        if self._motion is None:
            if self._before is None or self._grey is None:
                raise UnknownMotionError
            self._motion = motion_between(self._before, self._grey)
        if self._motion is None:
            raise UnknownMotionError
        return self._motion.moved(roi, image_size)


def join(tracks: SignTracks, notes: dict[str, Any]) -> dict[int, list[dict[str, Any]]]:
    """Run the tracks of a camera over the notes of the next part.

    Args:
        tracks: The tracks behind the part before.
        notes: `SignNotes.state` of the part.

    Returns:
        The rows of each readable frame's signs, by the frame's number.

    Raises:
        UnknownMotionError: See there.
    """
    rows_of: dict[int, list[dict[str, Any]]] = {}
    before = notes['before']
    for row in notes['rows']:
        motion = None if row['moves'] is None else _KnownMotion(row, before)
        masks = [_of_row(one) for one in row['masks']]
        height, width = row['image_size']
        moment = Moment(row['frame'], row['stamp_ns'])
        rows_of[row['frame']] = tracks.add(moment, masks, motion, (height, width))
        before = row['grey']
    return rows_of


def _as_row(mask: SubclassMask) -> dict[str, Any]:
    return {
        'node_id': mask.node_id,
        'parent_id': mask.parent_id,
        'score': float(mask.score),
        'top': [[node_id, float(vote)] for node_id, vote in mask.top],
        'roi': list(mask.roi),
        'mask': mask.mask,
        'area': mask.area,
    }


def _of_row(row: dict[str, Any]) -> SubclassMask:
    y, x, height, width = row['roi']
    return SubclassMask(
        node_id=row['node_id'],
        parent_id=row['parent_id'],
        score=row['score'],
        top=tuple((node_id, vote) for node_id, vote in row['top']),
        roi=(y, x, height, width),
        mask=row['mask'],
        area=row['area'],
    )
