# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Pixel labels from boxes and image tags: the share of each class among overlapping boxes."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.datasets.sample import FIRST_MIXTURE, LAST_MIXTURE
from hiseg_ros.types import UNLABELED, ImageSize

EXACT_BOXES = 6
"""Largest number of boxes over a pixel for which the shares are exact."""

ROUNDED_TO = 12
"""With more boxes the shares are rounded to twelfths: fewer mixtures for the label table."""


@dataclass(frozen=True)
class RelativeBox:
    """A box in coordinates relative to the width and height of the image, in [0, 1]."""

    x1: float
    y1: float
    x2: float
    y2: float
    label_id: int


@dataclass(frozen=True)
class WeakLabels:
    """The labels of an image on a grid whose lines are the sides of its boxes."""

    columns: NDArray[np.float64]
    """Vertical lines of the grid from 0 to 1, ascending."""
    rows: NDArray[np.float64]
    """Horizontal lines of the grid."""
    values: NDArray[np.uint8]
    """(rows - 1, columns - 1) label id, mixture or UNLABELED of each cell."""
    mixtures: Mapping[int, Mapping[int, float]]
    """Share of each label id by mixture."""

    def label_ids(self, size: ImageSize) -> NDArray[np.uint8]:
        """Return the (H, W) uint8 labels of an image; a pixel has the label of its centre."""
        down, across = (
            np.searchsorted(lines, (np.arange(count) + 0.5) / count, 'right') - 1
            for lines, count in zip((self.rows, self.columns), size, strict=True)
        )
        return self.values[np.ix_(down, across)]


def weak_labels(boxes: Sequence[RelativeBox], tags: Collection[int]) -> WeakLabels:
    """Return the labels that the boxes of an image give, or where it has none its tags.

    Two boxes of one class and one of another over a pixel give it the shares 2/3 and 1/3; a pixel
    in no box is unlabeled. Tags give every pixel equal shares. The mixtures of an image get values
    in order of their area; where there are more than 55, the smallest are left unlabeled.

    Args:
        boxes: Objects with their boxes.
        tags: Label ids of objects somewhere in the image.
    """
    if boxes:
        return _of_boxes(boxes)
    whole = np.array([0.0, 1.0])
    ids = sorted(set(tags))
    value = UNLABELED if not ids else ids[0] if len(ids) == 1 else FIRST_MIXTURE
    mixtures = {FIRST_MIXTURE: {i: 1 / len(ids) for i in ids}} if len(ids) > 1 else {}
    return WeakLabels(whole, whole, np.array([[value]], np.uint8), mixtures)


def _of_boxes(boxes: Sequence[RelativeBox]) -> WeakLabels:
    columns = np.unique([0.0, 1.0, *(x for box in boxes for x in (box.x1, box.x2))])
    rows = np.unique([0.0, 1.0, *(y for box in boxes for y in (box.y1, box.y2))])
    ids = sorted({box.label_id for box in boxes})
    counts = np.zeros((len(rows) - 1, len(columns) - 1, len(ids)), np.int64)
    for box in boxes:
        top, bottom = np.searchsorted(rows, (box.y1, box.y2))
        left, right = np.searchsorted(columns, (box.x1, box.x2))
        counts[top:bottom, left:right, ids.index(box.label_id)] += 1
    found, cell_of = np.unique(counts.reshape(-1, len(ids)), axis=0, return_inverse=True)
    parts = [_reduced(row.tolist()) for row in found]
    area = np.zeros(len(found))
    np.add.at(area, cell_of.reshape(-1), np.outer(np.diff(rows), np.diff(columns)).reshape(-1))
    areas: dict[tuple[int, ...], float] = {}
    for row, size in zip(parts, area, strict=True):
        areas[row] = areas.get(row, 0.0) + float(size)
    several = [row for row in areas if np.count_nonzero(row) > 1]
    ranked = sorted(several, key=lambda row: (-areas[row], row))
    kept = ranked[: LAST_MIXTURE - FIRST_MIXTURE + 1]
    value_of = {row: FIRST_MIXTURE + place for place, row in enumerate(kept)}
    value_of |= {row: ids[int(np.argmax(row))] for row in areas if np.count_nonzero(row) == 1}
    values = np.array([value_of.get(row, UNLABELED) for row in parts], np.uint8)
    mixtures = {
        value_of[row]: {
            label_id: count / sum(row) for label_id, count in zip(ids, row, strict=True) if count
        }
        for row in kept
    }
    return WeakLabels(
        columns, rows, values[cell_of.reshape(-1)].reshape(counts.shape[:2]), mixtures
    )


def _reduced(counts: Sequence[int]) -> tuple[int, ...]:
    """Return the smallest counts with the same shares; of many boxes rounded."""
    total = sum(counts)
    if total > EXACT_BOXES:
        exact = [count * ROUNDED_TO / total for count in counts]
        rounded = [math.floor(value) for value in exact]
        # The rest after rounding down goes to the largest remainders.
        order = sorted(range(len(counts)), key=lambda i: rounded[i] - exact[i])
        for place in order[: ROUNDED_TO - sum(rounded)]:
            rounded[place] += 1
        counts = rounded
    divisor = math.gcd(*counts) or 1
    return tuple(count // divisor for count in counts)
