# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Counters and metrics of one camera of a replay, and its part of metrics.json."""

from __future__ import annotations

from typing import Any

import numpy as np

from hiseg_ros.bags.cameras import Camera
from hiseg_ros.images.bit_depth import BitDepth
from hiseg_ros.replay.camera_metrics import CameraMetrics, SignFollower
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.types import ImageSize


class CameraTrack:
    """Counters and metrics of one camera."""

    def __init__(
        self,
        camera: Camera,
        taxonomy: Taxonomy,
        bit_depth: int | None = None,
        follower: SignFollower | None = None,
    ) -> None:
        """Start at zero.

        Args:
            camera: The camera.
            taxonomy: Tree of the labels.
            bit_depth: Bits of its 16-bit samples; None measures them.
            follower: What takes the signs of each frame in place of the tracks.
        """
        self.camera = camera
        self.bit_depth = BitDepth(bit_depth)
        self.metrics = CameraMetrics(taxonomy, follower)
        self.received = 0
        self.unreadable = 0
        self.image_size: ImageSize | None = None
        self.first_ns: int | None = None
        self.last_ns: int | None = None

    @property
    def counters(self) -> dict[str, int]:
        """Counters of FrameStats."""
        return {
            'received': self.received,
            'processed': self.received - self.unreadable,
            'dropped_malformed': self.unreadable,
        }

    def saw(self, stamp_ns: int, image_size: ImageSize) -> None:
        """Keep the stamp and size of a readable image."""
        self.image_size = self.image_size or image_size
        self.first_ns = stamp_ns if self.first_ns is None else min(self.first_ns, stamp_ns)
        self.last_ns = stamp_ns if self.last_ns is None else max(self.last_ns, stamp_ns)

    def summary(self) -> dict[str, Any]:
        """Return the camera's part of metrics.json."""
        size, frames = self.image_size, self.received - self.unreadable
        span = (self.last_ns or 0) - (self.first_ns or 0)
        return {
            'topic': self.camera.topic,
            'message_type': self.camera.message_type,
            'node': self.camera.node,
            'frames': frames,
            'unreadable': self.unreadable,
            'image_size': None if size is None else {'height': size[0], 'width': size[1]},
            **self._depth(),
            'first_stamp_ns': self.first_ns,
            'last_stamp_ns': self.last_ns,
            'rate_hz': round((frames - 1) * 1e9 / span, 3) if span and frames > 1 else None,
            **self.metrics.summary(),
        }

    def _depth(self) -> dict[str, Any]:
        """Return the bit depth of a camera with 16-bit samples, nothing of another."""
        depth = self.bit_depth
        if not depth.text():
            return {}
        about = {'bits': depth.bits, 'measured': depth.is_measured, 'largest': depth.largest}
        return {'bit_depth': about}

    def state(self) -> dict[str, Any]:
        """Return the state that a resumed run starts from."""
        return {
            'figures': self.metrics.state(),
            'received': self.received,
            'unreadable': self.unreadable,
            'image_size': self.image_size,
            'stamps_ns': [self.first_ns, self.last_ns],
            'largest_sample': self.bit_depth.largest,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Continue from a state."""
        self.metrics.load(state['figures'])
        self.received, self.unreadable = state['received'], state['unreadable']
        size = state['image_size']
        self.image_size = None if size is None else (size[0], size[1])
        self.first_ns, self.last_ns = state['stamps_ns']
        self.saw_sample(state.get('largest_sample', 0))  # earlier versions had none

    def saw_sample(self, largest: int) -> None:
        """Measure the bit depth by the largest sample of earlier 16-bit images, 0 for none."""
        if largest:
            self.bit_depth.shift_of(np.array([largest], np.uint16))
