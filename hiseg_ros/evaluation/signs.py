# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Sign by sign: which boxes were found, which got the right type, which regions were wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.types import LabelImage, SubclassMask

FOUND_SHARE = 0.5
"""A sign is found when at least this share of its shape is labelled as a sign."""

SIZE_LIMITS = (32, 64)
"""Longer box sides in pixels that part small, medium and large signs."""


@dataclass(frozen=True)
class TrueSign:
    """An annotated sign: its type and the pixels of its shape."""

    node_id: int
    y: int
    x: int
    shape: NDArray[np.bool_]
    """(height, width) bool, its top left corner at (y, x)."""


@dataclass
class SignCounts:
    """Counts over images; each list has small, medium and large signs."""

    signs: list[int] = field(default_factory=lambda: [0, 0, 0])
    found: list[int] = field(default_factory=lambda: [0, 0, 0])
    right_type: list[int] = field(default_factory=lambda: [0, 0, 0])
    right_in_three: list[int] = field(default_factory=lambda: [0, 0, 0])
    regions: int = 0
    regions_on_signs: int = 0

    def add(
        self,
        truth: Sequence[TrueSign],
        labels: LabelImage,
        masks: Sequence[SubclassMask],
        is_sign: NDArray[np.bool_],
        counted_types: frozenset[int],
    ) -> None:
        """Count one image.

        Args:
            truth: Its annotated signs.
            labels: (H, W) predicted node ids.
            masks: Predicted regions with their votes.
            is_sign: (256,) whether a node id lies below the subclass root.
            counted_types: Node ids of the annotated types; only regions voted one of these can
                be wrong, since signs of other kinds are not annotated.
        """
        sign_pixels = is_sign[labels]
        region_of_pixel = np.full(labels.shape, -1, np.int32)
        for index, mask in enumerate(masks):
            y, x, height, width = mask.roi
            region_of_pixel[y : y + height, x : x + width][mask.mask] = index
        hit: set[int] = set()
        for sign in truth:
            height, width = sign.shape.shape
            window = (slice(sign.y, sign.y + height), slice(sign.x, sign.x + width))
            size = int(np.searchsorted(SIZE_LIMITS, max(height, width), side='right'))
            self.signs[size] += 1
            inside = region_of_pixel[window][sign.shape]
            hit.update(int(index) for index in np.unique(inside) if index >= 0)
            if sign_pixels[window][sign.shape].mean() < FOUND_SHARE or not (inside >= 0).any():
                continue
            self.found[size] += 1
            vote = masks[int(np.bincount(inside[inside >= 0]).argmax())]
            self.right_type[size] += vote.node_id == sign.node_id
            self.right_in_three[size] += sign.node_id in [node_id for node_id, _ in vote.top]
        for index, mask in enumerate(masks):
            if mask.node_id in counted_types:
                self.regions += 1
                self.regions_on_signs += index in hit

    def summary(self) -> dict[str, object]:
        """Return recall, type accuracy among found signs, and precision of regions, in [0, 1]."""

        def ratio(part: float, whole: float) -> float | None:
            return round(part / whole, 4) if whole else None

        names = ('small', 'medium', 'large')
        return {
            'signs': sum(self.signs),
            'recall': ratio(sum(self.found), sum(self.signs)),
            'type_accuracy_of_found': ratio(sum(self.right_type), sum(self.found)),
            'type_in_best_three_of_found': ratio(sum(self.right_in_three), sum(self.found)),
            'found_with_right_type': ratio(sum(self.right_type), sum(self.signs)),
            'precision': ratio(self.regions_on_signs, self.regions),
            'by_size': {
                name: {
                    'signs': self.signs[i],
                    'recall': ratio(self.found[i], self.signs[i]),
                    'type_accuracy_of_found': ratio(self.right_type[i], self.found[i]),
                }
                for i, name in enumerate(names)
            },
        }
