# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The sparse decision against a walk at every pixel in the same arithmetic, and against torch."""

from __future__ import annotations

import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_trees import named_tree, node_values, random_leaf_probabilities, random_tree

from hiseg_ros.decision import sparse
from hiseg_ros.decision.cell_kernels import fill
from hiseg_ros.decision.grid_kernels import walk_grid
from hiseg_ros.decision.sparse import decide_sparse, warm_up
from hiseg_ros.decision.tables import DecisionTables
from hiseg_ros.errors import ConfigError
from hiseg_ros.taxonomy import Taxonomy, load_taxonomy

SEEDS = st.integers(0, 2**32 - 1)
SIDES = st.integers(1, 9)
PIXELS = st.integers(1, 40)
few = settings(deadline=None, max_examples=60, derandomize=True)


def axis(cells: int, pixels: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return both corners of every pixel along one side and the weights of the two."""
    scale = np.float32(cells) / np.float32(pixels)
    centre = scale * (np.arange(pixels, dtype=np.float32) + np.float32(0.5)) - np.float32(0.5)
    centre = np.maximum(centre, np.float32(0))
    near = np.minimum(np.floor(centre).astype(int), cells - 1)
    weight = np.clip(centre - near.astype(np.float32), np.float32(0), np.float32(1))
    return near, np.minimum(near + 1, cells - 1), np.float32(1) - weight, weight


def interpolated(grid: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Interpolate (V, h, w) float32 at every pixel: along x, then y, each step rounded once."""
    left, right, near, far = axis(grid.shape[2], size[1])
    rows = near * grid[:, :, left] + far * grid[:, :, right]
    above, below, near, far = axis(grid.shape[1], size[0])
    full = near[:, None] * rows[:, above] + far[:, None] * rows[:, below]
    assert full.dtype == np.float32
    return full


def walked(
    full: np.ndarray, taxonomy: Taxonomy, threshold: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Walk down at every pixel of (V, H, W); also say how near the closest choice was."""
    labels = np.zeros(full.shape[1:], np.uint8)
    chosen = full[0].copy()
    margin = np.full(full.shape[1:], np.inf)
    for inner in taxonomy.inner:
        here = labels == inner
        children = np.array(taxonomy.children(inner))
        values = full[children]
        ranked = np.sort(values, axis=0)
        best, bound = ranked[-1], np.float32(threshold) * chosen
        margin[here] = np.minimum(margin, best - ranked[-2])[here]
        if threshold:
            margin[here] = np.minimum(margin, np.abs(best - bound))[here]
        down = here & (best >= bound)
        labels[down] = children.astype(np.uint8)[values.argmax(0)][down]
        chosen[down] = best[down]
    return labels, chosen, margin


def in_bytes(probability: np.ndarray) -> np.ndarray:
    """Return 255 times the probability, rounded to even."""
    return np.clip(np.rint(probability * np.float32(255)), 0, 255).astype(np.uint8)


def assert_exact(
    grid: np.ndarray, taxonomy: Taxonomy, size: tuple[int, int], threshold: float
) -> None:
    """Compare both images with the walk at every pixel, bit by bit."""
    labels, confidence = decide_sparse(grid, DecisionTables.of(taxonomy), size, threshold)
    expected, chosen, _ = walked(interpolated(grid, size), taxonomy, threshold)
    assert labels.dtype == confidence.dtype == np.uint8
    np.testing.assert_array_equal(labels, expected)
    np.testing.assert_array_equal(confidence, in_bytes(chosen))


def smooth_leaves(
    rng: np.random.Generator, taxonomy: Taxonomy, shape: tuple[int, int]
) -> np.ndarray:
    """Return (L, h, w) float32 probabilities that change slowly, as a trained network's do."""
    coarse = rng.normal(0, 4, (len(taxonomy.leaves), 3, 3)).astype(np.float32)
    logits = interpolated(coarse, shape)
    values = np.exp(logits - logits.max(0))
    return values / values.sum(0)


def a_threshold(rng: np.random.Generator) -> float:
    """Return 0, 1, something between, or a threshold that halves and quarters meet exactly."""
    return float(rng.choice([0.0, 1.0, 0.5, 0.25, rng.uniform()]))


@few
@given(seed=SEEDS, h=SIDES, w=SIDES, height=PIXELS, width=PIXELS)
def test_noise_is_decided_like_a_walk_at_every_pixel(
    seed: int, h: int, w: int, height: int, width: int
) -> None:
    """Hardly two corners agree; images larger and smaller than the grid, and one cell thin."""
    rng = np.random.default_rng(seed)
    taxonomy = random_tree(rng, 30)
    peak = float(rng.uniform(0.1, 6))
    grid = node_values(taxonomy, random_leaf_probabilities(rng, taxonomy, (h, w), peak))
    assert_exact(grid, taxonomy, (height, width), a_threshold(rng))


@few
@given(seed=SEEDS, height=st.integers(1, 90), width=st.integers(1, 90))
def test_smooth_grids_are_decided_like_a_walk_at_every_pixel(
    seed: int, height: int, width: int
) -> None:
    """Most cells are uniform; the images' sides are no multiples of the grid's."""
    rng = np.random.default_rng(seed)
    taxonomy = random_tree(rng, 30)
    h, w = (int(side) for side in rng.integers(1, 20, 2))
    grid = node_values(taxonomy, smooth_leaves(rng, taxonomy, (h, w)))
    assert_exact(grid, taxonomy, (height, width), a_threshold(rng))


@few
@given(seed=SEEDS, height=PIXELS, width=PIXELS)
def test_ties_are_decided_like_a_walk_at_every_pixel(seed: int, height: int, width: int) -> None:
    """Few different values: children tie at one corner or at all, and thresholds are met."""
    rng = np.random.default_rng(seed)
    taxonomy = random_tree(rng)
    h, w = (int(side) for side in rng.integers(1, 7, 2))
    grid = rng.integers(0, 3, (len(taxonomy), h, w)).astype(np.float32) / 4
    grid[0] = 1
    # Equality at the corners that rounding between them may turn into an order.
    grid[1:] *= np.float32(rng.choice([1.0, 1 / 3, 0.7]))
    if rng.random() < 0.5:
        grid[:] = grid[:, :1, :1]
    assert_exact(grid, taxonomy, (height, width), a_threshold(rng))


@few
@given(seed=SEEDS, height=PIXELS, width=PIXELS)
def test_choices_within_a_few_roundings_are_decided_like_a_walk_at_every_pixel(
    seed: int, height: int, width: int
) -> None:
    """Siblings differ by a few units in the last place, around ties and around the threshold.

    Mostly by the same at every corner: then only a margin tells a sure cell from one that is not.
    """
    rng = np.random.default_rng(seed)
    taxonomy = random_tree(rng)
    h, w = (int(side) for side in rng.integers(1, 7, 2))
    # A product with 0, 1/4, 1/2 or 1 is not rounded; with any other threshold it is.
    threshold = a_threshold(rng) if rng.random() < 0.3 else float(rng.uniform(0.1, 1))
    steps_shape = (len(taxonomy), h, w) if rng.random() < 0.3 else (len(taxonomy), 1, 1)
    steps = rng.integers(-4, 5, steps_shape) * rng.choice([1, 8])
    share = threshold or 0.3
    grid = np.empty((len(taxonomy), h, w), np.float32)
    grid[0] = rng.uniform(0.3, 1, (h, w))
    for node in taxonomy.nodes[1:]:
        exact = share * grid[node.parent].astype(np.float64)
        grid[node.node_id] = exact * (1 + steps[node.node_id] * 2.0**-24)
    assert_exact(grid, taxonomy, (height, width), threshold)


@pytest.mark.parametrize('ulps', [-2, -1, 0, 1, 2])
def test_a_child_at_the_threshold_is_decided_like_a_walk_at_every_pixel(ulps: int) -> None:
    """By the same few units in the last place at every corner: rounding decides between them."""
    rng = np.random.default_rng(5)
    taxonomy = named_tree(('root', ['near', 'never']))
    for threshold in rng.uniform(0.1, 1, 30):
        root = rng.uniform(0.3, 1, (8, 8)).astype(np.float32)
        near = np.float32(threshold) * root
        for _ in range(abs(ulps)):
            near = np.nextafter(near, np.float32(np.sign(ulps) * 2))
        grid = np.stack([root, near, np.zeros_like(root)])
        assert_exact(grid, taxonomy, (61, 67), float(threshold))


@few
@given(seed=SEEDS, height=PIXELS, width=PIXELS)
def test_certainty_is_decided_like_a_walk_at_every_pixel(
    seed: int, height: int, width: int
) -> None:
    """One leaf has everything, so most nodes are 0 at every corner, and thresholds of 1 hold."""
    rng = np.random.default_rng(seed)
    taxonomy = random_tree(rng, 20)
    h, w = (int(side) for side in rng.integers(1, 7, 2))
    certain = rng.integers(0, len(taxonomy.leaves), (h, w))
    leaves = np.eye(len(taxonomy.leaves), dtype=np.float32)[certain].transpose(2, 0, 1)
    assert_exact(node_values(taxonomy, leaves), taxonomy, (height, width), a_threshold(rng))


@few
@given(seed=SEEDS)
def test_vanishing_probabilities_are_decided_like_a_walk_at_every_pixel(seed: int) -> None:
    """Products of weights and such values lose digits, and a relative margin means nothing."""
    rng = np.random.default_rng(seed)
    taxonomy = random_tree(rng)
    grid = node_values(taxonomy, random_leaf_probabilities(rng, taxonomy, (4, 5), 0.01))
    scales = np.float32(10.0) ** rng.integers(-45, -25, (len(taxonomy), 1, 1))
    vanishing = (grid * scales).astype(np.float32)
    assert_exact(vanishing, taxonomy, (17, 23), a_threshold(rng))


@pytest.mark.needs('torch')
@few
@given(seed=SEEDS, height=PIXELS, width=PIXELS)
def test_labels_are_those_of_the_dense_decision_but_within_rounding(
    seed: int, height: int, width: int
) -> None:
    """Torch adds up the corners in another order."""
    import torch

    from hiseg_ros.decision.dense import decide

    rng = np.random.default_rng(seed)
    taxonomy = random_tree(rng, 20)
    h, w = (int(side) for side in rng.integers(1, 12, 2))
    threshold = a_threshold(rng)
    grid = node_values(taxonomy, random_leaf_probabilities(rng, taxonomy, (h, w)))
    tables = DecisionTables.of(taxonomy)
    labels, confidence = decide_sparse(grid, tables, (height, width), threshold)
    expected, chosen = decide(torch.from_numpy(grid), taxonomy, (height, width), threshold)
    _, _, margin = walked(interpolated(grid, (height, width)), taxonomy, threshold)
    clear = margin > 1e-5
    np.testing.assert_array_equal(labels[clear], expected.numpy()[clear])
    quantised = in_bytes(chosen.numpy()).astype(int)
    assert np.abs(confidence - quantised)[clear].max(initial=0) <= 1


@pytest.mark.parametrize('name', ['street', 'iv2018'])
def test_a_one_hot_decides_to_itself(name: str) -> None:
    """Certainty about a leaf gives that leaf with full confidence at any threshold."""
    taxonomy = load_taxonomy(name)
    one_hot = np.eye(len(taxonomy.leaves), dtype=np.float32)[:, None]
    grid, tables = node_values(taxonomy, one_hot), DecisionTables.of(taxonomy)
    for threshold in (0.0, 0.5, 1.0):
        labels, confidence = decide_sparse(grid, tables, (1, len(taxonomy.leaves)), threshold)
        assert labels[0].tolist() == list(taxonomy.leaves)
        assert (confidence == 255).all()


@pytest.mark.parametrize('threshold', [0.0, 0.5, 1.0])
def test_only_cells_whose_corners_disagree_are_walked(
    small_taxonomy: Taxonomy, threshold: float
) -> None:
    """Two halves of an image cost one column of cells at full resolution."""
    halves = np.zeros((len(small_taxonomy.leaves), 6, 8), np.float32)
    halves[0, :, :3] = halves[3, :, 3:] = 1
    grid = node_values(small_taxonomy, halves)
    tables = DecisionTables.of(small_taxonomy)
    _, share = sparse._decide(grid, tables, (60, 80), threshold, True, True)
    assert share == 1 / 8


def test_an_image_that_is_not_wanted_is_empty_and_the_other_unchanged(
    small_taxonomy: Taxonomy,
) -> None:
    """The flags save time and change nothing else."""
    rng = np.random.default_rng(1)
    leaves = random_leaf_probabilities(rng, small_taxonomy, (5, 7))
    grid, tables = node_values(small_taxonomy, leaves), DecisionTables.of(small_taxonomy)
    for threshold in (0.0, 0.6):
        both = decide_sparse(grid, tables, (31, 29), threshold)
        labels, nothing = decide_sparse(grid, tables, (31, 29), threshold, confidence=False)
        np.testing.assert_array_equal(labels, both[0])
        assert nothing.shape == (0, 0)
        nothing, confidence = decide_sparse(grid, tables, (31, 29), threshold, labels=False)
        np.testing.assert_array_equal(confidence, both[1])
        assert nothing.shape == (0, 0)


def compiled_forms(kernel: object) -> list[str]:
    """Return the types a kernel is compiled for, without those of trees of more than 255 nodes.

    Tests before this one in the same process may have had such trees.
    """
    return [text for text in map(str, vars(kernel)['kernel'].signatures) if 'uint16' not in text]


def test_any_layout_in_memory_is_decided_alike(small_taxonomy: Taxonomy) -> None:
    """Read-only, transposed and cut-out arrays are copied first."""
    rng = np.random.default_rng(2)
    leaves = random_leaf_probabilities(rng, small_taxonomy, (6, 6))
    grid, tables = node_values(small_taxonomy, leaves), DecisionTables.of(small_taxonomy)
    expected = decide_sparse(grid, tables, (20, 20))
    locked = grid.copy()
    locked.flags.writeable = False
    transposed = np.ascontiguousarray(grid.transpose(1, 2, 0)).transpose(2, 0, 1)
    for values in (locked, transposed):
        found = decide_sparse(values, tables, (20, 20))
        np.testing.assert_array_equal(found, expected)
    assert len(compiled_forms(fill)) == 1


def test_threads_that_decide_at_once_get_their_own_answers(small_taxonomy: Taxonomy) -> None:
    """Two cameras, two engines, one process."""
    rng = np.random.default_rng(3)
    tables = DecisionTables.of(small_taxonomy)
    leaves = [random_leaf_probabilities(rng, small_taxonomy, (9, 9)) for _ in range(4)]
    grids = [node_values(small_taxonomy, values) for values in leaves]
    expected = [decide_sparse(grid, tables, (50, 50)) for grid in grids]
    wrong: list[int] = []

    def decide_often(camera: int) -> None:
        for _ in range(20):
            found = decide_sparse(grids[camera], tables, (50, 50))
            if not np.array_equal(found, expected[camera]):
                wrong.append(camera)

    threads = [threading.Thread(target=decide_often, args=(camera,)) for camera in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_after_the_warm_up_nothing_is_compiled(small_taxonomy: Taxonomy) -> None:
    """The first frame, at any size and threshold and with any flags, meets compiled kernels."""
    tables = DecisionTables.of(small_taxonomy)
    warm_up(tables)
    before = [compiled_forms(kernel) for kernel in (walk_grid, fill)]
    assert [len(forms) for forms in before] == [1, 1]
    grid = np.full((len(small_taxonomy), 4, 4), 0.5, np.float32)
    decide_sparse(grid, tables, (9, 7), 0)
    decide_sparse(grid, tables, (2, 3), np.float64(0.3), labels=False)
    decide_sparse(grid, tables, (2, 3), 1.0, confidence=False)
    assert [compiled_forms(kernel) for kernel in (walk_grid, fill)] == before


@pytest.mark.parametrize('threshold', [-0.1, 1.1, float('nan')])
def test_a_threshold_out_of_range_is_refused(small_taxonomy: Taxonomy, threshold: float) -> None:
    """The message quotes it."""
    grid = np.ones((len(small_taxonomy), 2, 2), np.float32)
    with pytest.raises(ConfigError, match=str(threshold)):
        decide_sparse(grid, DecisionTables.of(small_taxonomy), (4, 4), threshold)


@pytest.mark.parametrize(
    ('values', 'size'),
    [
        (np.ones((10, 2, 2), np.float32), (4, 4)),
        (np.ones((11, 2), np.float32), (4, 4)),
        (np.ones((11, 2, 2)), (4, 4)),
        (np.ones((11, 0, 2), np.float32), (4, 4)),
        (np.ones((11, 2, 2), np.float32), (4, 0)),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    small_taxonomy: Taxonomy, values: np.ndarray, size: tuple[int, int]
) -> None:
    """The kernels do not look where they read."""
    with pytest.raises(ValueError, match=r'expected \(11, h, w\) float32'):
        decide_sparse(values, DecisionTables.of(small_taxonomy), size)


def test_deciding_costs_no_torch() -> None:
    """A new interpreter that imports the sparse decision has not loaded torch."""
    program = (
        'import sys\n'
        'from hiseg_ros.decision import decide_sparse\n'
        'assert callable(decide_sparse) and "torch" not in sys.modules'
    )
    subprocess.run([sys.executable, '-c', program], check=True, timeout=60)
