# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The metrics of one camera that need no ground truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.replay.confidence import ConfidenceShares
from hiseg_ros.replay.motion import Motion, motion_between, reduced_grey, reduced_labels
from hiseg_ros.replay.sign_tracks import Moment, SignTracks
from hiseg_ros.replay.stability import Stability
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.tracking import MAX_PAUSE_S
from hiseg_ros.types import LabelImage, RgbImage, Segmentation, SubclassMask


class CameraMetrics:
    """Confidence, stability and sign tracks of one camera, frame by frame."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        """Start at zero."""
        self.confidence = ConfidenceShares()
        self.stability = Stability(taxonomy)
        self.signs = SignTracks(taxonomy)
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
        record = {
            'confidence': self.confidence.add(segmentation.confidence),
            'stability': stability,
            'signs': self.signs.add(moment, masks, motion, size),
        }
        self._stamp_ns, self._grey, self._labels = moment.stamp_ns, grey, labels
        return record

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
