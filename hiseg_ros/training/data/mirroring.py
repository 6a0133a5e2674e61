# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Mirrored crops: the labels that change sides, and crops that have no mirror image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.taxonomy.mirror import NO_LEAF
from hiseg_ros.training.data.label_table import IGNORED
from hiseg_ros.types import RgbImage

Rows = NDArray[np.int16]
"""(H, W) int16 rows of the label table; -1 = unlabeled."""

NO_MIRROR = -2
"""Entry of a row whose mirror image is no label."""


def mirrored_rows(
    allowed: NDArray[np.generic], own_rows: Sequence[int], mirror_of_leaf: NDArray[np.int64]
) -> NDArray[np.int16]:
    """Return the row of the label table that each row becomes in a mirrored image.

    A coarse label stays true of what has no mirror image itself: a mirrored limit is no limit, but
    it is the front of a sign. So only labels all of whose leaves have none have none either.

    Args:
        allowed: (R, L), not 0 where row r allows leaf l.
        own_rows: Rows of the dataset's labels, among which a mirror image is looked for.
        mirror_of_leaf: (L,) the leaf that a leaf becomes, or NO_LEAF.

    Returns:
        (R,) rows or NO_MIRROR.
    """
    sets = [frozenset(np.flatnonzero(row).tolist()) for row in allowed]
    row_of_set = {sets[row]: row for row in reversed(own_rows)}
    result = np.full(len(sets), NO_MIRROR, np.int16)
    for row, leaves in enumerate(sets):
        images = {leaf: int(mirror_of_leaf[leaf]) for leaf in leaves}
        if set(images.values()) == {NO_LEAF}:
            continue
        mirrored = frozenset(leaf if image == NO_LEAF else image for leaf, image in images.items())
        result[row] = row if mirrored == leaves else row_of_set.get(mirrored, NO_MIRROR)
    return result


def mirror_crop(
    image: RgbImage, rows: Rows, mirror: NDArray[np.int16]
) -> tuple[RgbImage, Rows] | None:
    """Return a crop mirrored left to right, or None if a label in it has no mirror image.

    Such a crop is better shown as it is than mirrored with those pixels unlabeled: it loses no
    label of a rare type, and the network never sees a sign that no street has.

    Args:
        image: (H, W, 3).
        rows: (H, W).
        mirror: (R,) see `mirrored_rows`.
    """
    # One entry more: row -1, unlabeled, stays what it is.
    table = np.append(mirror, np.int16(IGNORED))
    swapped = table[rows[:, ::-1]]
    if (swapped == NO_MIRROR).any():
        return None
    return np.ascontiguousarray(image[:, ::-1]), swapped
