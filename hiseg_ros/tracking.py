# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Following signs from frame to frame, by the overlap of their masks after the image's motion.

Replays and the node follow signs by the same rules.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from hiseg_ros.types import ImageSize, RgbImage, SubclassMask

MIN_IOU = 0.2
"""Least IoU of a sighting with a track, moved as the image moved, to belong to it."""
MAX_MISSED = 3
"""Most frames in a row in which a track may have no sighting."""
MAX_PAUSE_S = 1.0
"""Longest time between two frames that are compared; stamps that jump back are not, either."""
REDUCED_WIDTH = 320
"""Largest width in pixels of the image in which motion is measured."""

Roi = tuple[int, int, int, int]
"""(y, x, height, width) in image pixels."""


class Followed(Protocol):
    """What a sighting may belong to."""

    number: int
    roi: Roi
    """Box of the last sighting, moved with the image since."""
    mask: NDArray[np.bool_]


T = TypeVar('T', bound=Followed)


def matched(tracks: Sequence[T], masks: Sequence[SubclassMask]) -> dict[int, T]:
    """Return the tracks of a frame's signs by their places in `masks`; new signs have none.

    Pairs with the largest overlap come first, so each sign and each track is taken once.
    """
    pairs = sorted(
        (-overlap, track.number, index)
        for track in tracks
        for index, mask in enumerate(masks)
        if (overlap := iou(track.roi, track.mask, mask.roi, mask.mask)) >= MIN_IOU
    )
    by_number = {track.number: track for track in tracks}
    track_of: dict[int, T] = {}
    for _, number, index in pairs:
        if number in by_number and index not in track_of:
            track_of[index] = by_number.pop(number)
    return track_of


def moved(roi: Roi, flow: NDArray[np.float32], image_size: ImageSize) -> Roi:
    """Return a box moved by the median flow inside it.

    Args:
        roi: The box.
        flow: (h, w, 2) x and y of the motion since the frame before, in reduced pixels.
        image_size: (H, W) of the image.
    """
    height, width = flow.shape[:2]
    scale_y, scale_x = image_size[0] / height, image_size[1] / width
    top, left = int(max(0, roi[0]) / scale_y), int(max(0, roi[1]) / scale_x)
    bottom = max(top + 1, int(np.ceil((roi[0] + roi[2]) / scale_y)))
    right = max(left + 1, int(np.ceil((roi[1] + roi[3]) / scale_x)))
    inside = flow[top:bottom, left:right].reshape(-1, 2)
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


def reduced_size(size: ImageSize) -> ImageSize:
    """Return the (height, width) of the reduced image."""
    height, width = size
    if width <= REDUCED_WIDTH:
        return size
    return max(1, round(height * REDUCED_WIDTH / width)), REDUCED_WIDTH


def reduced_grey(rgb: RgbImage) -> NDArray[np.uint8]:
    """Return the reduced grey image of an (H, W, 3) uint8 image."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    size = reduced_size((rgb.shape[0], rgb.shape[1]))
    return cast(NDArray[np.uint8], cv2.resize(grey, size[::-1], interpolation=cv2.INTER_AREA))


def flow_method(size: ImageSize) -> Any | None:
    """Return OpenCV's DIS method for reduced images of a size; None where they are too small.

    Its result depends on OpenCV's number of threads.
    """
    if min(size) < 16:
        return None  # fewer than two patches of the method
    return cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)


@dataclass
class _Track:
    """One sign that was seen lately."""

    number: int
    roi: Roi
    mask: NDArray[np.bool_]
    missed: int = 0


class SignTracker:
    """Numbers the signs of one camera; keeps those of the last `MAX_MISSED` frames only.

    Numbers are never given twice. Motion is measured only while signs are followed.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Start without signs.

        Args:
            now: A steady clock in seconds, for images without usable stamps.
        """
        self._now = now
        self._tracks: list[_Track] = []
        self._next = 0
        self._grey: NDArray[np.uint8] | None = None
        self._stamp_ns = 0
        self._time_s = 0.0

    def numbers_of(
        self, rgb: RgbImage, masks: Sequence[SubclassMask], stamp_ns: int
    ) -> tuple[int, ...]:
        """Return the number of each sign of the next frame.

        Args:
            rgb: (H, W, 3) uint8, the frame.
            masks: Its signs.
            stamp_ns: Its stamp; where it is 0 or that of the frame before, the time that has
                passed is measured. A frame that comes more than `MAX_PAUSE_S` later or before the
                last one, or has another size, begins with new numbers.
        """
        elapsed_s = self._elapsed_s(stamp_ns)
        grey = reduced_grey(rgb) if self._tracks or masks else None
        flow = self._flow(grey) if 0.0 < elapsed_s <= MAX_PAUSE_S else None
        if flow is None:
            self._tracks = []
        size = (rgb.shape[0], rgb.shape[1])
        for track in self._tracks:
            track.missed += 1
            track.roi = moved(track.roi, cast(NDArray[np.float32], flow), size)
        track_of = matched(self._tracks, masks)
        for index, mask in enumerate(masks):
            if index not in track_of:
                track_of[index] = _Track(self._next, mask.roi, mask.mask)
                self._tracks.append(track_of[index])
                self._next += 1
            track = track_of[index]
            track.roi, track.mask, track.missed = mask.roi, mask.mask, 0
        self._tracks = [track for track in self._tracks if track.missed <= MAX_MISSED]
        self._grey = grey if self._tracks else None
        return tuple(track_of[index].number for index in range(len(masks)))

    def _elapsed_s(self, stamp_ns: int) -> float:
        """Return the time since the frame before, and note this one's."""
        now_s = self._now()
        has_stamp = stamp_ns > 0 and self._stamp_ns > 0 and stamp_ns != self._stamp_ns
        elapsed_s = (stamp_ns - self._stamp_ns) / 1e9 if has_stamp else now_s - self._time_s
        self._stamp_ns, self._time_s = stamp_ns, now_s
        return elapsed_s

    def _flow(self, grey: NDArray[np.uint8] | None) -> NDArray[np.float32] | None:
        """Return the motion since the frame before; None where it is not known or not needed."""
        if grey is None or self._grey is None or self._grey.shape != grey.shape:
            return None
        method = flow_method((grey.shape[0], grey.shape[1]))
        return (
            None
            if method is None
            else cast(NDArray[np.float32], method.calc(self._grey, grey, None))
        )
