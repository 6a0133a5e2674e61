# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The sample that every loader returns, and the interface of loaders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.datasets.image_files import read_image, read_label_ids
from hiseg_ros.types import RgbImage

__all__ = [
    'FIRST_MIXTURE', 'LAST_MIXTURE', 'Box', 'Sample', 'SegmentationDataset', 'read_image',
    'read_label_ids',
]  # fmt: skip

FIRST_MIXTURE, LAST_MIXTURE = 200, 254
"""Values in `label_ids` that stand for a mixture of labels; no mapping has such label ids."""


@dataclass(frozen=True)
class Box:
    """A box label: columns x1 to x2 and rows y1 to y2, both ends inclusive, in pixels."""

    x1: int
    y1: int
    x2: int
    y2: int
    label_id: int


@dataclass(frozen=True)
class Sample:
    """One image with its labels in the dataset's own ids."""

    name: str
    image: RgbImage
    label_ids: NDArray[np.uint8]
    """(H, W) uint8 in the ids of the dataset's mapping."""
    boxes: tuple[Box, ...] = ()
    mixtures: Mapping[int, Mapping[int, float]] = field(default_factory=dict)
    """Meaning of the values FIRST_MIXTURE to LAST_MIXTURE in `label_ids` of this image: the share
    of each label id, adding up to 1. Another image may use a value for another mixture."""


class SegmentationDataset(Protocol):
    """Interface of loaders: the samples of a dataset, in the label ids of one mapping."""

    mapping_name: str

    def __len__(self) -> int:
        """Return the number of samples."""

    def __getitem__(self, index: int) -> Sample:
        """Return one sample."""
