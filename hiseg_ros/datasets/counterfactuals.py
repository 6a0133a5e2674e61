# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Images of a dataset without the objects of one label: drawn again, or in-painted."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.datasets.removal import (
    LARGEST_INPAINTED,
    LARGEST_REDRAWN,
    SMALLEST,
    grown,
    inpainted,
    moved_elsewhere,
    object_labels,
)
from hiseg_ros.datasets.sample import Sample, SegmentationDataset
from hiseg_ros.errors import ConfigError
from hiseg_ros.evaluation.confusion import row_of_label_id
from hiseg_ros.evaluation.context import ChangedImage, LeftOut, Removal
from hiseg_ros.taxonomy import Label, Mapping, Taxonomy
from hiseg_ros.types import RgbImage

How = Literal['redraw', 'inpaint']
"""How objects are removed."""


@runtime_checkable
class Redraws(Protocol):
    """A dataset whose images can be made again without objects."""

    def redrawn_without(self, index: int, label_id: int) -> tuple[Sample, NDArray[np.bool_]]:
        """Return an image without the objects of a label, and (H, W) what changed in it."""


class Remover:
    """Removes the objects of one label after the other from an image."""

    def __init__(
        self,
        mapping: Mapping,
        labels: Sequence[Label],
        objects: Sequence[Label] = (),
        redraws: Redraws | None = None,
    ) -> None:
        """Take what does not depend on the image.

        Args:
            mapping: Meaning of the label ids.
            labels: Those of it whose objects are removed, see `object_labels`.
            objects: Further ones, on whose objects the control must not lie.
            redraws: Makes the images anew; None in-paints.
        """
        self.labels, self.redraws = tuple(labels), redraws
        self._row = row_of_label_id(mapping)
        self._objects = [int(self._row[one.label_id]) for one in (*labels, *objects)]

    def removals(
        self, name: str, index: int, image: RgbImage, label_ids: NDArray[np.uint8]
    ) -> Iterator[Removal | LeftOut]:
        """Yield the image without the objects of each label that is in it.

        Args:
            name: Of the image; the places of the control follow from it.
            index: Of the image in the dataset.
            image: (H, W, 3).
            label_ids: (H, W) true labels.
        """
        rows = self._row[label_ids]
        largest = LARGEST_REDRAWN if self.redraws else LARGEST_INPAINTED
        for label, row in zip(self.labels, self._objects, strict=False):
            mask = rows == row
            if not mask.any():
                continue
            share = float(mask.mean())
            if not SMALLEST <= share <= largest:
                yield LeftOut(label.label_id, 'too small' if share < SMALLEST else 'too large')
            elif self.redraws is not None:
                sample, changed = self.redraws.redrawn_without(index, label.label_id)
                yield Removal(label.label_id, ChangedImage(sample.image, changed))
            else:
                seed = zlib.crc32(f'{name} {label.label_id}'.encode())
                yield self._inpainted(label.label_id, image, mask, rows, seed)

    def _inpainted(
        self,
        label_id: int,
        image: RgbImage,
        mask: NDArray[np.bool_],
        rows: NDArray[np.int64],
        seed: int,
    ) -> Removal | LeftOut:
        area = grown(mask)
        occupied = np.isin(rows, self._objects)
        place = moved_elsewhere(area, occupied, np.random.default_rng(seed))
        if place is None:
            return LeftOut(label_id, 'no place for the control')
        return Removal(
            label_id,
            ChangedImage(inpainted(image, area), area),
            ChangedImage(inpainted(image, place), place),
        )


def remover_of(
    dataset: SegmentationDataset,
    mapping: Mapping,
    taxonomy: Taxonomy,
    names: Sequence[str] = (),
    how: How | None = None,
) -> Remover:
    """Return what removes objects from the images of a dataset.

    Args:
        dataset: Its images.
        mapping: Meaning of its label ids.
        taxonomy: Their tree.
        names: The only labels to remove; by default those of all objects.
        how: By default drawn again where the dataset can, else in-painted.

    Raises:
        ConfigError: A label does not exist, there is none of objects, or the dataset cannot be
            drawn again.
    """
    labels = object_labels(mapping, taxonomy, names)
    try:
        objects = object_labels(mapping, taxonomy)
    except ConfigError:  # a tree without objects, of which some are named
        objects = ()
    redraws = dataset if isinstance(dataset, Redraws) else None
    if how == 'redraw' and redraws is None:
        raise ConfigError(
            'The images of this dataset cannot be drawn again without objects; expected drawn '
            "scenes: use 'inpaint'."
        )
    return Remover(mapping, labels, objects, None if how == 'inpaint' else redraws)
