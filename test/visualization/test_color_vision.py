# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The most common classes can be told apart whatever colours a person sees."""

from __future__ import annotations

import numpy as np
import pytest
from color_vision import VISIONS, ciede2000, smallest_difference

from hiseg_ros.taxonomy import load_taxonomy

MOST_COMMON = (
    'Sky', 'Road', 'Vegetation', 'Building', 'Service Lane', 'Car', 'Sidewalk', 'Fence',
    'Lane Marking - Crosswalk', 'Terrain',
)  # fmt: skip
"""By mean share of the pixels that the shipped weights give them, see docs/visualization.md."""

WITH_THE_NEXT = (*MOST_COMMON, 'Lane Marking - General', 'Pole', 'Person', 'Bicycle')

PUBLISHED = (
    ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
    ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0000),
    ((50, 0, 0), (50, -1, 2), 2.3669),
    ((50, 2.49, -0.001), (50, -2.49, 0.0009), 7.1792),
    ((50, 2.49, -0.001), (50, -2.49, 0.0011), 7.2195),
    ((50, -0.001, 2.49), (50, 0.0009, -2.49), 4.8045),
    ((50, 2.5, 0), (73, 25, -18), 27.1492),
    ((50, 2.5, 0), (56, -27, -3), 31.9030),
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
)
"""Pairs of L*a*b* and their difference: Sharma, Wu, Dalal, "The CIEDE2000 Color-Difference
Formula", Color Research and Application 30 (1), 2005, table 1."""


def colors(names: tuple[str, ...], taxonomy: str = 'street') -> np.ndarray:
    """Return (N, 3) colours of a tree's nodes."""
    tree = load_taxonomy(taxonomy)
    return np.array([tree.nodes[tree.node_id(name)].color for name in names], float)


@pytest.mark.parametrize(('one', 'other', 'difference'), PUBLISHED)
def test_the_colour_difference_is_the_published_one(
    one: tuple[float, ...], other: tuple[float, ...], difference: float
) -> None:
    """In both directions, around the corners of the formula."""
    pair = np.array(one, float), np.array(other, float)
    assert ciede2000(*pair) == pytest.approx(difference, abs=5e-5)
    assert ciede2000(*reversed(pair)) == pytest.approx(difference, abs=5e-5)


@pytest.mark.parametrize('vision', VISIONS)
@pytest.mark.parametrize('taxonomy', ['street', 'iv2018'])
def test_the_ten_most_common_classes_differ_by_10_or_more(taxonomy: str, vision: str) -> None:
    """A difference of 1 is about the smallest that is seen side by side."""
    found, first, second = smallest_difference(colors(MOST_COMMON, taxonomy), vision)
    assert found >= 10, (MOST_COMMON[first], MOST_COMMON[second])


@pytest.mark.parametrize('vision', VISIONS)
@pytest.mark.parametrize('background', [60, 120, 190])
def test_they_still_differ_by_5_in_an_overlay(background: int, vision: str) -> None:
    """Half of the colour over dark, middle and light grey."""
    blended = colors(MOST_COMMON) / 2 + background / 2
    found, first, second = smallest_difference(blended, vision)
    assert found >= 5, (MOST_COMMON[first], MOST_COMMON[second])


@pytest.mark.parametrize('vision', VISIONS)
def test_the_next_four_classes_keep_away_too(vision: str) -> None:
    """A person in front of a hedge is not hidden by the colours of both."""
    found, first, second = smallest_difference(colors(WITH_THE_NEXT), vision)
    assert found >= 8, (WITH_THE_NEXT[first], WITH_THE_NEXT[second])


def test_the_colours_of_earlier_versions_fail_this_check() -> None:
    """What the check is for: two kinds of road surface looked the same."""
    earlier = np.array([(128, 64, 128), (115, 90, 135)], float)
    assert smallest_difference(earlier, 'deuteranopia')[0] < 4
