# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What is below a cut of the tree is read at the points that are said, and tiles hold them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiseg_ros.taxonomy import load_taxonomy

cut_planes = pytest.importorskip('hiseg_ros.decision.cut_planes')
decide_sparse = pytest.importorskip('hiseg_ros.decision.sparse').decide_sparse
DecisionTables = pytest.importorskip('hiseg_ros.decision.tables').DecisionTables

TAXONOMY = load_taxonomy('street')
FRONT, HUMAN = (TAXONOMY.node_id(name) for name in ('Traffic Sign (Front)', 'Human'))


def softmax(logits: np.ndarray) -> np.ndarray:
    odds = np.exp(logits)
    return (odds / odds.sum(0)).astype(np.float32)


def filled(
    cuts: tuple[int, ...], seed: int, spread: float, grid: tuple[int, int]
) -> tuple[cut_planes.CutPlanes, np.ndarray, np.ndarray]:
    """Return planes with everything filled, the frontier, and all shares one after the other."""
    rng = np.random.default_rng(seed)
    planes = cut_planes.CutPlanes(TAXONOMY, cuts)
    logits = rng.normal(0, spread, (len(planes.frontier), *grid))
    favoured = [planes.frontier.index(cut) for cut in planes.cuts]
    logits[favoured] += rng.normal(0, 2 * spread, (len(favoured), *grid))
    frontier = softmax(logits)
    shares = [softmax(rng.normal(0, spread, (len(one), *grid))) for one in planes.leaves]
    planes.above(frontier)
    planes.fill(shares, cut_planes.whole(*grid))
    return planes, frontier, np.concatenate(shares)


@pytest.mark.parametrize('cuts', [(FRONT,), (HUMAN, FRONT), (FRONT, HUMAN)])
def test_a_node_is_the_sum_of_its_leaves(cuts: tuple[int, ...]) -> None:
    """A leaf below a cut is its share of the cut; other leaves are those of the softmax."""
    planes, frontier, shares = filled(cuts, 1, 2.0, (5, 7))
    values = planes.above(frontier).copy()
    assert (values[planes.below] == 0).all()
    split = np.split(shares, np.cumsum([len(one) for one in planes.leaves])[:-1])
    planes.fill(split, cut_planes.whole(5, 7))
    values = planes._planes
    leaf = np.zeros((len(TAXONOMY), 5, 7))
    for row, node in enumerate(planes.frontier):
        leaf[node] = frontier[row]
    for cut, leaves, own in zip(planes.cuts, planes.leaves, split, strict=True):
        whole = leaf[cut].copy()
        leaf[cut] = 0
        leaf[list(leaves)] = whole * own
    for node in range(len(TAXONOMY)):
        expected = leaf[list(TAXONOMY.leaves_below(node))].sum(0)
        np.testing.assert_allclose(values[node], expected, atol=1e-6)
    assert values[0].max() <= 1


@settings(max_examples=60, deadline=None)
@given(
    cuts=st.sampled_from([(FRONT,), (HUMAN, FRONT)]),
    seed=st.integers(0, 10**6),
    spread=st.sampled_from([0.0, 0.5, 3.0]),
    grid=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    threshold=st.sampled_from([0.0, 0.4, 0.9]),
)
def test_labels_read_what_is_needed_and_nothing_else(
    cuts: tuple[int, ...], seed: int, spread: float, grid: tuple[int, int], threshold: float
) -> None:
    """Everything else below the cuts is no number; with a spread of 0 all siblings are equal."""
    planes, _, _ = filled(cuts, seed, spread, grid)
    values = planes._planes
    tables = DecisionTables.of(TAXONOMY)
    size = (grid[0] * 5 + 1, grid[1] * 4)
    expected = decide_sparse(values.copy(), tables, size, threshold)
    needed = planes.needed(values)
    poor = values.copy()
    for node in planes.below:
        poor[node][~needed] = np.nan
    found = decide_sparse(poor, tables, size, threshold)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


def test_few_points_are_needed_where_few_can_be_a_sign() -> None:
    """Those of the cells around one point that is a sign, and all below a node that is asked."""
    planes = cut_planes.CutPlanes(TAXONOMY, [FRONT])
    logits = np.zeros((len(planes.frontier), 9, 9))
    back = planes.frontier.index(TAXONOMY.node_id('Traffic Sign (Back)'))
    logits[planes.frontier.index(TAXONOMY.node_id('Building'))] = 9
    front = planes.frontier.index(FRONT)
    logits[front, 4, 5] = 20
    logits[back], logits[back, 1, 1] = 1, 20
    values = planes.above(softmax(logits))
    needed = planes.needed(values)
    expected = np.zeros((9, 9), bool)
    expected[3:6, 4:7] = True
    np.testing.assert_array_equal(needed, expected)
    expected[0:3, 0:3] = True
    sign = TAXONOMY.parent(FRONT)
    np.testing.assert_array_equal(planes.needed(values, sign), expected)
    np.testing.assert_array_equal(planes.needed(values, FRONT), needed)


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    share=st.sampled_from([0.0, 0.01, 0.1, 1.0]),
    grid=st.tuples(st.integers(12, 40), st.integers(12, 40)),
    before=st.integers(0, 5),
    after=st.integers(0, 4),
)
def test_tiles_hold_all_points_in_their_valid_parts(
    seed: int, share: float, grid: tuple[int, int], before: int, after: int
) -> None:
    """Each lies in the grid, and what is valid is far enough from sides inside it."""
    needed = np.random.default_rng(seed).random(grid) < share
    held = np.zeros(grid, bool)
    tiles = list(cut_planes.tiles_over(needed, 12, cut_planes.Reach(before, after)))
    assert bool(tiles) == needed.any()
    for tile in tiles:
        for start, valid, length in zip(
            (tile.top, tile.left), (tile.rows, tile.columns), grid, strict=True
        ):
            assert 0 <= start <= length - 12
            assert valid.start == 0 if start == 0 else valid.start >= start + before
            assert (
                valid.stop == length
                if start + 12 == length
                else (valid.stop <= start + 12 - after)
            )
            assert start <= valid.start < valid.stop <= start + 12
        held[tile.rows, tile.columns] = True
    assert not (needed & ~held).any()


def test_one_tile_holds_a_sign() -> None:
    """Wherever it lies, and wider below than above."""
    reach = cut_planes.Reach(5, 4)
    for top, left in ((0, 0), (9, 30), (50, 100), (30, 0)):
        needed = np.zeros((64, 128), bool)
        needed[top : top + 12, left : left + 12] = True
        needed[top, left : left + 5] = False
        assert len(list(cut_planes.tiles_over(needed, 21, reach))) == 1
