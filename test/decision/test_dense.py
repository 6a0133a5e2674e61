# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The reference decision against a walk at each pixel, and its properties."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_trees import node_values, random_leaf_probabilities, random_tree

from hiseg_ros.decision import decide, interpolate
from hiseg_ros.taxonomy import Taxonomy, load_taxonomy

SEEDS = st.integers(0, 2**32 - 1)
THRESHOLDS = (0.0, 0.3, 0.5, 0.8, 1.0)
few = settings(deadline=None, max_examples=20, derandomize=True)


def bilinear(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Interpolate (C, h, w) at the pixels of a size; cell centres as `NodeProbabilities` says."""
    (h, w), (height, width) = values.shape[1:], size
    out = np.zeros((len(values), height, width))
    for y in range(height):
        for x in range(width):
            gy = min(max((y + 0.5) * h / height - 0.5, 0), h - 1)
            gx = min(max((x + 0.5) * w / width - 0.5, 0), w - 1)
            y0, x0 = int(gy), int(gx)
            y1, x1 = min(y0 + 1, h - 1), min(x0 + 1, w - 1)
            wy, wx = gy - y0, gx - x0
            out[:, y, x] = (1 - wy) * (
                (1 - wx) * values[:, y0, x0] + wx * values[:, y0, x1]
            ) + wy * ((1 - wx) * values[:, y1, x0] + wx * values[:, y1, x1])
    return out


def walked(
    values: np.ndarray, taxonomy: Taxonomy, threshold: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Walk down at every pixel of (V, H, W); also say how near the closest choice was."""
    labels = np.zeros(values.shape[1:], np.uint8)
    confidence, margin = np.zeros(values.shape[1:]), np.full(values.shape[1:], np.inf)
    for y, x in np.ndindex(*values.shape[1:]):
        p, node = values[:, y, x], 0
        while not taxonomy.is_leaf(node):
            ranked = sorted(taxonomy.children(node), key=lambda child: -p[child])
            margin[y, x] = min(
                margin[y, x],
                p[ranked[0]] - p[ranked[1]],
                abs(p[ranked[0]] - threshold * p[node]) if threshold else np.inf,
            )
            if p[ranked[0]] < threshold * p[node]:
                break
            node = ranked[0]
        labels[y, x], confidence[y, x] = node, p[node]
    return labels, confidence, margin


@pytest.mark.parametrize('threshold', THRESHOLDS)
@few
@given(seed=SEEDS)
def test_the_decision_equals_a_walk_at_every_pixel(threshold: float, seed: int) -> None:
    """Interpolated in float64 and walked in Python: equal but for choices within rounding."""
    rng = np.random.default_rng(seed)
    taxonomy = random_tree(rng)
    h, w, height, width = (int(n) for n in rng.integers(1, 9, 4))
    grid = node_values(taxonomy, random_leaf_probabilities(rng, taxonomy, (h, w)))
    labels, confidence = decide(torch.from_numpy(grid), taxonomy, (height, width), threshold)
    full = bilinear(grid.astype(np.float64), (height, width))
    expected, probability, margin = walked(full, taxonomy, threshold)
    clear = margin > 1e-5
    assert labels.dtype == torch.uint8
    assert (labels.numpy() == expected)[clear].all()
    np.testing.assert_allclose(confidence.numpy()[clear], probability[clear], atol=1e-5)


@few
@given(seed=SEEDS)
def test_a_threshold_of_zero_gives_leaves_everywhere(seed: int) -> None:
    """The forced choice of IV 2018."""
    rng = np.random.default_rng(seed)
    taxonomy = random_tree(rng)
    grid = node_values(taxonomy, random_leaf_probabilities(rng, taxonomy, (3, 4)))
    labels, _ = decide(torch.from_numpy(grid), taxonomy, (10, 9), 0.0)
    assert set(labels.unique().tolist()) <= set(taxonomy.leaves)


@few
@given(seed=SEEDS)
def test_raising_the_threshold_only_stops_earlier_on_the_same_path(seed: int) -> None:
    """A stricter decision is an ancestor of the laxer one, or the same node."""
    rng = np.random.default_rng(seed)
    taxonomy = random_tree(rng)
    leaf_probabilities = random_leaf_probabilities(rng, taxonomy, (3, 4))
    grid = torch.from_numpy(node_values(taxonomy, leaf_probabilities))
    decisions = [decide(grid, taxonomy, (7, 8), t)[0].flatten().tolist() for t in THRESHOLDS]
    for lax, strict in zip(decisions, decisions[1:], strict=False):
        for deep, shallow in zip(lax, strict, strict=True):
            assert shallow in taxonomy.path(deep)


@few
@given(seed=SEEDS)
def test_a_threshold_of_one_stays_at_the_root_unless_certain(seed: int) -> None:
    """No uncertain child is taken, and a certain leaf is reached through the whole tree."""
    rng = np.random.default_rng(seed)
    taxonomy = random_tree(rng)
    leaf_probabilities = random_leaf_probabilities(rng, taxonomy, (1, 2), peak=1.0)
    certain = int(rng.integers(len(taxonomy.leaves)))
    leaf_probabilities[:, 0, 1] = np.eye(len(taxonomy.leaves))[certain]
    grid = node_values(taxonomy, leaf_probabilities)
    labels, confidence = decide(torch.from_numpy(grid), taxonomy, (1, 2), 1.0)
    assert labels.tolist() == [[0, taxonomy.leaves[certain]]]
    assert confidence.tolist() == [[1.0, 1.0]]


@pytest.mark.parametrize('name', ['street', 'iv2018'])
def test_a_one_hot_decides_to_itself(name: str) -> None:
    """Certainty about a leaf gives that leaf with confidence 1 at any threshold."""
    taxonomy = load_taxonomy(name)
    one_hot = np.eye(len(taxonomy.leaves), dtype=np.float32)[:, None]
    grid = torch.from_numpy(node_values(taxonomy, one_hot))
    for threshold in THRESHOLDS:
        labels, confidence = decide(grid, taxonomy, (1, len(taxonomy.leaves)), threshold)
        assert labels[0].tolist() == list(taxonomy.leaves)
        assert (confidence == 1).all()


def test_a_tie_goes_to_the_lower_node_id(small_taxonomy: Taxonomy) -> None:
    """Equal children are decided the same way everywhere."""
    leaf_probabilities = np.full((len(small_taxonomy.leaves), 5, 6), 1 / 7, np.float32)
    grid = node_values(small_taxonomy, leaf_probabilities)
    grid[small_taxonomy.node_id('ground')] = grid[small_taxonomy.node_id('sign')] = 0.4
    labels, _ = decide(torch.from_numpy(grid), small_taxonomy, (5, 6), 0.0)
    assert (labels == small_taxonomy.node_id('road')).all()


def test_the_decision_stops_where_the_doubt_is(small_taxonomy: Taxonomy) -> None:
    """A sure sign of an unsure type is a sign; the threshold applies to p(child | parent)."""
    given = {'limit_30': 0.3, 'limit_50': 0.26, 'stop': 0.24, 'sky': 0.2}
    names = [small_taxonomy.nodes[leaf].name for leaf in small_taxonomy.leaves]
    leaf = np.array([given.get(name, 0.0) for name in names], np.float32)
    grid = torch.from_numpy(node_values(small_taxonomy, leaf[:, None, None]))
    found = {}
    for threshold in (0.5, 0.6, 0.75, 0.9):
        labels, _ = decide(grid, small_taxonomy, (1, 1), threshold)
        found[threshold] = small_taxonomy.nodes[int(labels)].name
    # p(sign) = 0.8, p(limit | sign) = 0.7, p(limit_30 | limit) = 0.54
    assert found == {0.5: 'limit_30', 0.6: 'limit', 0.75: 'sign', 0.9: 'scene'}


@few
@given(seed=SEEDS)
def test_interpolation_keeps_a_parent_the_sum_of_its_children(seed: int) -> None:
    """Interpolation is linear, so the tree holds at every pixel of any size."""
    rng = np.random.default_rng(seed)
    taxonomy = random_tree(rng)
    h, w, height, width = (int(n) for n in rng.integers(1, 12, 4))
    leaf_probabilities = random_leaf_probabilities(rng, taxonomy, (h, w))
    grid = torch.from_numpy(node_values(taxonomy, leaf_probabilities))
    full = interpolate(grid, (height, width))
    assert full.shape == (len(taxonomy), height, width)
    torch.testing.assert_close(full[0], torch.ones(height, width))
    for inner in taxonomy.inner:
        torch.testing.assert_close(
            full[inner], full[list(taxonomy.children(inner))].sum(0), rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize('threshold', THRESHOLDS)
@few
@given(seed=SEEDS)
def test_a_node_that_wins_at_all_four_corners_wins_inside(threshold: float, seed: int) -> None:
    """The linearity that makes a decision on agreeing cells exact, at thresholds too."""
    rng = np.random.default_rng(seed)
    taxonomy = random_tree(rng)
    corners = random_leaf_probabilities(rng, taxonomy, (2, 2), peak=1.5)
    # Lean all corners towards one leaf, so that they agree often.
    corners[int(rng.integers(len(corners)))] += np.float32(rng.uniform(0, 2))
    corners /= corners.sum(0)
    grid = torch.from_numpy(node_values(taxonomy, corners))
    at_corners, _ = decide(grid, taxonomy, (2, 2), threshold)
    if len(at_corners.unique()) > 1:
        return
    labels, _ = decide(grid, taxonomy, (24, 24), threshold)
    assert (labels == at_corners[0, 0]).all()


def test_the_grid_lies_on_the_image_as_the_types_say() -> None:
    """A cell's value is met exactly at the centre that `NodeProbabilities` names."""
    taxonomy = load_taxonomy('street')
    rng = np.random.default_rng(0)
    grid = node_values(taxonomy, random_leaf_probabilities(rng, taxonomy, (4, 6)))
    full = interpolate(torch.from_numpy(grid), (12, 18)).numpy()  # odd factor: centres are pixels
    np.testing.assert_allclose(full[:, 1::3, 1::3], grid, atol=1e-6)


def test_the_input_is_left_as_it_was(small_taxonomy: Taxonomy) -> None:
    """Deciding changes nothing in place."""
    rng = np.random.default_rng(0)
    grid = torch.from_numpy(
        node_values(small_taxonomy, random_leaf_probabilities(rng, small_taxonomy, (4, 6)))
    )
    before = grid.clone()
    decide(grid, small_taxonomy, (8, 9), 0.5)
    assert torch.equal(grid, before)
