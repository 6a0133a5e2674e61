# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The interface of `hiseg_ros.inference.engine.Engine` that its callers rely on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.types import EVERYTHING, RgbImage, Segmentation, Wanted


class SegmentationEngine(Protocol):
    """Arrays in, arrays out; see `Engine` for arguments, results and errors."""

    threshold: float

    @property
    def taxonomy(self) -> Taxonomy:
        """The label tree of the weights."""

    @property
    def device(self) -> str:
        """Name of the device the network runs on."""

    @property
    def backend(self) -> str:
        """Name of the backend that runs the network."""

    @property
    def precision(self) -> str:
        """Of the convolutions."""

    def segment(self, rgb: RgbImage, wanted: Wanted = EVERYTHING) -> Segmentation:
        """Segment one image, for the results that are wanted."""

    def reduce(self, is_reduced: bool) -> bool:
        """Run the network at a smaller input size, or no longer; False where it is fixed."""

    @property
    def batch_pays(self) -> bool:
        """Whether several images at once take less time than one after the other."""

    def segment_batch(
        self, rgbs: Sequence[RgbImage], wanted: Sequence[Wanted]
    ) -> Iterator[tuple[int, Segmentation]]:
        """Segment several images; yield positions and results as soon as they are there."""

    def close(self) -> None:
        """Free the device."""
