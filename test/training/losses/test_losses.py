# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The set loss: value and gradient against a reference, batches, heads, precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from loss_references import (
    ONE,
    ONE_DATASET,
    output_of,
    random_logits,
    weights_of_cells,
)
from random_trees import random_leaf_probabilities, random_tree

from hiseg_ros.model.classifier_tree import ConditionalHead, HeadOutput, LeafHead
from hiseg_ros.model.config import NetworkConfig
from hiseg_ros.taxonomy import Label, Mapping, load_mapping, load_taxonomy
from hiseg_ros.training.data.label_table import LabelTable
from hiseg_ros.training.losses import SMALLEST_PROBABILITY, SetLoss, set_nll


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
    output = head.head_output(torch.randn(2, 8, 4, 4))
    loss = loss_of(output, targets, torch.tensor([0, 1]), torch.ones(2))
    loss.backward()
    assert loss.item() == 0
    assert all((p.grad is None) or (p.grad == 0).all() for p in head.parameters())
    targets[1] = 3
    output = head.head_output(torch.randn(2, 8, 4, 4))
    loss = loss_of(output, targets, torch.tensor([0, 0]), torch.ones(2))
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


@settings(deadline=None, max_examples=20, derandomize=True)
@example(seed=87681)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_batch_loss_is_a_weighted_mean_per_data_set(seed: int) -> None:
    """Pixels weigh by label, images of a dataset share one mean, datasets add with a factor."""
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
    # In float64: a label of all leaves may sum to more than 1 in float32, where the loss is 0.
    p = p.astype(np.float64) / p.sum(1, keepdims=True, dtype=np.float64)
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
    found = SetLoss(table).double()(
        HeadOutput(torch.from_numpy(p)),
        torch.from_numpy(targets),
        torch.from_numpy(dataset),
        torch.from_numpy(dataset_weights),
    )
    assert found.item() == pytest.approx(expected, rel=1e-4)


def test_the_loss_ignores_how_images_are_ordered_in_the_batch() -> None:
    """Only the dataset of an image counts, not its place."""
    taxonomy = load_taxonomy('iv2018')
    labels = tuple(
        Label(index, name, taxonomy.leaves_below(taxonomy.node_id(name)))
        for index, name in enumerate(('Sky', 'Driveable'))
    )
    table = LabelTable(taxonomy, [Mapping('test', labels, ())])
    p = torch.from_numpy(
        random_leaf_probabilities(np.random.default_rng(0), taxonomy, (3, 2, 2)).swapaxes(0, 1)
    )
    targets, datasets = torch.randint(-1, 2, (3, 8, 8)), torch.tensor([0, 1, 1])
    loss = SetLoss(table)
    order = torch.tensor([2, 0, 1])
    torch.testing.assert_close(
        loss(HeadOutput(p), targets, datasets, torch.ones(2)),
        loss(HeadOutput(p[order]), targets[order], datasets[order], torch.ones(2)),
    )


def test_both_heads_have_the_same_loss_for_the_same_probabilities() -> None:
    """Value and gradient follow from the leaf probabilities alone."""
    rng = np.random.default_rng(5)
    taxonomy = load_taxonomy('iv2018')
    table = LabelTable(taxonomy, [load_mapping('cityscapes', taxonomy)])
    loss_of = SetLoss(table).double()
    targets = torch.from_numpy(rng.integers(-1, len(table.weights), (2, 12, 16)))
    conditional = output_of(taxonomy, random_logits(rng, taxonomy, 2, (3, 4)))
    logits = (conditional.leaf_probabilities.detach().log() + 3).requires_grad_()
    leaf = HeadOutput(logits.softmax(1))
    losses, gradients = [], []
    for output in (conditional, leaf):
        output.leaf_probabilities.retain_grad()
        loss = loss_of(output, targets, torch.tensor([0, 1]), torch.tensor([1.0, 2.0]).double())
        loss.backward()
        losses.append(loss.detach())
        gradients.append(output.leaf_probabilities.grad)
    torch.testing.assert_close(*losses)
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize('head_kind', ['conditional', 'leaf'])
def test_extreme_logits_give_a_finite_loss_and_finite_gradients(head_kind: str) -> None:
    """A head that is certain beyond float32's range neither stops the run nor poisons weights."""
    taxonomy = load_taxonomy('street')
    table = LabelTable(taxonomy, [load_mapping(name, taxonomy) for name in ('camvid', 'gtsdb')])
    head = {'conditional': ConditionalHead, 'leaf': LeafHead}[head_kind](
        taxonomy, NetworkConfig(channels=8)
    )
    for module in head.logits if head_kind == 'conditional' else [head.logits]:
        torch.nn.init.normal_(module.weight, std=1e6)
    features = torch.randn(2, 8, 4, 4)
    targets = torch.randint(-1, 55, (2, 16, 16))
    loss = SetLoss(table)(head.head_output(features), targets, torch.tensor([0, 1]), torch.ones(2))
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(p.grad).all() for p in head.parameters() if p.grad is not None)


@pytest.mark.parametrize('head_kind', ['conditional', 'leaf'])
def test_autocast_leaves_heads_and_loss_in_float32(head_kind: str) -> None:
    """Only the convolutions run in bfloat16: a probability with 8 bits is no basis for a log."""
    taxonomy = load_taxonomy('street')
    table = LabelTable(taxonomy, [load_mapping('camvid', taxonomy)])
    head = {'conditional': ConditionalHead, 'leaf': LeafHead}[head_kind](
        taxonomy, NetworkConfig(channels=8)
    )
    targets, features = torch.randint(-1, 11, (1, 16, 16)), torch.randn(1, 8, 4, 4)
    with torch.autocast('cpu', torch.bfloat16):
        output = head.head_output(features)
        inside = SetLoss(table)(output, targets, ONE_DATASET, ONE)
    outside = SetLoss(table)(output, targets, ONE_DATASET, ONE)
    assert output.leaf_probabilities.dtype == torch.float32
    torch.testing.assert_close(output.leaf_probabilities.sum(1), torch.ones(1, 4, 4))
    assert inside.item() == outside.item()
    inside.backward()
    assert all(torch.isfinite(p.grad).all() for p in head.parameters() if p.grad is not None)


def test_targets_may_have_sixteen_bits() -> None:
    """They are kept that way to save memory."""
    taxonomy = load_taxonomy('street')
    table = LabelTable(taxonomy, [load_mapping('camvid', taxonomy)])
    p = torch.from_numpy(random_leaf_probabilities(np.random.default_rng(0), taxonomy, (1, 2, 2)))
    output, targets = HeadOutput(p.swapaxes(0, 1)), torch.randint(-1, 11, (1, 8, 8))
    values = [
        SetLoss(table)(output, kind, ONE_DATASET, ONE) for kind in (targets, targets.short())
    ]
    assert values[0] == values[1]
