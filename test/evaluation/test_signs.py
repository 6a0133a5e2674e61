# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Sign by sign counting."""

from __future__ import annotations

import numpy as np
import pytest

from hiseg_ros.evaluation.signs import (
    TrueSign,
    judge_regions,
    judge_signs,
    sign_metrics,
    size_groups,
)
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
    labels = labels_of(*regions)
    return sign_metrics(
        judge_signs(truth, labels, regions, IS_SIGN),
        judge_regions(truth, labels.shape, regions, TYPES),
    )


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


@pytest.mark.parametrize(('offset', 'is_on'), [(0, True), (9, True), (11, False), (30, False)])
def test_a_region_lies_on_a_sign_when_half_of_it_does(offset: int, is_on: bool) -> None:
    """A region beside a sign that only touches it is a false alarm."""
    truth = [TrueSign(SIGN, 30, 30, SQUARE)]
    scores = count(truth, [region(30, 30 + offset, 20, SIGN)])
    assert scores['precision'] == float(is_on)


def test_a_region_far_larger_than_the_sign_that_it_covers_is_no_false_alarm() -> None:
    """It finds the sign; that it says too much costs mask IoU."""
    scores = count([TrueSign(SIGN, 40, 40, np.ones((10, 10), bool))], [region(20, 20, 60, SIGN)])
    assert (scores['recall'], scores['precision']) == (1, 1)


def test_the_parts_of_one_sign_are_no_false_alarms_and_the_largest_votes() -> None:
    """Three quarters are labelled, in two pieces."""
    truth = [TrueSign(SIGN, 10, 10, SQUARE)]
    large = SubclassMask(
        SIGN, 9, 0.9, ((SIGN, 0.9),), (10, 10, 10, 20), np.ones((10, 20), bool), 200
    )
    scores = count(truth, [large, region(21, 10, 9, OTHER_TYPE)])
    assert (scores['recall'], scores['type_accuracy_of_found'], scores['precision']) == (1, 1, 1)
    assert scores['precision_with_right_type'] == 0.5


def test_a_box_corner_outside_the_shape_counts_neither_for_nor_against_finding() -> None:
    """Only the lower left half of the box is the sign; all of that is covered."""
    shape = np.tri(20, dtype=bool)
    labels = np.full((100, 100), BACKGROUND, np.uint8)
    labels[10:30, 10:30][shape] = SIGN
    found = SubclassMask(SIGN, 9, 0.9, ((SIGN, 0.9),), (10, 10, 20, 20), shape, int(shape.sum()))
    (outcome,) = judge_signs([TrueSign(SIGN, 10, 10, shape)], labels, [found], IS_SIGN)
    assert outcome.is_found
    assert outcome.size == 20


def test_a_sign_under_a_region_that_was_too_small_to_report_is_missed() -> None:
    """The node publishes no vote for it."""
    labels = labels_of(region(10, 10, 4, SIGN))
    truth = [TrueSign(SIGN, 10, 10, np.ones((4, 4), bool))]
    (outcome,) = judge_signs(truth, labels, [], IS_SIGN)
    assert not outcome.is_found


@pytest.mark.parametrize(
    ('side', 'group'),
    [
        (16, 'below 24 px'),
        (23, 'below 24 px'),
        (24, '24 to 31 px'),
        (32, '32 to 63 px'),
        (63, '32 to 63 px'),
        (64, '64 px and more'),
        (500, '64 px and more'),
    ],
)
def test_signs_are_parted_by_their_longer_side(side: int, group: str) -> None:
    """Every size belongs to exactly one group."""
    (outcome,) = judge_signs(
        [TrueSign(SIGN, 0, 0, np.ones((side, 4), bool))], np.zeros((600, 8), np.uint8), [], IS_SIGN
    )
    assert [name for name, low, high in size_groups() if low <= outcome.size < high] == [group]
