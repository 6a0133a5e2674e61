# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Classifiers evaluated where their node can win: the labels of an evaluation at all points."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_trees import named_tree, random_tree
from test_sparse import a_threshold, in_bytes, interpolated, walked

from hiseg_ros.decision.classifiers import Classifier, ClassifierTree
from hiseg_ros.decision.sparse import decide_sparse
from hiseg_ros.decision.tables import DecisionTables
from hiseg_ros.taxonomy import Taxonomy, load_taxonomy

SEEDS = st.integers(0, 2**32 - 1)
few = settings(deadline=None, max_examples=60, derandomize=True)


def classifiers_of(
    rng: np.random.Generator, taxonomy: Taxonomy, channels: int, gain: float
) -> list[Classifier]:
    """Return random ones; a larger gain makes them more certain."""
    made = []
    for node in taxonomy.classifiers:
        width, count = int(rng.integers(1, 12)), len(taxonomy.children(node))
        shapes = ((width, channels), (width,), (count, width), (count,))
        weights = [rng.normal(0, 1, shape).astype(np.float32) for shape in shapes]
        made.append(Classifier(weights[0], weights[1], weights[2] * np.float32(gain), weights[3]))
    return made


def smooth(rng: np.random.Generator, shape: tuple[int, int, int]) -> np.ndarray:
    """Return (h, w, C) float32 features that change slowly, as a decoder's do."""
    height, width, channels = shape
    coarse = rng.normal(0, 1, (channels, 3, 4)).astype(np.float32)
    return np.ascontiguousarray(interpolated(coarse, (height, width)).transpose(1, 2, 0))


def expected_planes(
    features: np.ndarray, taxonomy: Taxonomy, classifiers: list[Classifier], is_score: bool
) -> np.ndarray:
    """Return (V, h, w) probabilities in double precision, with numpy's own operations."""
    planes = np.ones((len(taxonomy), *features.shape[:2]))
    for node, one in zip(taxonomy.classifiers, classifiers, strict=True):
        hidden = np.maximum(features.astype(float) @ one.branch.T + one.branch_bias, 0)
        odds = np.exp(np.clip(hidden @ one.logits.T + one.logits_bias, -60, 60))
        odds = odds / (1 + odds) if is_score else odds
        share = odds / odds.sum(2, keepdims=True)
        planes[list(taxonomy.children(node))] = planes[node] * share.transpose(2, 0, 1)
    return planes


def assert_exact(
    taxonomy: Taxonomy, tree: ClassifierTree, features: np.ndarray, size: tuple[int, int],
    threshold: float,
) -> None:  # fmt: skip
    """Compare labels and confidence with a walk at every pixel through all probabilities."""
    tables = DecisionTables.of(taxonomy)
    dense = tree(features, tree.everywhere)
    expected, chosen, _ = walked(interpolated(dense, size), taxonomy, threshold)
    # What is not evaluated is no number, so that a decision that read it would show.
    dense.fill(np.nan)
    labels, confidence = decide_sparse(tree(features), tables, size, threshold)
    np.testing.assert_array_equal(labels, expected)
    np.testing.assert_array_equal(confidence, in_bytes(chosen))


@pytest.mark.parametrize('is_score', [False, True])
@pytest.mark.parametrize('grid', [(1, 1), (3, 5), (7, 40)])
def test_a_node_is_its_parent_times_its_share_of_the_siblings(
    is_score: bool, grid: tuple[int, int]
) -> None:
    """At all points, for grids narrower and wider than a tile."""
    rng = np.random.default_rng(grid[1])
    taxonomy = load_taxonomy('street')
    classifiers = classifiers_of(rng, taxonomy, 10, 2.0)
    tree = ClassifierTree(DecisionTables.of(taxonomy), classifiers, is_score)
    features = rng.normal(0, 1, (*grid, 10)).astype(np.float32)
    planes = tree(features, tree.everywhere)
    expected = expected_planes(features, taxonomy, classifiers, is_score)
    np.testing.assert_allclose(planes, expected, rtol=2e-4, atol=1e-12)


@few
@given(seed=SEEDS, height=st.integers(1, 90), width=st.integers(1, 150))
def test_smooth_features_are_decided_as_at_all_points(seed: int, height: int, width: int) -> None:
    """Bit for bit, with any threshold, for images larger and smaller than the grid."""
    rng = np.random.default_rng(seed)
    taxonomy = random_tree(rng, 30)
    gain = float(rng.uniform(0.2, 3))
    classifiers = classifiers_of(rng, taxonomy, int(rng.integers(1, 9)), gain)
    tree = ClassifierTree(DecisionTables.of(taxonomy), classifiers, bool(rng.random() < 0.3))
    grid = (int(rng.integers(1, 20)), int(rng.integers(1, 50)))
    features = smooth(rng, (*grid, tree.channels))
    assert_exact(taxonomy, tree, features, (height, width), a_threshold(rng))


@few
@given(seed=SEEDS, height=st.integers(1, 40), width=st.integers(1, 60))
def test_noise_is_decided_as_at_all_points(seed: int, height: int, width: int) -> None:
    """Hardly two corners agree, and features of few values make siblings tie."""
    rng = np.random.default_rng(seed)
    taxonomy = random_tree(rng, 20)
    classifiers = classifiers_of(rng, taxonomy, 4, float(rng.choice([0, 1e-7, 0.5, 4])))
    tree = ClassifierTree(DecisionTables.of(taxonomy), classifiers)
    grid = (int(rng.integers(1, 9)), int(rng.integers(1, 40)), 4)
    features = rng.normal(0, 1, grid).astype(np.float32)
    if rng.random() < 0.5:
        features = rng.integers(0, 2, grid).astype(np.float32)
    assert_exact(taxonomy, tree, features, (height, width), a_threshold(rng))


@few
@given(seed=SEEDS)
def test_the_number_of_workers_changes_nothing(seed: int) -> None:
    """Each has the corners of its last cells, though the next worker begins there."""
    rng = np.random.default_rng(seed)
    taxonomy = random_tree(rng, 20)
    tree = ClassifierTree(DecisionTables.of(taxonomy), classifiers_of(rng, taxonomy, 4, 1.5))
    features = smooth(rng, (int(rng.integers(1, 14)), 33, 4))
    with pytest.MonkeyPatch.context() as patch:
        for workers in ('1', '2', '3', '5'):
            patch.setenv('OMP_NUM_THREADS', workers)
            assert_exact(taxonomy, tree, features, (29, 70), 0.0)


@few
@given(seed=SEEDS, height=st.integers(1, 60), width=st.integers(1, 90))
def test_levels_and_subclasses_are_those_of_all_points(seed: int, height: int, width: int) -> None:
    """Levels at all points; what is below the subclass root in each cell with a pixel of it."""
    rng = np.random.default_rng(seed)
    grown = random_tree(rng, 20)
    root = int(rng.choice(grown.inner[1:] or grown.inner))
    taxonomy = Taxonomy('test', '1', grown.nodes, root)
    tables = DecisionTables.of(taxonomy)
    tree = ClassifierTree(tables, classifiers_of(rng, taxonomy, 4, 2.0))
    features = smooth(rng, (int(rng.integers(1, 14)), int(rng.integers(1, 40)), 4))
    size = (height, width)
    expected = tree(features, tree.everywhere).copy()
    tree(features).fill(np.nan)
    deepest = int(rng.integers(0, taxonomy.depth + 1))
    found = tree(features, tree.plan(taxonomy, deepest, True))
    levels = [node.node_id for node in taxonomy.nodes if node.level <= deepest]
    np.testing.assert_array_equal(found[levels], expected[levels])
    below = np.array(taxonomy.nodes_below(root))
    assert np.isfinite(found[below]).all()
    labels, _ = decide_sparse(found, tables, size)
    np.testing.assert_array_equal(labels, decide_sparse(expected, tables, size)[0])
    rows, columns = np.nonzero(np.isin(labels, below))
    full, whole = interpolated(found[below], size), interpolated(expected[below], size)
    np.testing.assert_array_equal(full[:, rows, columns], whole[:, rows, columns])


def test_a_rare_subtree_is_evaluated_where_its_node_can_win_alone() -> None:
    """At one blob of a wide grid."""
    taxonomy = named_tree(('root', ['often', ('rare', [f'{n}' for n in range(40)])]))
    rng = np.random.default_rng(0)
    row = np.array([[0.0], [8.0]], np.float32)
    classifiers = [
        Classifier(np.ones((1, 1), np.float32), np.zeros(1, np.float32), row,
                   np.array([4, 0], np.float32)),
        Classifier(np.ones((8, 1), np.float32), np.zeros(8, np.float32),
                   rng.normal(0, 1, (40, 8)).astype(np.float32), np.zeros(40, np.float32)),
    ]  # fmt: skip
    tree = ClassifierTree(DecisionTables.of(taxonomy), classifiers)
    features = np.zeros((64, 128, 1), np.float32)
    features[20:24, 40:44] = 1
    assert_exact(taxonomy, tree, features, (256, 512), 0.0)
    labels, _ = decide_sparse(tree(features), DecisionTables.of(taxonomy), (256, 512))
    assert set(np.unique(labels[85:90, 165:170])) <= set(range(3, 43))
    root_alone = tree.evaluations_everywhere // 2
    assert root_alone < tree.evaluated <= root_alone * 1.05 + 20
