# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The metrics of one camera that need no ground truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.replay.confidence import ConfidenceShares
from hiseg_ros.replay.motion import Motion, motion_between, reduced_grey, reduced_labels
from hiseg_ros.replay.sign_tracks import Moment, SignTracks
from hiseg_ros.replay.stability import Stability
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.tracking import MAX_PAUSE_S
from hiseg_ros.types import ImageSize, LabelImage, RgbImage, Segmentation, SubclassMask


class SignFollower(Protocol):
    """What takes the signs of each frame: `SignTracks`, or what keeps them for later."""

    def add(
        self,
        moment: Moment,
        masks: Sequence[SubclassMask],
        motion: Motion | None,
        image_size: ImageSize,
        grey: NDArray[np.uint8],
    ) -> list[dict[str, Any]]:
        """Take one frame, see `SignTracks.add`; `grey` is its reduced image."""


class CameraMetrics:
    """Confidence, stability and sign tracks of one camera, frame by frame."""

    def __init__(self, taxonomy: Taxonomy, follower: SignFollower | None = None) -> None:
        """Start at zero.

        Args:
            taxonomy: Tree of the labels.
            follower: What takes the signs of each frame in place of the tracks.
        """
        self.confidence = ConfidenceShares()
        self.stability = Stability(taxonomy)
        self.signs = SignTracks(taxonomy)
        self._follower = follower
        self._stamp_ns: int | None = None
        self._grey: NDArray[np.uint8] | None = None
        self._labels: LabelImage | None = None

    def add(
        self,
        moment: Moment,
        rgb: RgbImage,
        segmentation: Segmentation,
        masks: Sequence[SubclassMask],
    ) -> dict[str, Any]:
        """Count one frame; return its metrics.

        Args:
            moment: Number and stamp of the frame.
            rgb: (H, W, 3) uint8.
            segmentation: Of that image.
            masks: Its signs.
        """
        grey, labels = reduced_grey(rgb), reduced_labels(segmentation.labels)
        motion = self._motion(moment, grey)
        stability = None
        if motion is not None and self._labels is not None:
            stability = self.stability.add(self._labels, labels, motion)
        size = (rgb.shape[0], rgb.shape[1])
        confidence = self.confidence.add(segmentation.confidence)
        if self._follower is None:
            signs = self.signs.add(moment, masks, motion, size)
        else:
            signs = self._follower.add(moment, masks, motion, size, grey)
        record = {'confidence': confidence, 'stability': stability, 'signs': signs}
        self._stamp_ns, self._grey, self._labels = moment.stamp_ns, grey, labels
        return record

    def begin_after(self, stamp_ns: int, rgb: RgbImage, labels: LabelImage) -> NDArray[np.uint8]:
        """Compare the next frame with this one, which is not counted; return its reduced image.

        Args:
            stamp_ns: Stamp of the frame before the next one.
            rgb: (H, W, 3) uint8, its image.
            labels: (H, W) uint8, its labels.
        """
        self._stamp_ns, self._grey = stamp_ns, reduced_grey(rgb)
        self._labels = reduced_labels(labels)
        return self._grey

    def _motion(self, moment: Moment, grey: NDArray[np.uint8]) -> Motion | None:
        if self._stamp_ns is None or self._grey is None or self._grey.shape != grey.shape:
            return None
        if not 0 < moment.stamp_ns - self._stamp_ns <= MAX_PAUSE_S * 1e9:
            return None
        return motion_between(self._grey, grey)

    def summary(self) -> dict[str, Any]:
        """Return the metrics of all frames."""
        return {
            'confidence': self.confidence.summary(),
            'stability': self.stability.summary(),
            'sign_tracks': self.signs.summary(),
        }

    def state(self) -> dict[str, Any]:
        """Return the state that a resumed run starts from."""
        return {
            'confidence': self.confidence.state(),
            'stability': self.stability.state(),
            'signs': self.signs.state(),
            'stamp_ns': self._stamp_ns,
            'grey': self._grey,
            'labels': self._labels,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Continue from a state."""
        self.confidence.load(state['confidence'])
        self.stability.load(state['stability'])
        self.signs.load(state['signs'])
        self._stamp_ns = state['stamp_ns']
        self._grey, self._labels = state['grey'], state['labels']
