# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Mirrored crops: labels that change sides, and crops that cannot be mirrored."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.taxonomy.mirror import NO_LEAF
from hiseg_ros.training.data.label_table import IGNORED
from hiseg_ros.types import RgbImage

LabelSetIds = NDArray[np.int16]
"""(H, W) int16 ids of label sets in the label table; -1 = unlabeled."""

NO_MIRROR = -2
"""Entry of a label set without a mirror image."""


def mirrored_label_sets(
    allowed: NDArray[np.generic], own_ids: Sequence[int], mirror_of_leaf: NDArray[np.int64]
) -> NDArray[np.int16]:
    """Return the label set that each label set becomes in a mirrored image.

    A coarse label remains valid where its leaves have no mirror image: a mirrored speed limit is
    not a speed limit, but still the front of a sign. Only labels whose leaves all have no mirror
    image have none either.

    Args:
        allowed: (S, L), not 0 where label set s allows leaf l.
        own_ids: Label sets of the dataset, among which the mirror image is looked up.
        mirror_of_leaf: (L,) the leaf that a leaf becomes, or NO_LEAF.

    Returns:
        (S,) ids of label sets, or NO_MIRROR.
    """
    sets = [frozenset(np.flatnonzero(leaves).tolist()) for leaves in allowed]
    id_of_set = {sets[own]: own for own in reversed(own_ids)}
    result = np.full(len(sets), NO_MIRROR, np.int16)
    for set_id, leaves in enumerate(sets):
        images = {leaf: int(mirror_of_leaf[leaf]) for leaf in leaves}
        if set(images.values()) == {NO_LEAF}:
            continue
        mirrored = frozenset(leaf if image == NO_LEAF else image for leaf, image in images.items())
        result[set_id] = set_id if mirrored == leaves else id_of_set.get(mirrored, NO_MIRROR)
    return result


def mirror_crop(
    image: RgbImage, label_set_ids: LabelSetIds, mirror: NDArray[np.int16]
) -> tuple[RgbImage, LabelSetIds] | None:
    """Return a crop mirrored left to right, or None if a label in it has no mirror image.

    Such a crop is used unmirrored, rather than mirrored with those pixels unlabeled: labels of
    rare types are kept, and the network never sees signs that do not exist.

    Args:
        image: (H, W, 3).
        label_set_ids: (H, W) label set of each pixel.
        mirror: (S,) see `mirrored_label_sets`.
    """
    # One entry more: -1, unlabeled, stays what it is.
    table = np.append(mirror, np.int16(IGNORED))
    swapped = table[label_set_ids[:, ::-1]]
    if (swapped == NO_MIRROR).any():
        return None
    return np.ascontiguousarray(image[:, ::-1]), swapped
