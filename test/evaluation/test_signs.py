# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Sign by sign counting."""

from __future__ import annotations

import numpy as np

from hiseg_ros.evaluation.signs import SignCounts, TrueSign
from hiseg_ros.types import SubclassMask

SIGN, OTHER_TYPE, BACKGROUND = 10, 11, 0
IS_SIGN = np.zeros(256, bool)
IS_SIGN[[SIGN, OTHER_TYPE]] = True
TYPES = frozenset({SIGN, OTHER_TYPE})


def region(y: int, x: int, side: int, node_id: int) -> SubclassMask:
    """Return a square region voted as one type."""
    mask = np.ones((side, side), bool)
    top = ((node_id, 0.9), (SIGN + OTHER_TYPE - node_id, 0.1))
    return SubclassMask(node_id, 9, 0.9, top, (y, x, side, side), mask, side * side)


def labels_of(*regions: SubclassMask) -> np.ndarray:
    """Return a (100, 100) label image that shows the regions."""
    labels = np.full((100, 100), BACKGROUND, np.uint8)
    for item in regions:
        y, x, height, width = item.roi
        labels[y : y + height, x : x + width][item.mask] = item.node_id
    return labels


def count(truth: list[TrueSign], regions: list[SubclassMask]) -> dict[str, object]:
    """Return the scores of one image."""
    counts = SignCounts()
    counts.add(truth, labels_of(*regions), regions, IS_SIGN, TYPES)
    return counts.summary()


SQUARE = np.ones((20, 20), bool)


def test_a_covered_sign_with_the_right_vote_counts_everywhere() -> None:
    """Recall, type and precision are all 1."""
    scores = count([TrueSign(SIGN, 10, 10, SQUARE)], [region(10, 10, 20, SIGN)])
    assert (scores['recall'], scores['type_accuracy_of_found'], scores['precision']) == (1, 1, 1)


def test_a_found_sign_of_the_wrong_type_counts_as_found_only() -> None:
    """Its true type is still among the best three."""
    scores = count([TrueSign(SIGN, 10, 10, SQUARE)], [region(10, 10, 20, OTHER_TYPE)])
    assert scores['recall'] == 1
    assert scores['type_accuracy_of_found'] == 0
    assert scores['type_in_best_three_of_found'] == 1
    assert scores['found_with_right_type'] == 0


def test_a_sign_covered_by_less_than_half_is_missed() -> None:
    """A quarter of the shape does not find a sign."""
    scores = count([TrueSign(SIGN, 10, 10, SQUARE)], [region(20, 20, 20, SIGN)])
    assert scores['recall'] == 0
    assert scores['type_accuracy_of_found'] is None


def test_a_region_away_from_every_sign_lowers_precision() -> None:
    """One of two regions lies on a sign."""
    regions = [region(10, 10, 20, SIGN), region(60, 60, 20, OTHER_TYPE)]
    assert count([TrueSign(SIGN, 10, 10, SQUARE)], regions)['precision'] == 0.5


def test_a_region_of_a_kind_that_is_not_annotated_is_no_false_alarm() -> None:
    """Signs of other kinds are not in the truth."""
    unknown = region(60, 60, 20, 12)
    scores = count([TrueSign(SIGN, 10, 10, SQUARE)], [region(10, 10, 20, SIGN), unknown])
    assert scores['precision'] == 1


def test_signs_are_parted_by_their_longer_side() -> None:
    """16 is small, 40 medium, 90 large."""
    truth = [TrueSign(SIGN, 0, 0, np.ones((side, 4), bool)) for side in (16, 40, 90)]
    sizes = count(truth, [])['by_size']
    assert isinstance(sizes, dict)
    assert [sizes[name]['signs'] for name in ('small', 'medium', 'large')] == [1, 1, 1]
