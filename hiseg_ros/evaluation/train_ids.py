# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Noticing Cityscapes' trainIds where its labelIds are expected.

Both are bytes, and nearly all trainIds are labelIds too, of something else: the scores would be
close to zero without an error.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import DatasetError
from hiseg_ros.taxonomy import Mapping

_LARGEST = 18
"""Largest trainId beside 255."""
_VOID = 7
"""labelIds below this are unlabeled, ego vehicle, ground, ..., and not evaluated; as trainIds they
are road, sidewalk, building, ..., the most common classes."""
_VOID_SHARE = 0.3
_FURTHER = 2
"""Least number of different ids between _VOID and _LARGEST."""
_IMAGES = 3
"""Number of images that are looked at before they are refused, if there are so many."""


class TrainIdWatch:
    """Looks at the label ids of images, one by one."""

    def __init__(self, mapping: Mapping) -> None:
        """Start; with another mapping than that of the labelIds nothing is looked at."""
        names = {label.label_id: label.name for label in mapping.labels}
        self._mapping = mapping.name
        self._is_on = (names.get(7), names.get(23)) == ('road', 'sky')
        self._alike = 0

    def add(self, label_ids: NDArray[np.uint8]) -> None:
        """Look at an image.

        Args:
            label_ids: (H, W) uint8.

        Raises:
            DatasetError: It is the third and all of them have trainIds.
        """
        if self._is_on:
            self.note(_are_train_ids(label_ids))

    def note(self, is_alike: bool) -> None:
        """Count an image that was looked at elsewhere.

        Args:
            is_alike: Whether its ids look like trainIds.

        Raises:
            DatasetError: It is the third and all of them have trainIds.
        """
        if not self._is_on:
            return
        if not is_alike:
            self._is_on = False
            return
        self._alike += 1
        if self._alike == _IMAGES:
            self.finish()

    def finish(self) -> None:
        """Check again at the end, where there may be fewer images.

        Raises:
            DatasetError: All images had trainIds.
        """
        if self._is_on and self._alike:
            raise DatasetError(
                f'The label ids look like trainIds of Cityscapes (0 to {_LARGEST} and 255); '
                f'expected labelIds (7 to 33 and void below) for mapping {self._mapping!r}: name '
                '--mapping cityscapes_trainids, or take the files *_labelIds.png.'
            )


class TrainIdNotes:
    """Notes what `TrainIdWatch` would see of a part of the images, without refusing them."""

    def __init__(self) -> None:
        """Start."""
        self.are_alike: list[bool] = []
        """Whether the ids look like trainIds, of the first images: what a watch looks at."""

    def add(self, label_ids: NDArray[np.uint8]) -> None:
        """Look at an image, (H, W) uint8."""
        if len(self.are_alike) < _IMAGES:
            self.are_alike.append(_are_train_ids(label_ids))

    def finish(self) -> None:
        """Do nothing: whoever has all parts decides."""


def _are_train_ids(label_ids: NDArray[np.uint8]) -> bool:
    counts = np.bincount(label_ids.ravel(), minlength=256)
    if counts[_LARGEST + 1 : 255].any():
        return False
    is_void_common = counts[:_VOID].sum() >= _VOID_SHARE * label_ids.size
    return bool(is_void_common and np.count_nonzero(counts[_VOID : _LARGEST + 1]) >= _FURTHER)
