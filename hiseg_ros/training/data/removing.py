# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Objects removed from training images: drawn again without them, or in-painted in the crop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.datasets.removal import (
    LARGEST_INPAINTED,
    LARGEST_REDRAWN,
    REFERENCE_HEIGHT,
    SMALLEST,
    grown,
    inpainted,
    instances,
)
from hiseg_ros.training.config.removal import RemovalConfig
from hiseg_ros.training.data.label_table import IGNORED
from hiseg_ros.training.data.mirroring import LabelSetIds
from hiseg_ros.types import RgbImage

Drawn = TypeVar('Drawn')


@dataclass(frozen=True)
class RemovableLabel:
    """A label whose objects are removed."""

    label_id: int
    label_sets: tuple[int, ...]
    """Ids of the label sets that its pixels have: its own, and those narrowed by second labels."""


@dataclass(frozen=True)
class ObjectRemoval(Generic[Drawn]):
    """Removes objects from the images of one dataset, at random."""

    config: RemovalConfig
    labels: tuple[RemovableLabel, ...]
    redrawn_without: Callable[[int, int], Drawn] | None = None
    """Draws image i again without label id c; None in-paints crops."""

    def another_image(
        self, index: int, label_set_ids: LabelSetIds, rng: np.random.Generator
    ) -> Drawn | None:
        """Return an image drawn again without the objects of one label.

        Args:
            index: Of the image in the dataset.
            label_set_ids: (H, W) label set of each pixel of the whole image.
            rng: Random generator; nothing is drawn from it where images are not drawn again.

        Returns:
            The image, or None where it stays as it is.
        """
        if self.redrawn_without is None or rng.random() >= self.config.share:
            return None
        fitting = self._fitting(label_set_ids, LARGEST_REDRAWN)
        if not fitting:
            return None
        label = fitting[int(rng.integers(len(fitting)))]
        return self.redrawn_without(index, label.label_id)

    def inpainted_crop(
        self, image: RgbImage, label_set_ids: LabelSetIds, rng: np.random.Generator
    ) -> tuple[RgbImage, LabelSetIds]:
        """Return a crop without some objects, whose pixels with their margin are unlabeled.

        Args:
            image: (H, W, 3).
            label_set_ids: (H, W) label set of each pixel.
            rng: Random generator; nothing is drawn from it where images are drawn again.
        """
        if self.redrawn_without is not None or rng.random() >= self.config.share:
            return image, label_set_ids
        mask = self._chosen(label_set_ids, rng)
        if mask is None:
            return image, label_set_ids
        # A crop has about the resolution of the network, whatever its height.
        area = grown(mask, REFERENCE_HEIGHT)
        filled = inpainted(image, area, self.config.method, self.config.radius)
        return filled, np.where(area, np.int16(IGNORED), label_set_ids)

    def _chosen(
        self, label_set_ids: LabelSetIds, rng: np.random.Generator
    ) -> NDArray[np.bool_] | None:
        """Return the (H, W) pixels of the objects to remove, None where there are none."""
        if self.config.objects == 'all':
            fitting = self._fitting(label_set_ids, LARGEST_INPAINTED)
            if not fitting:
                return None
            label = fitting[int(rng.integers(len(fitting)))]
            return np.isin(label_set_ids, label.label_sets)
        by_label = [self._parts(label_set_ids, label) for label in self.labels]
        by_label = [parts for parts in by_label if parts]
        if not by_label:
            return None
        if self.config.objects == 'one':
            parts = by_label[int(rng.integers(len(by_label)))]
            return parts[int(rng.integers(len(parts)))]
        every = [part for parts in by_label for part in parts]
        chances = 1 / np.array([part.sum() for part in every])
        return every[int(rng.choice(len(every), p=chances / chances.sum()))]

    def _parts(self, label_set_ids: LabelSetIds, label: RemovableLabel) -> list[NDArray[np.bool_]]:
        mask = np.isin(label_set_ids, label.label_sets)
        if not mask.any():
            return []
        return [part for part in instances(mask) if self._fits(part.mean(), LARGEST_INPAINTED)]

    def _fitting(self, label_set_ids: LabelSetIds, largest: float) -> Sequence[RemovableLabel]:
        """Return the labels of which there is something, and not too much."""
        # Unlabeled pixels, -1, are the first.
        counts = np.bincount(label_set_ids.ravel().astype(np.int64) + 1)
        shares = counts / label_set_ids.size
        return [
            label
            for label in self.labels
            if self._fits(
                sum(shares[one + 1] for one in label.label_sets if one + 1 < len(shares)), largest
            )
        ]

    def _fits(self, share: float, largest: float) -> bool:
        limit = largest if self.config.largest is None else self.config.largest
        return bool(SMALLEST <= share <= limit)
