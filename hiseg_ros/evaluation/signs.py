# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Matching of predicted regions with annotated signs, and the metrics of the matches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.types import LabelImage, SubclassMask

FOUND_SHARE = 0.5
"""A sign is found when at least this share of its shape is labelled as a sign."""

SIZE_LIMITS = (24, 32, 64)
"""Longer sides in pixels at which a new group of sizes begins."""

CLEAR_SIZE = 24
"""Longer side in pixels from which a person can tell most types apart."""


@dataclass(frozen=True)
class TrueSign:
    """An annotated sign: its type and the pixels of its shape."""

    node_id: int
    y: int
    x: int
    shape: NDArray[np.bool_]
    """(height, width) bool that fills the sign's box, its top left corner at (y, x)."""

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the box."""
        height, width = self.shape.shape
        return slice(self.y, self.y + height), slice(self.x, self.x + width)


@dataclass(frozen=True)
class SignOutcome:
    """Outcome for one annotated sign."""

    node_id: int
    size: int
    """Longer side of its box in pixels."""
    top: tuple[int, ...] | None
    """Up to three types that its region voted, best first; None where it was not found."""

    @property
    def is_found(self) -> bool:
        """Whether the sign was found."""
        return self.top is not None

    @property
    def is_right(self) -> bool:
        """Whether the sign was found with its type."""
        return self.top is not None and self.top[0] == self.node_id

    @property
    def is_in_three(self) -> bool:
        """Whether the sign was found with its type among the best three."""
        return self.top is not None and self.node_id in self.top


@dataclass(frozen=True)
class RegionOutcome:
    """Outcome for one predicted region of an annotated type."""

    node_id: int
    size: int
    """Longer side of the region's frame in pixels."""
    is_on_sign: bool
    is_right: bool
    """Whether the region lies on a sign of its type."""


def judge_signs(
    truth: Sequence[TrueSign],
    labels: LabelImage,
    masks: Sequence[SubclassMask],
    is_sign: NDArray[np.bool_],
) -> tuple[SignOutcome, ...]:
    """Match the annotated signs of an image with the predicted regions.

    A sign is found when FOUND_SHARE of its shape is labelled as a sign of any kind and a region
    covers part of it; the region that covers most of it votes for it.

    Args:
        truth: The annotated signs.
        labels: (H, W) predicted node ids.
        masks: Predicted regions with their votes.
        is_sign: (256,) whether a node id lies below the subclass root.
    """
    region = _region_of_pixel(labels.shape, masks)
    outcomes = []
    for sign in truth:
        inside = region[sign.window][sign.shape]
        covered = is_sign[labels[sign.window][sign.shape]].mean() >= FOUND_SHARE
        top = None
        if covered and (inside >= 0).any():
            vote = masks[int(np.bincount(inside[inside >= 0]).argmax())]
            top = tuple(node_id for node_id, _ in vote.top)
        outcomes.append(SignOutcome(sign.node_id, max(sign.shape.shape), top))
    return tuple(outcomes)


def judge_regions(
    truth: Sequence[TrueSign],
    size: tuple[int, ...],
    masks: Sequence[SubclassMask],
    counted_types: frozenset[int],
) -> tuple[RegionOutcome, ...]:
    """Match the predicted regions of the counted types with the annotated signs.

    A region lies on a sign when it covers FOUND_SHARE of the sign's shape, or when that share of
    the region lies inside the sign's box: parts of a sign are no false alarms.

    Args:
        truth: The annotated signs.
        size: (H, W) of the image.
        masks: Predicted regions with their votes.
        counted_types: Node ids of the annotated types; only regions voted one of these can be
            wrong, since signs of other kinds are not annotated.
    """
    region = _region_of_pixel(size, masks)
    types_below: list[set[int]] = [set() for _ in masks]
    for sign in truth:
        box = region[sign.window]
        in_box = np.bincount(box[box >= 0], minlength=len(masks))
        shape = box[sign.shape]
        in_shape = np.bincount(shape[shape >= 0], minlength=len(masks))
        for index in np.flatnonzero(in_box).tolist():
            covers = in_shape[index] >= FOUND_SHARE * sign.shape.sum()
            if covers or in_box[index] >= FOUND_SHARE * masks[index].area:
                types_below[index].add(sign.node_id)
    return tuple(
        RegionOutcome(mask.node_id, max(mask.roi[2:]), bool(types), mask.node_id in types)
        for mask, types in zip(masks, types_below, strict=True)
        if mask.node_id in counted_types
    )


def _region_of_pixel(size: tuple[int, ...], masks: Sequence[SubclassMask]) -> NDArray[np.int32]:
    """Return the (H, W) index of each pixel's region, -1 where there is none."""
    region = np.full(size, -1, np.int32)
    for index, mask in enumerate(masks):
        y, x, height, width = mask.roi
        region[y : y + height, x : x + width][mask.mask] = index
    return region


def size_groups() -> tuple[tuple[str, int, float], ...]:
    """Return (name, least size, size that it is below) of each group of sizes, in pixels."""
    edges = (0, *SIZE_LIMITS, float('inf'))
    names = [f'below {SIZE_LIMITS[0]} px']
    names += [
        f'{low} to {high - 1} px'
        for low, high in zip(SIZE_LIMITS[:-1], SIZE_LIMITS[1:], strict=True)
    ]
    names.append(f'{SIZE_LIMITS[-1]} px and more')
    ends = zip(names, edges[:-1], edges[1:], strict=True)
    return tuple((name, int(low), high) for name, low, high in ends)


def ratio(part: float, whole: float) -> float | None:
    """Return a share in [0, 1], or None if the whole is 0."""
    return round(part / whole, 4) if whole else None


def sign_metrics(
    signs: Sequence[SignOutcome], regions: Sequence[RegionOutcome]
) -> dict[str, object]:
    """Return recall, type accuracy among found signs, and precision of regions, in [0, 1]."""
    found = sum(sign.is_found for sign in signs)
    right = sum(sign.is_right for sign in signs)
    return {
        'signs': len(signs),
        'recall': ratio(found, len(signs)),
        'type_accuracy_of_found': ratio(right, found),
        'type_in_best_three_of_found': ratio(sum(sign.is_in_three for sign in signs), found),
        'found_with_right_type': ratio(right, len(signs)),
        'regions': len(regions),
        'precision': ratio(sum(region.is_on_sign for region in regions), len(regions)),
        'precision_with_right_type': ratio(
            sum(region.is_right for region in regions), len(regions)
        ),
    }
