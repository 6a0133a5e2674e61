# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What speaks for a frame, and the choice: doubt on the tree, ranks, drives, distances."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from hiseg_ros.errors import ConfigError
from hiseg_ros.mining.doubt import TreeDoubt
from hiseg_ros.mining.mine import drives_of
from hiseg_ros.mining.project import file_stems
from hiseg_ros.mining.scores import FrameScore
from hiseg_ros.mining.selection import (
    Candidate,
    Weights,
    quotas,
    ranks_of,
    rarity_of,
    select,
)
from hiseg_ros.taxonomy import Taxonomy, load_taxonomy


@pytest.fixture(scope='module')
def street() -> Taxonomy:
    return load_taxonomy('street')


def nodes_of(taxonomy: Taxonomy, shares: dict[str, float]) -> NDArray[np.float32]:
    """Return (V, 1, 1) node probabilities of leaves by name."""
    leaves = np.zeros(len(taxonomy.leaves), np.float32)
    for name, share in shares.items():
        leaves[taxonomy.leaf_index_of_node_id[taxonomy.node_id(name)]] = share
    return (taxonomy.leaf_matrix().astype(np.float32) @ leaves)[:, None, None]


# Doubt.


def test_doubt_between_vehicle_and_person_counts_more_than_between_two_vehicles(
    street: Taxonomy,
) -> None:
    """On the leaves both are the same: two of them with one half each."""
    doubt = TreeDoubt(street)
    kinds = nodes_of(street, {'Car': 0.5, 'Caravan': 0.5})
    things = nodes_of(street, {'Car': 0.5, 'Person': 0.5})
    for measure in (doubt.entropy, doubt.margin, doubt):
        assert 0 < 4 * measure(kinds)[0, 0] < measure(things)[0, 0]


def test_certainty_is_0_and_the_largest_doubt_is_1(street: Taxonomy) -> None:
    doubt = TreeDoubt(street)
    certain = nodes_of(street, {'Car': 1.0})
    assert doubt.entropy(certain)[0, 0] == 0 and doubt.margin(certain)[0, 0] == 0
    even = np.zeros((len(street), 1, 1), np.float32)
    even[0] = 1
    for node in street.nodes[1:]:
        parent = node.parent or 0
        even[node.node_id] = even[parent] / len(street.children(parent))
    # Not every branch is as deep as the tree, so that the mean over the levels is below 1.
    assert 0.8 < doubt.entropy(even)[0, 0] <= 1
    assert 0.8 < doubt.margin(even)[0, 0] <= 1


def test_the_linear_form_is_the_entropy_of_the_decisions(small_taxonomy: Taxonomy) -> None:
    """Against the sum over nodes as the docstring defines it."""
    rng = np.random.default_rng(1)
    leaves = rng.random((len(small_taxonomy.leaves), 3, 4)) ** 3
    leaves /= leaves.sum(0)
    values = np.tensordot(small_taxonomy.leaf_matrix().astype(float), leaves, 1)
    expected, margin, total = np.zeros((3, 4)), np.zeros((3, 4)), 0.0
    levels = set()
    for node in small_taxonomy.inner:
        children = values[list(small_taxonomy.children(node))] / values[node]
        weight = 2.0 ** -small_taxonomy.level(node) * values[node]
        expected += weight * -(children * np.log(children)).sum(0) / np.log(len(children))
        ordered = np.sort(children, 0)
        margin += weight * (1 - (ordered[-1] - ordered[-2]))
        levels.add(small_taxonomy.level(node))
    total = sum(2.0**-level for level in levels)
    doubt = TreeDoubt(small_taxonomy)
    found = values.astype(np.float32)
    np.testing.assert_allclose(doubt.entropy(found), expected / total, atol=1e-5)
    np.testing.assert_allclose(doubt.margin(found), margin / total, atol=1e-5)


# The choice.


def score(
    number: int,
    doubt: float = 0.1,
    flicker: float | None = None,
    shares: dict[int, float] | None = None,
    time_s: float | None = None,
) -> FrameScore:
    time_ns = None if time_s is None else round(time_s * 1e9)
    return FrameScore(number, f'{number}', time_ns, doubt, doubt, flicker, shares or {1: 1.0})


def pool(scores: list[FrameScore], drive: str = 'a', source: int = 0) -> list[Candidate]:
    return [Candidate(source, drive, one) for one in scores]


def on_circle(degrees: list[float]) -> NDArray[np.float32]:
    """Return features around a mean of 0, one for each angle."""
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)


def test_ranks_are_shares_of_the_pool_and_equal_values_share_one() -> None:
    found = ranks_of(np.array([0.3, 0.1, np.nan, 0.3, 0.9]))
    np.testing.assert_allclose(found, [0.5, 0.0, np.nan, 0.5, 1.0])
    np.testing.assert_allclose(ranks_of(np.array([0.2])), [0.5])


def test_a_frame_with_a_rare_label_is_ahead_of_one_with_more_of_a_common_one() -> None:
    scores = [score(n, shares={1: 0.99, 2: 0.01}) for n in range(9)]
    scores[3] = score(3, shares={1: 0.90, 3: 0.10})
    scores[5] = score(5, shares={1: 1.0})
    rarity, ids, ratios = rarity_of(scores)
    assert ids == [1, 2, 3]
    assert rarity.argmax() == 3
    assert rarity[5] == rarity.min()
    assert ratios[3, 2] == pytest.approx(9.0)


@pytest.mark.parametrize(
    ('sizes', 'count', 'expected'),
    [
        ({'a': 10, 'b': 10}, 6, {'a': 3, 'b': 3}),
        ({'a': 2, 'b': 100, 'c': 100}, 20, {'a': 2, 'b': 9, 'c': 9}),
        ({'a': 5, 'b': 5, 'c': 5}, 4, {'a': 2, 'b': 1, 'c': 1}),
        ({'a': 1, 'b': 2}, 3, {'a': 1, 'b': 2}),
    ],
)
def test_drives_give_as_equal_a_number_as_they_can(
    sizes: dict[str, int], count: int, expected: dict[str, int]
) -> None:
    assert quotas(sizes, count) == expected


def test_two_hundred_frames_of_one_junction_are_one_frame() -> None:
    """Of 30 equal frames of the highest value one is taken before any other kind is repeated."""
    scores = [score(n, 0.9) for n in range(30)] + [score(30 + n, 0.1) for n in range(3)]
    vectors = on_circle([0.0] * 30 + [90, 180, 270])
    picks = select(pool(scores), vectors, 4)
    assert {min(pick.place, 30) for pick in picks[:1]} == {min(picks[0].place, 30)}
    assert sorted(min(pick.place, 29) for pick in picks)[1:] == [29, 29, 29]
    without = select(pool(scores), vectors, 4, Weights(diversity=0))
    assert all(pick.place < 30 for pick in without)


def test_the_pick_says_what_spoke_for_it() -> None:
    scores = [score(n, 0.1 + n / 100, n / 100, {1: 0.98, 2: 0.02}) for n in range(5)]
    scores[4] = score(4, 0.9, None, {1: 0.5, 3: 0.5})
    (first, second) = select(pool(scores), on_circle([0, 72, 144, 216, 288]), 2)
    assert (first.place, first.nearest, first.distance) == (4, None, 1.0)
    assert first.ranks == {'uncertainty': 1.0, 'rare': 1.0}  # no frame before: no flicker
    assert first.rare_labels == ((3, 5.0),)
    assert second.nearest == 0 and 0 < second.distance <= 1
    assert set(second.ranks) == {'uncertainty', 'flicker', 'rare'}


def test_weights_turn_reasons_off() -> None:
    scores = [score(0, 0.9, 0.0), score(1, 0.1, 0.9), score(2, 0.5, 0.1)]
    vectors = on_circle([0, 120, 240])
    assert select(pool(scores), vectors, 1, Weights(flicker=0, rare=0))[0].place == 0
    assert select(pool(scores), vectors, 1, Weights(uncertainty=0, rare=0))[0].place == 1


def test_frames_of_a_drive_are_apart_in_time_as_long_as_there_are_others() -> None:
    scores = [score(n, 0.9 - n / 100, time_s=n / 10) for n in range(40)]
    vectors = on_circle([9.0 * n for n in range(40)])
    picks = select(pool(scores), vectors, 4, apart_s=1.0)
    times = sorted(pick.candidate.score.time_ns or 0 for pick in picks)
    assert min(np.diff(times)) >= 1e9
    assert not any(pick.is_close_in_time for pick in picks)
    picks = select(pool(scores), vectors, 12, apart_s=1.0)
    assert len({pick.place for pick in picks}) == 12
    assert sum(pick.is_close_in_time for pick in picks) >= 8


def test_each_drive_is_taken_from() -> None:
    scores = [score(n, 0.9) for n in range(8)]
    candidates = pool(scores, 'a') + pool([score(n, 0.01) for n in range(8)], 'b', 1)
    picks = select(candidates, on_circle([22.5 * n for n in range(16)]), 6)
    assert sorted(pick.candidate.drive for pick in picks) == ['a'] * 3 + ['b'] * 3


def test_what_is_labelled_is_not_chosen_and_others_are_far_from_it() -> None:
    scores = [score(n, 0.5) for n in range(6)]
    vectors = on_circle([0, 5, 90, 95, 180, 270])
    picks = select(pool(scores), vectors, 3, labelled=[0, 2])
    assert {pick.place for pick in picks} <= {1, 3, 4, 5}
    assert {pick.place for pick in picks[:2]} == {4, 5}
    with pytest.raises(ConfigError, match=r'The pool has 4 frames, and 5 are to be picked'):
        select(pool(scores), vectors, 5, labelled=[0, 2])


def test_too_few_frames_and_no_reason_are_refused() -> None:
    scores = [score(n) for n in range(3)]
    with pytest.raises(ConfigError, match=r'The pool has 3 frames, and 4 are to be picked; exp'):
        select(pool(scores), on_circle([0, 1, 2]), 4)
    with pytest.raises(ConfigError, match='leave nothing that speaks for some frames; expected'):
        select(pool(scores), on_circle([0, 1, 2]), 1, Weights(0, 1, 0))


# Names.


def test_drives_are_told_by_recording_folder_or_name() -> None:
    assert drives_of('bag', [score(0, time_s=1.0), score(1, time_s=2.0)]) == ['bag', 'bag']

    def named(*names: str) -> list[str]:
        scores = [FrameScore(0, name, None, 0, 0, None, {}) for name in names]
        return drives_of('set', scores)

    assert named('0001TP_1', '0001TP_2', '0006R0_f1', '0006R0_f2') == [
        'set/0001TP', 'set/0001TP', 'set/0006R0', 'set/0006R0',
    ]  # fmt: skip
    assert named('day0/1.png', 'day0/2.png', 'day1/1.png', 'day1/2.png')[2] == 'set/day1'
    assert named('1.png', '2.png', '3.png') == ['set'] * 3


def test_file_names_are_plain_and_different() -> None:
    found = file_stems(
        ['a', 'a', 'b', 'b'], ['x y.png', 'x_y.png', 'day/1.2.jpg', '7.0 s'], [None] * 3 + [7]
    )
    assert found == ['x_y', 'x_y_2', 'day_1_2', 'b_7']
