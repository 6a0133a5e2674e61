# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""SegmentationEngine: what node and replay use of an engine, so that tests can pass another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.types import EVERYTHING, RgbImage, Segmentation, Wanted


class SegmentationEngine(Protocol):
    """The part of `engine.Engine` that others depend on; see there for arguments and errors."""

    threshold: float
    """Least conditional probability of a child, in [0, 1]; may be set between images."""

    @property
    def taxonomy(self) -> Taxonomy:
        """The label tree of the weights."""

    @property
    def device(self) -> str:
        """Device in use, such as 'cpu' or 'cuda:0'."""

    @property
    def backend(self) -> str:
        """Backend in use, such as 'eager'."""

    @property
    def precision(self) -> str:
        """Precision of the convolutions, such as 'float32'."""

    @property
    def batch_pays(self) -> bool:
        """Whether several images at once take less time than one after the other."""

    def segment(self, rgb: RgbImage, wanted: Wanted = EVERYTHING) -> Segmentation:
        """Return the wanted results for one (H, W, 3) uint8 image."""

    def segment_batch(
        self, rgbs: Sequence[RgbImage], wanted: Sequence[Wanted]
    ) -> Iterator[tuple[int, Segmentation]]:
        """Segment several images; yields position and result of each as soon as it is there."""

    def reduce(self, is_reduced: bool) -> bool:
        """Run the network at a smaller input size, or no longer; False where the size is fixed."""

    def close(self) -> None:
        """Free the device; nothing can be segmented afterwards."""
