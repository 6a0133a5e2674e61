# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Context dependence: how the labels of other pixels change when an object is removed.

After Shetty, Schiele and Fritz, "Not using the car to see the sidewalk", CVPR 2019
(arXiv 1812.06707); the scores are definitions of this project, see docs/context.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import ImageError
from hiseg_ros.evaluation.confusion import columns_of_label_ids, row_of_label_id
from hiseg_ros.taxonomy import Label, Mapping
from hiseg_ros.types import RgbImage

MIN_IMAGES = 20
"""Images that a pair of labels needs to count in the means."""

HIT = 0.10
"""Fall of the IoU of a label in one image from which the image counts as hit."""

Ids = NDArray[np.uint8]
"""(H, W) label ids."""


@dataclass(frozen=True)
class ChangedImage:
    """An image of which a part was changed."""

    image: RgbImage
    changed: NDArray[np.bool_]
    """(H, W); everywhere else it is the image that it was made of."""


@dataclass(frozen=True)
class Removal:
    """An image without all objects of one label."""

    label_id: int
    without: ChangedImage
    control: ChangedImage | None = None
    """The same done where there is no object, so that only the traces of removal are in it; None
    where removal leaves no traces."""


@dataclass(frozen=True)
class LeftOut:
    """An object that was not removed."""

    label_id: int
    reason: str
    """A few words, such as 'too large'."""


class ContextScores:
    """Counts of pixels before and after removal, by removed and by affected label."""

    def __init__(
        self, mapping: Mapping, removed: Sequence[Label], min_images: int = MIN_IMAGES
    ) -> None:
        """Start at zero.

        Args:
            mapping: Its evaluated labels may be affected.
            removed: Those of them whose objects are removed.
            min_images: Images that a pair needs to count in the means.
        """
        self.labels, self.removed, self.min_images = mapping.evaluated_labels, removed, min_images
        self._row = row_of_label_id(mapping)
        self._position = {label.label_id: number for number, label in enumerate(removed)}
        shape = (len(removed), len(self.labels))
        names = ('images', 'vanished', 'hits', 'pixels', 'flipped', 'control_flipped')
        states = ('before', 'after', 'control')
        sums = [f'{state}_{part}' for state in states for part in ('right', 'union')]
        self._counts = {name: np.zeros(shape, np.int64) for name in (*names, *sums)}
        self._object_pixels = np.zeros(len(removed), np.int64)
        self._still_seen = np.zeros(len(removed), np.int64)
        self._left_out: Counter[tuple[int, str]] = Counter()
        self._removals = np.zeros(len(removed), np.int64)
        self._has_control = False

    def leave_out(self, one: LeftOut) -> None:
        """Count an image whose objects of a label were not removed."""
        self._left_out[self._position[one.label_id], one.reason] += 1

    def add(
        self, truth: Ids, before: Ids, removal: Removal, after: Ids, control: Ids | None = None
    ) -> float:
        """Count one removal.

        Pixels are compared where neither the object was removed nor the control was changed, so
        that the compared pixels are the same in all three images.

        Args:
            truth: (H, W) true label ids of the whole image.
            before: (H, W) label ids predicted for the whole image.
            removal: What was removed.
            after: (H, W) predicted without the objects.
            control: (H, W) predicted for the control, where there is one.

        Returns:
            Share of the compared pixels that were right before and are wrong after, less the
            share for the control; 0 where no pixel is compared.

        Raises:
            ImageError: Truth and predictions differ in size.
        """
        if not truth.shape == before.shape == after.shape == removal.without.changed.shape:
            raise ImageError(
                f'The truth has shape {truth.shape}, predictions have {before.shape} and '
                f'{after.shape}; expected the same: compare labels at the size of the image.'
            )
        number = self._position[removal.label_id]
        rows, others = self._row[truth], len(self.labels)
        self._removals[number] += 1
        kept = ~removal.without.changed & (rows >= 0)
        if removal.control is not None:
            kept &= ~removal.control.changed
        true = rows[kept]
        columns = [
            columns_of_label_ids(one[kept], self._row, others)
            for one in (before, after, after if control is None else control)
        ]
        self._count_object(number, rows, removal, after)
        present = np.bincount(rows[rows >= 0], minlength=others) > 0
        return self._count_others(number, true, columns, present, control is not None)

    def _count_object(
        self, number: int, rows: NDArray[np.int64], removal: Removal, after: Ids
    ) -> None:
        own = int(self._row[removal.label_id])
        is_object = (rows == own) & removal.without.changed
        self._object_pixels[number] += int(is_object.sum())
        self._still_seen[number] += int((self._row[after[is_object]] == own).sum())

    def _count_others(
        self,
        number: int,
        true: NDArray[np.int64],
        columns: list[NDArray[np.int64]],
        present: NDArray[np.bool_],
        has_control: bool,
    ) -> float:
        count, counts = len(self.labels), self._counts
        pixels = np.bincount(true, minlength=count)
        found = pixels > 0
        counts['images'][number] += found
        counts['vanished'][number] += present & ~found
        counts['pixels'][number] += pixels
        ious = []
        states = ('before', 'after', *(('control',) if has_control else ()))
        for state, predicted in zip(states, columns, strict=False):
            right = np.bincount(true[predicted == true], minlength=count)
            union = pixels + np.bincount(predicted, minlength=count + 1)[:count] - right
            # Of a label that is not true here the union is no error about its pixels.
            counts[f'{state}_right'][number] += right
            counts[f'{state}_union'][number] += np.where(found, union, 0)
            ious.append(right / np.maximum(union, 1))
        counts['hits'][number] += found & (ious[0] - ious[1] > HIT)
        was_right = columns[0] == true
        flips = []
        for name, predicted in (('flipped', columns[1]), ('control_flipped', columns[2])):
            is_flipped = was_right & (predicted != true)
            if name == 'control_flipped' and not has_control:
                is_flipped[:] = False
            counts[name][number] += np.bincount(true[is_flipped], minlength=count)
            flips.append(float(is_flipped.mean()) if len(true) else 0.0)
        self._has_control = self._has_control or has_control
        return flips[0] - flips[1]

    def summary(self) -> dict[str, Any]:
        """Return the scores; shares in [0, 1], differences of IoU in [-1, 1].

        'matrix' has a row for each removed label and a column for each affected one: 'images'
        with both, 'drop' of the affected label's IoU from before to after, of counts pooled over
        these images, 'control_drop' the same for the control, 'context' the first less the
        second, 'flip' the share of the label's pixels that were right before and are wrong after,
        'control_flip', 'hit' the share of images whose IoU falls by more than HIT, and
        'vanished', images in which removal left no pixel of the label. Where there is no control,
        'control_drop' and 'control_flip' are None. 'drop', 'context_dependence', 'flip' and
        'control_flip' are means over the 'pairs' of different labels with at least 'min_images'.
        'hallucination' is the share of an object's pixels that are still predicted as the object.
        """
        matrix = self._matrix()
        pairs = matrix['images'] >= self.min_images
        for number, label in enumerate(self.removed):
            pairs[number, int(self._row[label.label_id])] = False

        def mean(name: str) -> float | None:
            values = matrix[name]
            return float(values[pairs].mean()) if values is not None and pairs.any() else None

        columns = np.flatnonzero(matrix['images'].any(0))
        with np.errstate(invalid='ignore'):
            seen = self._still_seen / self._object_pixels
        return {
            'min_images': self.min_images,
            'pairs': int(pairs.sum()),
            'context_dependence': mean('context'),
            'drop': mean('drop'),
            'control_drop': mean('control_drop'),
            'flip': mean('flip'),
            'control_flip': mean('control_flip'),
            'has_control': self._has_control,
            'removals': self._by_removed(self._removals),
            'hallucination': self._by_removed(seen),
            'left_out': {
                f'{self.removed[number].name}: {reason}': count
                for (number, reason), count in sorted(self._left_out.items())
            },
            'matrix': {
                'rows': [label.name for label in self.removed],
                'columns': [self.labels[column].name for column in columns],
                **{
                    name: None if values is None else values[:, columns].tolist()
                    for name, values in matrix.items()
                },
            },
        }

    def _matrix(self) -> dict[str, Any]:
        counts = self._counts
        with np.errstate(invalid='ignore'):
            iou = {
                state: counts[f'{state}_right'] / counts[f'{state}_union']
                for state in ('before', 'after', 'control')
            }
            flip = counts['flipped'] / counts['pixels']
            control_flip = counts['control_flipped'] / counts['pixels']
            hit = counts['hits'] / counts['images']
        drop = iou['before'] - iou['after']
        control = iou['before'] - iou['control'] if self._has_control else None
        return {
            'images': counts['images'],
            'context': drop if control is None else drop - control,
            'drop': drop,
            'control_drop': control,
            'flip': flip,
            'control_flip': control_flip if self._has_control else None,
            'hit': hit,
            'vanished': counts['vanished'],
        }

    def _by_removed(self, values: NDArray[Any]) -> dict[str, Any]:
        return {
            label.name: value.item() for label, value in zip(self.removed, values, strict=True)
        }
