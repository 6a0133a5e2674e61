# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The set loss: value and gradient against a reference, and what each kind of label trains."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_trees import random_leaf_probabilities, random_tree

from hiseg_ros.errors import ConfigError
from hiseg_ros.model.classifier_tree import ConditionalHead, LeafHead
from hiseg_ros.model.config import NetworkConfig
from hiseg_ros.taxonomy import Label, Mapping, Taxonomy, load_mapping, load_taxonomy
from hiseg_ros.training.label_table import LabelTable
from hiseg_ros.training.losses import SMALLEST_PROBABILITY, SetLoss, set_nll

ONE = torch.ones(1)
ONE_DATASET = torch.zeros(1, dtype=torch.int64)


def weights_of_cells(grid: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """Return (H*W, h*w): how much each grid cell counts at each pixel (linear interpolation)."""
    axes = []
    for cells, pixels in zip(grid, size, strict=True):
        axis = np.zeros((pixels, cells))
        for pixel in range(pixels):
            place = min(max((pixel + 0.5) * cells / pixels - 0.5, 0), cells - 1)
            low = int(place)
            axis[pixel, low] += 1 - (place - low)
            axis[pixel, min(low + 1, cells - 1)] += place - low
        axes.append(axis)
    return np.kron(*axes)


def reference(
    probabilities: np.ndarray, targets: np.ndarray, allowed: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the loss per pixel and the gradient of its sum, pixel by pixel in float64."""
    leaves, grid = len(probabilities), probabilities.shape[1:]
    weights = weights_of_cells(grid, targets.shape)
    cells = probabilities.reshape(leaves, -1).astype(np.float64)
    loss, gradient = np.zeros(targets.size), np.zeros_like(cells)
    for pixel, row in enumerate(targets.flat):
        if row < 0:
            continue
        chosen = sum(cells[leaf] @ weights[pixel] for leaf in range(leaves) if allowed[row, leaf])
        loss[pixel] = -np.log(chosen)
        gradient += -np.outer(allowed[row], weights[pixel]) / chosen
    return loss.reshape(targets.shape), gradient.reshape(probabilities.shape)


@settings(deadline=None, max_examples=25, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_value_and_gradient_equal_the_reference(seed: int) -> None:
    """Random trees, label sets, grids and sizes; about a third of the pixels unlabeled."""
    rng = np.random.default_rng(seed)
    taxonomy = random_tree(rng)
    grid, size = tuple(rng.integers(1, 5, 2)), tuple(rng.integers(1, 9, 2))
    probabilities = random_leaf_probabilities(rng, taxonomy, grid, peak=1.0)
    allowed = rng.random((5, len(taxonomy.leaves))) < 0.4
    # At least one leaf is allowed and one not: a sum of all may round to more than 1.
    allowed[:, 0] = False
    allowed[np.arange(5), rng.integers(1, len(taxonomy.leaves), size=5)] = True
    targets = rng.integers(0, 5, size)
    targets[rng.random(size) < 0.3] = -1
    p = torch.from_numpy(probabilities).double().requires_grad_()
    found = set_nll(p, torch.from_numpy(targets), torch.from_numpy(allowed).double())
    found.sum().backward()
    loss, gradient = reference(probabilities, targets, allowed)
    np.testing.assert_allclose(found.detach(), loss, rtol=1e-9, atol=1e-12)
    assert p.grad is not None
    np.testing.assert_allclose(p.grad, gradient, rtol=1e-9, atol=1e-12)


def test_a_single_leaf_gives_the_usual_cross_entropy() -> None:
    """With one allowed leaf per label and no interpolation it is cross entropy of the logits."""
    logits = torch.randn(6, 3, 4, dtype=torch.float64)
    targets = torch.randint(0, 6, (3, 4))
    found = set_nll(logits.softmax(0), targets, torch.eye(6).double())
    expected = torch.nn.functional.cross_entropy(logits[None], targets[None], reduction='none')[0]
    torch.testing.assert_close(found, expected)


def test_a_label_that_allows_everything_costs_nothing_and_teaches_nothing() -> None:
    """Knowing only that a pixel is something is knowing nothing."""
    logits = torch.randn(7, 4, 4, requires_grad=True)
    loss = set_nll(logits.softmax(0), torch.zeros(8, 8, dtype=torch.int64), torch.ones(1, 7))
    loss.sum().backward()
    assert logits.grad is not None
    assert loss.abs().max() < 1e-6
    assert logits.grad.abs().max() < 1e-5


def test_unlabeled_pixels_give_exactly_no_gradient() -> None:
    """Cells that only unlabeled pixels see have a gradient of zero, not a small one."""
    p = torch.rand(5, 4, 8, requires_grad=True)
    targets = torch.full((16, 32), -1)
    targets[:, :8] = torch.randint(0, 5, (16, 8))
    set_nll(p, targets, torch.eye(5)).sum().backward()
    assert p.grad is not None
    # Pixels 0..7 reach columns 0..2 of the grid (pixel 7: 1.375).
    assert (p.grad[:, :, 3:] == 0).all()
    assert (p.grad[:, :, :2] != 0).any()


@pytest.mark.parametrize('head_kind', ['conditional', 'leaf'])
def test_an_image_without_any_label_gives_zero_and_no_nan(head_kind: str) -> None:
    """Its loss can still be differentiated, alone and beside a labelled image."""
    taxonomy = load_taxonomy('street')
    table = LabelTable(taxonomy, [load_mapping('camvid', taxonomy)])
    head = {'conditional': ConditionalHead, 'leaf': LeafHead}[head_kind](
        taxonomy, NetworkConfig(channels=8)
    )
    loss_of = SetLoss(table)
    targets = torch.full((2, 16, 16), -1)
    loss = loss_of(head(torch.randn(2, 8, 4, 4)), targets, torch.tensor([0, 1]), torch.ones(2))
    loss.backward()
    assert loss.item() == 0
    assert all((p.grad is None) or (p.grad == 0).all() for p in head.parameters())
    targets[1] = 3
    loss = loss_of(head(torch.randn(2, 8, 4, 4)), targets, torch.tensor([0, 0]), torch.ones(2))
    loss.backward()
    assert torch.isfinite(loss)
    assert loss > 0
    assert all(torch.isfinite(p.grad).all() for p in head.parameters() if p.grad is not None)


def test_a_certainly_wrong_pixel_has_a_finite_loss_and_still_learns() -> None:
    """Below the floor the loss goes on as the tangent: finite, and never without gradient."""
    for gap in (20.0, 40.0, 200.0):
        logits = torch.tensor([gap, 0.0])[:, None, None].double().requires_grad_()
        probabilities = logits.softmax(0)
        probabilities.retain_grad()
        loss = set_nll(probabilities, torch.ones(1, 1).long(), torch.eye(2).double())
        loss.sum().backward()
        assert torch.isfinite(loss).all()
        assert loss.item() >= -np.log(SMALLEST_PROBABILITY)
        assert probabilities.grad is not None
        assert probabilities.grad[1].item() == pytest.approx(-1 / SMALLEST_PROBABILITY)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def table_of(taxonomy: Taxonomy, *labels: tuple[str, ...]) -> LabelTable:
    """Return a table with one row per tuple of node names."""
    rows = tuple(
        Label(index, '+'.join(names), tuple(
            leaf for name in names for leaf in taxonomy.leaves_below(taxonomy.node_id(name))
        ))
        for index, names in enumerate(labels)
    )
    return LabelTable(taxonomy, [Mapping('test', rows, ())])


def trained_classifiers(taxonomy: Taxonomy, table: LabelTable, target: int) -> set[str]:
    """Return the inner nodes whose classifier gets a gradient from pixels of one label."""
    torch.manual_seed(0)
    head = ConditionalHead(taxonomy, NetworkConfig(channels=12))
    kept: list[torch.Tensor] = []
    original = head.conditional_logits

    def keep(features: torch.Tensor) -> list[torch.Tensor]:
        kept.extend(original(features))
        for logits in kept:
            logits.retain_grad()
        return kept

    head.conditional_logits = keep  # type: ignore[method-assign]
    probabilities = head(torch.randn(1, 12, 3, 3))
    targets = torch.full((1, 12, 12), target)
    SetLoss(table)(probabilities, targets, ONE_DATASET, ONE).backward()
    sizes = [float(logits.grad.abs().max()) for logits in kept]
    assert max(sizes) > 1e-5
    return {
        taxonomy.nodes[inner].name
        for inner, size in zip(taxonomy.classifiers, sizes, strict=True)
        if size > 1e-4 * max(sizes)  # beyond rounding
    }


@pytest.mark.parametrize(
    'name', ['Driveable', 'Vehicle', 'Traffic Sign (Front)', 'Sign - Danger', 'o_stop', 'Sky']
)
def test_a_label_trains_exactly_the_classifiers_above_its_node(name: str) -> None:
    """The paper's rule falls out: none below the node, none beside it, all above it."""
    taxonomy = load_taxonomy('street')
    above = {taxonomy.nodes[n].name for n in taxonomy.path(taxonomy.node_id(name))[:-1]}
    assert trained_classifiers(taxonomy, table_of(taxonomy, (name,)), 0) == above


def test_a_label_of_two_nodes_trains_what_tells_them_from_the_rest() -> None:
    """CamVid's Bicyclist is rider or cycle: the classifiers above both, none inside them."""
    taxonomy = load_taxonomy('street')
    mapping = load_mapping('camvid', taxonomy)
    row = [label.name for label in mapping.labels].index('Bicyclist')
    trained = trained_classifiers(taxonomy, LabelTable(taxonomy, [mapping]), row)
    assert trained == {'Street Scene', 'Human', 'Object', 'Vehicle'}


def test_outside_all_boxes_pushes_only_the_43_types_down() -> None:
    """Every other leaf, 'other sign' among them, is allowed there and goes up."""
    taxonomy = load_taxonomy('street')
    mapping = load_mapping('gtsdb', taxonomy)
    table = LabelTable(taxonomy, [mapping])
    types = {leaf for label in mapping.labels[:43] for leaf in label.leaves}
    logits = torch.randn(1, len(taxonomy.leaves), 4, 4, requires_grad=True)
    targets = torch.full((1, 16, 16), int(table.row_of_label_id('gtsdb')[43]))
    SetLoss(table)(logits.softmax(1), targets, ONE_DATASET, ONE).backward()
    assert logits.grad is not None
    by_leaf = dict(zip(taxonomy.leaves, logits.grad[0].sum((1, 2)).tolist(), strict=True))
    assert len(types) == 43
    assert {leaf for leaf, gradient in by_leaf.items() if gradient > 0} == types
    # Nothing is said about roads and cars: only classifiers on the way to a type are trained.
    above = {taxonomy.nodes[n].name for leaf in types for n in taxonomy.path(leaf)[:-1]}
    trained = trained_classifiers(taxonomy, table, 43)
    assert trained <= above
    assert 'Traffic Sign (Front)' in trained


@settings(deadline=None, max_examples=20, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_batch_loss_is_a_weighted_mean_per_data_set(seed: int) -> None:
    """Pixels weigh by label, images of a data set share one mean, data sets add with a factor."""
    rng = np.random.default_rng(seed)
    taxonomy = random_tree(rng)
    leaves = taxonomy.leaves
    labels = tuple(Label(i, f'a{i}', (leaf,)) for i, leaf in enumerate(taxonomy.leaves))
    first = Mapping('a', labels, ())
    second = Mapping('b', (Label(0, 'b0', taxonomy.leaves[:2]),), ())
    table = LabelTable(taxonomy, [first, second], {'a': {'a0': 0.25, 'a1': 3.0}, 'b': {'b0': 0.5}})
    assert table.weights.tolist() == [0.25, 3.0, *[1.0] * (len(leaves) - 2), 0.5]
    count = int(rng.integers(1, 5))
    p = np.stack([random_leaf_probabilities(rng, taxonomy, (2, 3), 1.0) for _ in range(count)])
    dataset = rng.integers(0, 2, count)
    targets = np.where(
        dataset[:, None, None] == 0, rng.integers(0, len(leaves), (count, 8, 9)), len(leaves)
    )
    targets[rng.random(targets.shape) < 0.2] = -1
    dataset_weights = np.array([0.7, 2.0])
    expected = 0.0
    for index in (0, 1):
        top, bottom = 0.0, 0.0
        for n in np.flatnonzero(dataset == index):
            loss, _ = reference(p[n], targets[n], table.allowed.numpy())
            weight = np.where(targets[n] < 0, 0, table.weights.numpy()[targets[n]])
            top, bottom = top + (weight * loss).sum(), bottom + weight.sum()
        expected += dataset_weights[index] * top / max(bottom, 1)
    found = SetLoss(table)(
        torch.from_numpy(p), torch.from_numpy(targets), torch.from_numpy(dataset),
        torch.from_numpy(dataset_weights).float(),
    )
    assert found.item() == pytest.approx(expected, rel=1e-4)


def test_the_loss_ignores_how_images_are_ordered_in_the_batch() -> None:
    """Only the data set of an image counts, not its place."""
    taxonomy = load_taxonomy('iv2018')
    table = table_of(taxonomy, ('Sky',), ('Driveable',))
    p = torch.from_numpy(
        random_leaf_probabilities(np.random.default_rng(0), taxonomy, (3, 2, 2)).swapaxes(0, 1)
    )
    targets, datasets = torch.randint(-1, 2, (3, 8, 8)), torch.tensor([0, 1, 1])
    loss = SetLoss(table)
    order = torch.tensor([2, 0, 1])
    torch.testing.assert_close(
        loss(p, targets, datasets, torch.ones(2)),
        loss(p[order], targets[order], datasets[order], torch.ones(2)),
    )


def test_the_table_numbers_labels_of_all_data_sets_one_after_the_other() -> None:
    """Label ids become rows; unlabeled ids become -1 and unknown ones -2."""
    taxonomy = load_taxonomy('street')
    camvid, gtsdb = (load_mapping(name, taxonomy) for name in ('camvid', 'gtsdb'))
    table = LabelTable(taxonomy, [camvid, gtsdb])
    assert table.allowed.shape == (55, 108)
    first, second = table.row_of_label_id('camvid'), table.row_of_label_id('gtsdb')
    assert first[:13].tolist() == [*range(11), -1, -2]
    assert second[:45].tolist() == [*range(11, 55), -2]
    assert first[255] == second[255] == -1
    for mapping, rows in ((camvid, first), (gtsdb, second)):
        for label in mapping.labels:
            allowed = table.allowed[rows[label.label_id]].nonzero().flatten()
            assert [taxonomy.leaves[i] for i in allowed] == list(label.leaves)


@pytest.mark.parametrize(
    ('weights', 'word'),
    [
        ({'camvid': {'Sky': 1.0, 'Sea': 2.0}}, 'Sea'), ({'camvid': {'Sky': -1.0}}, 'negative'),
        ({'vistas': {'Sky': 1.0}}, 'vistas'),
    ],
)
def test_weights_of_unknown_labels_are_refused(
    weights: dict[str, dict[str, float]], word: str
) -> None:
    """A misspelt label is an error, not a weight of 1."""
    taxonomy = load_taxonomy('street')
    with pytest.raises(ConfigError, match=word):
        LabelTable(taxonomy, [load_mapping('camvid', taxonomy)], weights)


def test_two_mappings_of_one_name_are_refused() -> None:
    """Their rows could not be told apart."""
    taxonomy = load_taxonomy('street')
    camvid = load_mapping('camvid', taxonomy)
    with pytest.raises(ConfigError, match='camvid'):
        LabelTable(taxonomy, [camvid, camvid])
