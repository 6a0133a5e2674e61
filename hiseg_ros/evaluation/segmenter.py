# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What is measured: an engine, or what stands for one."""

from __future__ import annotations

from typing import Protocol

from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.types import EVERYTHING, RgbImage, Segmentation, Wanted


class Segmenter(Protocol):
    """Segments images; `Engine` does."""

    taxonomy: Taxonomy

    def segment(self, rgb: RgbImage, wanted: Wanted = EVERYTHING) -> Segmentation:
        """Segment one image; see `Engine.segment`."""
