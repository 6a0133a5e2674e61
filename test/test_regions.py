# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Sign regions and their votes against a reference in plain loops."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_trees import node_values, random_leaf_probabilities

from hiseg_ros.decision import decide, interpolate
from hiseg_ros.errors import ImageError
from hiseg_ros.regions import (
    CUT_RANGE,
    SMALLEST_PROBABILITY,
    SPLIT_ASPECT,
    SURE,
    parts_of_region,
    subclass_masks,
)
from hiseg_ros.taxonomy import Taxonomy, load_taxonomy
from hiseg_ros.types import UNLABELED, NodeProbabilities, Segmentation


def segmentation(
    taxonomy: Taxonomy, labels: np.ndarray, leaf_probabilities: np.ndarray | None = None
) -> Segmentation:
    """Return a segmentation of given labels; probabilities default to even ones."""
    if leaf_probabilities is None:
        count = len(taxonomy.leaves)
        leaf_probabilities = np.full((count, 3, 4), 1 / count, np.float32)
    values = node_values(taxonomy, leaf_probabilities)
    size = (labels.shape[0], labels.shape[1])
    return Segmentation(
        labels.astype(np.uint8), np.zeros((0, 0), np.uint8), NodeProbabilities(values, size)
    )


def regions_by_flood_fill(inside: np.ndarray) -> list[set[tuple[int, int]]]:
    """Return the 8-connected regions as sets of (row, column)."""
    left = {(int(y), int(x)) for y, x in zip(*np.nonzero(inside), strict=True)}
    regions = []
    while left:
        front = [left.pop()]
        region = set(front)
        while front:
            y, x = front.pop()
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            region |= near
            front.extend(near)
        regions.append(region)
    return regions


def parts(region: set[tuple[int, int]]) -> list[set[tuple[int, int]]]:
    """Return the parts of a region, by the function that the tests below look at."""
    pixels = np.array(sorted(region))
    first = pixels.min(0)
    mask = np.zeros(pixels.max(0) - first + 1, bool)
    mask[tuple((pixels - first).T)] = True
    numbers = parts_of_region(mask)
    if numbers is None:
        return [region]
    return [
        {(int(y + first[0]), int(x + first[1])) for y, x in np.argwhere(numbers == number)}
        for number in range(1, numbers.max() + 1)
    ]


def vote(segmented: Segmentation, taxonomy: Taxonomy, region: set[tuple[int, int]]) -> np.ndarray:
    """Return the votes of the subclass leaves: averaged logs of p(leaf | root), normalised.

    A pixel weighs as much as it is far from the nearest pixel outside.
    """
    assert taxonomy.subclass_root is not None
    leaves = list(taxonomy.leaves_below(taxonomy.subclass_root))
    values = torch.from_numpy(segmented.probabilities.values[leaves]).double()
    full = interpolate(values, segmented.labels.shape).numpy()
    logs, total = np.zeros(len(leaves)), 0.0
    near = {(y + dy, x + dx) for y, x in region for dy in (-1, 0, 1) for dx in (-1, 0, 1)}
    outside = np.array(sorted(near - region))
    for y, x in region:
        p = full[:, y, x]
        weight = np.hypot(*(outside - (y, x)).T).min()
        logs += weight * np.log(
            np.maximum(p / max(p.sum(), SMALLEST_PROBABILITY), SMALLEST_PROBABILITY)
        )
        total += weight
    votes = np.exp(logs / total)
    return np.asarray(votes / votes.sum())


def halves(
    segmented: Segmentation, taxonomy: Taxonomy, region: set[tuple[int, int]]
) -> list[set[tuple[int, int]]]:
    """Return the region, or its halves where both are sure of another leaf."""
    rows, columns = (sorted({one[axis] for one in region}) for axis in (0, 1))
    height, width = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    length, axis = (height, 0) if height > width else (width, 1)
    if length < SPLIT_ASPECT * min(height, width):
        return [region]
    start = (rows, columns)[axis][0]
    counts = [sum(one[axis] == start + n for one in region) for n in range(length)]
    first = max(1, round(CUT_RANGE[0] * length))
    allowed = range(first, max(first + 1, round(CUT_RANGE[1] * length)))
    least = min(counts[n] for n in allowed)
    place = min((abs(n - length / 2), n) for n in allowed if counts[n] == least)[1]
    pieces = [
        {one for one in region if (one[axis] >= start + place) is is_second}
        for is_second in (False, True)
    ]
    votes = [vote(segmented, taxonomy, piece) for piece in pieces]
    is_sure = all(values.max() >= SURE for values in votes)
    return pieces if is_sure and votes[0].argmax() != votes[1].argmax() else [region]


@settings(deadline=None, max_examples=25, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_regions_and_votes_equal_the_reference(small_taxonomy: Taxonomy, seed: int) -> None:
    """Flood fill and a vote pixel by pixel, on decided labels of random scenes."""
    rng = np.random.default_rng(seed)
    h, w = (int(n) for n in rng.integers(1, 7, 2))
    size = tuple(int(n) for n in rng.integers(1, 33, 2))
    leaf_probabilities = random_leaf_probabilities(rng, small_taxonomy, (h, w), peak=2.0)
    nodes = torch.from_numpy(node_values(small_taxonomy, leaf_probabilities))
    labels, _ = decide(nodes, small_taxonomy, size, float(rng.choice([0, 0.6])))
    segmented = segmentation(small_taxonomy, labels.numpy(), leaf_probabilities)
    root = small_taxonomy.subclass_root
    assert root is not None
    signs = np.isin(segmented.labels, small_taxonomy.nodes_below(root))
    expected = {
        frozenset(half)
        for region in regions_by_flood_fill(signs)
        for part in parts(region)
        for half in halves(segmented, small_taxonomy, part)
    }
    found = subclass_masks(segmented, small_taxonomy, min_area=1, max_masks=1000)
    assert len(found) == len(expected)
    for mask in found:
        y, x, height, width = mask.roi
        assert mask.mask.shape == (height, width)
        region = {(y + int(r), x + int(c)) for r, c in zip(*np.nonzero(mask.mask), strict=True)}
        assert frozenset(region) in expected
        assert mask.area == len(region)
        assert mask.parent_id == root
        # The region of interest is tight.
        assert mask.mask.any(0)[[0, -1]].all()
        assert mask.mask.any(1)[[0, -1]].all()
        votes = vote(segmented, small_taxonomy, region)
        leaves = small_taxonomy.leaves_below(root)
        for node_id, score in mask.top:
            assert score == pytest.approx(votes[leaves.index(node_id)], abs=1e-4)
        assert [score for _, score in mask.top] == sorted((s for _, s in mask.top), reverse=True)
        assert mask.score == mask.top[0][1] == pytest.approx(votes.max(), abs=1e-4)
        assert mask.node_id == mask.top[0][0]
        assert len(mask.top) == 3
    assert [mask.area for mask in found] == sorted((m.area for m in found), reverse=True)


def labels_with(taxonomy: Taxonomy, *places: tuple[slice, slice, str]) -> np.ndarray:
    """Return (20, 30) labels of sky with rectangles of other nodes."""
    labels = np.full((20, 30), taxonomy.node_id('sky'), np.uint8)
    for rows, columns, name in places:
        labels[rows, columns] = taxonomy.node_id(name)
    return labels


def test_two_signs_give_two_masks_and_crops_reproduce_the_labels(
    small_taxonomy: Taxonomy,
) -> None:
    """Pasting the crops back gives exactly the sign pixels of the label image."""
    labels = labels_with(
        small_taxonomy,
        (slice(2, 8), slice(3, 9), 'stop'),
        (slice(10, 15), slice(12, 20), 'limit_30'),
        (slice(12, 14), slice(13, 15), 'sky'),  # a hole stays a hole
    )
    found = subclass_masks(segmentation(small_taxonomy, labels), small_taxonomy)
    assert [mask.roi for mask in found] == [(2, 3, 6, 6), (10, 12, 5, 8)]
    assert [mask.area for mask in found] == [36, 36]
    pasted = np.zeros(labels.shape, bool)
    for mask in found:
        y, x, height, width = mask.roi
        pasted[y : y + height, x : x + width] |= mask.mask
    np.testing.assert_array_equal(pasted, labels != small_taxonomy.node_id('sky'))


def drawn(size: tuple[int, int], *shapes: tuple[str, int, int, int]) -> np.ndarray:
    """Return a mask of discs, triangles and squares: (kind, centre row, centre column, radius)."""
    mask = np.zeros(size, np.uint8)
    for kind, y, x, radius in shapes:
        corners = {
            'triangle': [(x, y - radius), (x + radius, y + radius), (x - radius, y + radius)],
            'square': [
                (x - radius, y - radius),
                (x + radius, y - radius),
                (x + radius, y + radius),
                (x - radius, y + radius),
            ],
        }
        if kind == 'disc':
            cv2.circle(mask, (x, y), radius, 1, -1)
        else:
            cv2.fillPoly(mask, [np.array(corners[kind])], 1)
    return mask.astype(bool)


@pytest.mark.parametrize(
    'shapes',
    [
        [('disc', 12, 14, 10), ('disc', 32, 14, 10)],
        [('disc', 12, 14, 10), ('disc', 30, 14, 8)],
        [('triangle', 12, 14, 10), ('disc', 31, 14, 9)],
        [('disc', 12, 14, 10), ('disc', 31, 14, 10), ('disc', 50, 14, 10)],
        [('disc', 14, 12, 10), ('disc', 14, 31, 10)],
    ],
)
def test_signs_that_touch_are_parted_at_the_waist(shapes: list[tuple[str, int, int, int]]) -> None:
    """On one pole or side by side: each part covers its own sign."""
    mask = drawn((62, 44), *shapes)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    window = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    numbers = parts_of_region(mask[window])
    assert numbers is not None
    assert numbers.max() == len(shapes)
    np.testing.assert_array_equal(numbers > 0, mask[window])
    for shape in shapes:
        own = numbers[drawn((62, 44), shape)[window]]
        assert np.bincount(own).max() > 0.9 * len(own)


@pytest.mark.parametrize(
    'mask',
    [
        drawn((24, 24), ('disc', 12, 12, 10)),
        drawn((24, 24), ('triangle', 12, 12, 10)),
        np.ones((40, 20), bool),
        np.ones((1, 9), bool),
        np.ones((1, 1), bool),
    ],
)
def test_one_sign_is_not_parted(mask: np.ndarray) -> None:
    """A disc, a triangle, a plate; a plate may be long."""
    assert parts_of_region(mask) is None


def test_parts_below_the_least_area_leave_the_region_whole(small_taxonomy: Taxonomy) -> None:
    """Two masks with their own votes, or one."""
    labels = np.full((46, 30), small_taxonomy.node_id('sky'), np.uint8)
    discs = drawn((46, 30), ('disc', 12, 14, 10), ('disc', 32, 14, 10))
    labels[discs] = small_taxonomy.node_id('sign')
    count = len(small_taxonomy.leaves)
    p = np.full((count, 2, 1), 0.01, np.float32)
    names = [small_taxonomy.nodes[leaf].name for leaf in small_taxonomy.leaves]
    p[names.index('stop'), 0], p[names.index('limit_30'), 1] = 0.8, 0.8
    segmented = segmentation(small_taxonomy, labels, p / p.sum(0))
    upper, lower = sorted(subclass_masks(segmented, small_taxonomy), key=lambda m: m.roi)
    assert [small_taxonomy.nodes[m.node_id].name for m in (upper, lower)] == ['stop', 'limit_30']
    assert upper.area + lower.area == discs.sum()
    assert len(subclass_masks(segmented, small_taxonomy, min_area=400)) == 1


def test_a_sign_decided_in_parts_is_one_region(small_taxonomy: Taxonomy) -> None:
    """Pixels of several types, of a category and of the root touch: they vote together."""
    labels = labels_with(
        small_taxonomy,
        (slice(2, 4), slice(3, 9), 'stop'),
        (slice(4, 6), slice(3, 9), 'limit'),
        (slice(6, 8), slice(3, 9), 'sign'),
        (slice(8, 10), slice(9, 12), 'limit_50'),
    )
    (mask,) = subclass_masks(segmentation(small_taxonomy, labels), small_taxonomy)
    assert mask.roi == (2, 3, 8, 9)
    assert mask.area == 36 + 6


def test_the_vote_is_for_the_whole_region_not_for_most_pixels(small_taxonomy: Taxonomy) -> None:
    """A few sure pixels outweigh many undecided ones."""
    leaf = {
        name: i
        for i, name in enumerate(
            ('road', 'walk', 'stop', 'limit_30', 'limit_50', 'other sign', 'sky')
        )
    }
    p = np.full((7, 1, 10), 1e-4, np.float32)
    p[leaf['limit_30'], 0, :7], p[leaf['limit_50'], 0, :7] = 0.45, 0.40
    p[leaf['limit_30'], 0, 7:], p[leaf['limit_50'], 0, 7:] = 0.01, 0.95
    p /= p.sum(0)
    labels = np.full((8, 10), small_taxonomy.node_id('sign'), np.uint8)
    (mask,) = subclass_masks(segmentation(small_taxonomy, labels, p), small_taxonomy, min_area=1)
    assert small_taxonomy.nodes[mask.node_id].name == 'limit_50'


@pytest.mark.parametrize('turned', [False, True])
@pytest.mark.parametrize(
    ('second', 'sure', 'expected'),
    [
        ('limit_30', 0.8, ['limit_30', 'stop']),
        ('limit_30', 0.2, ['stop']),
        ('stop', 0.8, ['stop']),
    ],
)
def test_two_signs_without_a_waist_are_told_by_their_types(
    small_taxonomy: Taxonomy, turned: bool, second: str, sure: float, expected: list[str]
) -> None:
    """Where both halves of an elongated region are sure; below the least area they stay one."""
    names = [small_taxonomy.nodes[leaf].name for leaf in small_taxonomy.leaves]
    p = np.full((len(names), 40, 10), 0.1, np.float32)
    p[names.index('stop'), :20], p[names.index(second), 20:] = 0.8, sure
    labels = np.full((40, 10), small_taxonomy.node_id('sky'), np.uint8)
    labels[4:36, 1:] = small_taxonomy.node_id('sign')
    if turned:
        p, labels = p.transpose(0, 2, 1), np.ascontiguousarray(labels.T)
    segmented = segmentation(small_taxonomy, labels, p / p.sum(0))
    found = subclass_masks(segmented, small_taxonomy)
    assert sorted(small_taxonomy.nodes[one.node_id].name for one in found) == expected
    assert sum(one.area for one in found) == 32 * 9
    assert len(subclass_masks(segmented, small_taxonomy, min_area=200)) == 1
    assert len(subclass_masks(segmented, small_taxonomy, max_masks=1)) == 1


@pytest.mark.parametrize('shape', [(2, 1), (1, 2), (3, 1), (3, 2), (2, 3), (4, 1)])
def test_a_region_of_a_few_pixels_is_cut_or_stays(
    small_taxonomy: Taxonomy, shape: tuple[int, int]
) -> None:
    """Each half has a pixel; none is lost."""
    count = len(small_taxonomy.leaves)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        p = random_leaf_probabilities(rng, small_taxonomy, shape, peak=4.0)
        assert p.shape == (count, *shape)
        labels = np.full(shape, small_taxonomy.node_id('sign'), np.uint8)
        found = subclass_masks(segmentation(small_taxonomy, labels, p), small_taxonomy, min_area=1)
        assert len(found) in (1, 2)
        assert sum(one.area for one in found) == labels.size


def test_small_regions_are_left_out_and_the_largest_are_kept(small_taxonomy: Taxonomy) -> None:
    """`min_area` counts pixels, `max_masks` keeps the largest."""
    labels = labels_with(
        small_taxonomy,
        (slice(0, 3), slice(0, 5), 'stop'),
        (slice(5, 9), slice(0, 4), 'stop'),
        (slice(11, 16), slice(0, 4), 'stop'),
    )
    segmented = segmentation(small_taxonomy, labels)
    for min_area, areas in ((1, [20, 16, 15]), (15, [20, 16, 15]), (16, [20, 16]), (21, [])):
        found = subclass_masks(segmented, small_taxonomy, min_area=min_area)
        assert [mask.area for mask in found] == areas
    for max_masks, areas in ((0, []), (1, [20]), (2, [20, 16])):
        found = subclass_masks(segmented, small_taxonomy, min_area=1, max_masks=max_masks)
        assert [mask.area for mask in found] == areas


def test_a_region_may_touch_the_border_or_be_the_whole_image(small_taxonomy: Taxonomy) -> None:
    """Interpolation at the border clamps, as at the decision."""
    rng = np.random.default_rng(0)
    p = random_leaf_probabilities(rng, small_taxonomy, (3, 4))
    labels = np.full((9, 11), small_taxonomy.node_id('stop'), np.uint8)
    segmented = segmentation(small_taxonomy, labels, p)
    (mask,) = subclass_masks(segmented, small_taxonomy)
    assert mask.roi == (0, 0, 9, 11)
    everything = {(y, x) for y in range(9) for x in range(11)}
    votes = vote(segmented, small_taxonomy, everything)
    assert mask.score == pytest.approx(votes.max(), abs=1e-4)


def test_a_large_region_votes_by_an_even_sample_of_its_pixels(small_taxonomy: Taxonomy) -> None:
    """The vote of 4096 pixels is that of all 60,000 to a hundredth, and the mask is whole."""
    rng = np.random.default_rng(5)
    p = random_leaf_probabilities(rng, small_taxonomy, (30, 40), peak=1.0)
    labels = np.full((200, 300), small_taxonomy.node_id('stop'), np.uint8)
    segmented = segmentation(small_taxonomy, labels, p)
    (mask,) = subclass_masks(segmented, small_taxonomy)
    assert mask.area == mask.mask.sum() == 60_000
    votes = vote(segmented, small_taxonomy, {(y, x) for y in range(200) for x in range(300)})
    assert mask.score == pytest.approx(votes.max(), abs=0.01)


def test_an_image_without_signs_has_no_masks(small_taxonomy: Taxonomy) -> None:
    """Neither sky nor unlabeled pixels are signs."""
    labels = labels_with(small_taxonomy)
    labels[:5] = UNLABELED
    assert subclass_masks(segmentation(small_taxonomy, labels), small_taxonomy) == ()


def test_a_tree_without_subclasses_has_no_masks(small_taxonomy: Taxonomy) -> None:
    """The subclass root is optional."""
    plain = Taxonomy(small_taxonomy.name, small_taxonomy.version, small_taxonomy.nodes)
    labels = labels_with(small_taxonomy, (slice(0, 9), slice(0, 9), 'stop'))
    assert subclass_masks(segmentation(plain, labels), plain) == ()


def test_a_segmentation_without_labels_is_refused(small_taxonomy: Taxonomy) -> None:
    """The message says how to get them."""
    segmented = segmentation(small_taxonomy, np.zeros((0, 0), np.uint8))
    with pytest.raises(ImageError, match='no labels'):
        subclass_masks(segmented, small_taxonomy)


def test_certain_types_are_named_whatever_the_rest_of_the_tree_says() -> None:
    """All 43 types and 'other sign' can win the vote."""
    taxonomy = load_taxonomy('street')
    assert taxonomy.subclass_root is not None
    types = taxonomy.leaves_below(taxonomy.subclass_root)
    assert len(types) == 44
    p = np.full((len(taxonomy.leaves), 4, 4 * len(types)), 1e-5, np.float32)
    labels = np.full((16, 16 * len(types)), taxonomy.node_id('Sky'), np.uint8)
    for index, leaf in enumerate(types):
        p[taxonomy.leaf_index_of_node_id[leaf], :, 4 * index : 4 * index + 4] = 0.7
        labels[4:12, 16 * index + 4 : 16 * index + 12] = taxonomy.subclass_root
    p /= p.sum(0)
    found = subclass_masks(segmentation(taxonomy, labels, p), taxonomy)
    assert {mask.roi[1] // 16: mask.node_id for mask in found} == dict(enumerate(types))


def test_regions_where_no_sign_is_probable_are_left_out(small_taxonomy: Taxonomy) -> None:
    """One sure pixel keeps a region, and what is left out takes no place among the masks."""
    labels = labels_with(
        small_taxonomy,
        (slice(0, 10), slice(0, 12), 'stop'),
        (slice(12, 20), slice(20, 28), 'limit_30'),
    )
    root = small_taxonomy.subclass_root
    assert root is not None
    signs = [small_taxonomy.leaf_index_of_node_id[n] for n in small_taxonomy.leaves_below(root)]
    others = np.setdiff1d(np.arange(len(small_taxonomy.leaves)), signs)
    p = np.zeros((len(small_taxonomy.leaves), 20, 30), np.float32)
    p[signs] = 0.3 / len(signs)
    p[others] = 0.7 / len(others)
    p[signs, 15, 24] = 0.9 / len(signs)
    p[others, 15, 24] = 0.1 / len(others)
    segmented = segmentation(small_taxonomy, labels, p)

    def areas(**limits: float) -> list[int]:
        found = subclass_masks(segmented, small_taxonomy, **limits)  # type: ignore[arg-type]
        return [mask.area for mask in found]

    assert areas(min_probability=0.29) == [120, 64]
    assert areas(min_probability=0.31) == [64]
    assert areas(min_probability=0.31, max_masks=1) == [64]
    assert areas(min_probability=0.91) == []


def test_a_type_with_too_few_votes_is_not_named(small_taxonomy: Taxonomy) -> None:
    """The region is a sign, and the likeliest types come after that."""
    sign = small_taxonomy.node_id('sign')
    stop, limit = small_taxonomy.node_id('stop'), small_taxonomy.node_id('limit_30')
    leaves = np.full((len(small_taxonomy.leaves), 3, 4), 0.01, np.float32)
    leaves[small_taxonomy.leaves.index(stop)] = 0.4
    leaves[small_taxonomy.leaves.index(limit)] = 0.3
    segmented = segmentation(small_taxonomy, np.full((12, 16), stop), leaves)
    (mask,) = subclass_masks(segmented, small_taxonomy)
    vote = mask.score
    (unknown,) = subclass_masks(segmented, small_taxonomy, min_vote=vote + 1e-4)
    assert (unknown.node_id, unknown.parent_id, unknown.score) == (sign, sign, 1.0)
    assert unknown.top == ((sign, 1.0), *mask.top[:2])
    assert [node_id for node_id, _ in unknown.top] == [sign, stop, limit]
    (named,) = subclass_masks(segmented, small_taxonomy, min_vote=vote)
    assert (named.node_id, named.top) == (stop, mask.top)


def test_a_network_that_knows_no_types_names_none(small_taxonomy: Taxonomy) -> None:
    """Even votes are no vote: the region is a sign, and no first type of the list."""
    sign, stop = small_taxonomy.node_id('sign'), small_taxonomy.node_id('stop')
    labels = np.full((12, 16), stop)
    (even,) = subclass_masks(segmentation(small_taxonomy, labels), small_taxonomy)
    assert (even.node_id, even.parent_id, even.score) == (sign, sign, 1.0)
    assert even.top == ((sign, 1.0),)
    leaves = np.full((len(small_taxonomy.leaves), 3, 4), 0.1, np.float32)
    leaves[small_taxonomy.leaves.index(stop)] = 0.11
    (known,) = subclass_masks(segmentation(small_taxonomy, labels, leaves), small_taxonomy)
    assert known.node_id == stop
