# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The published loss: value and gradient against loops, and who trains which classifier."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_references import (
    ONE,
    ONE_DATASET,
    expected_child,
    gate_of,
    iv2018_reference,
    output_of,
    pixels_and_boxes,
    random_logits,
    random_sign_tree,
)

from hiseg_ros.errors import ConfigError
from hiseg_ros.model.classifier_tree import ConditionalHead, HeadOutput
from hiseg_ros.model.config import NetworkConfig
from hiseg_ros.taxonomy import Label, Mapping, Taxonomy, load_mapping, load_taxonomy
from hiseg_ros.training.data.label_table import LabelTable
from hiseg_ros.training.losses.iv2018 import Iv2018Loss, child_targets


@settings(deadline=None, max_examples=25, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_value_and_gradient_equal_the_reference(seed: int) -> None:
    """Random trees, labels of pixels and boxes, grids and sizes; some pixels unlabeled."""
    rng = np.random.default_rng(seed)
    taxonomy = random_sign_tree(rng)
    table, labels, is_box = pixels_and_boxes(rng, taxonomy)
    try:
        loss_of = Iv2018Loss(table, taxonomy).double()
    except ConfigError:  # only labels that split the root
        return
    grid, size = tuple(rng.integers(1, 4, 2)), tuple(rng.integers(2, 6, 2))
    targets = rng.integers(-1, len(labels), (2, *size))
    logits = random_logits(rng, taxonomy, 2, grid)
    again = [values.detach().clone().requires_grad_() for values in logits]
    found = loss_of(
        output_of(taxonomy, logits),
        torch.from_numpy(targets),
        torch.tensor([0, 1]),
        torch.ones(2).double(),
    )
    found.backward()
    expected = iv2018_reference(taxonomy, again, targets, labels, is_box)
    torch.testing.assert_close(found, expected)
    if expected.requires_grad:
        expected.backward()
    for values, others in zip(logits, again, strict=True):
        assert values.grad is not None
        wanted = torch.zeros_like(values) if others.grad is None else others.grad
        torch.testing.assert_close(values.grad, wanted)


@settings(deadline=None, max_examples=15, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_each_pixel_trains_exactly_the_classifiers_it_should(seed: int) -> None:
    """A pixel label those on its path, a box those from its gate down, each where it wins."""
    rng = np.random.default_rng(seed)
    taxonomy = random_sign_tree(rng)
    table, labels, is_box = pixels_and_boxes(rng, taxonomy)
    if (child_targets(table, taxonomy) < 0).all():
        return
    targets = rng.integers(-1, len(labels), (2, 4, 5))
    logits = random_logits(rng, taxonomy, 2, (4, 5))  # a cell per pixel
    Iv2018Loss(table, taxonomy).double()(
        output_of(taxonomy, logits), torch.from_numpy(targets), torch.tensor([0, 0]), ONE
    ).backward()
    winners = {
        inner: np.array(taxonomy.children(inner))[values.detach().argmax(1).numpy()]
        for inner, values in zip(taxonomy.classifiers, logits, strict=True)
    }
    for inner, values in zip(taxonomy.classifiers, logits, strict=True):
        expected = np.zeros(targets.shape, bool)
        for place, row in np.ndenumerate(targets):
            if row < 0 or expected_child(taxonomy, labels[row], is_box[row], inner) is None:
                continue
            gate = gate_of(taxonomy, labels[row])
            expected[place] = not is_box[row] or winners[taxonomy.parent(gate)][place] == gate
        assert values.grad is not None
        assert ((values.grad.abs().amax(1) > 1e-10).numpy() == expected).all()


@pytest.fixture(scope='module')
def paper() -> tuple[Taxonomy, LabelTable]:
    """Return the paper's tree and its three datasets."""
    taxonomy = load_taxonomy('iv2018')
    names = ('cityscapes', 'vistas', 'gtsdb')
    return taxonomy, LabelTable(taxonomy, [load_mapping(name, taxonomy) for name in names])


def trained_by(paper: tuple[Taxonomy, LabelTable], mapping: str, label: str) -> set[str]:
    """Return the names of the classifiers that a label trains."""
    taxonomy, table = paper
    labels = load_mapping(mapping, taxonomy).labels
    label_id = next(item.label_id for item in labels if item.name == label)
    row = int(table.label_set_of_label_id(mapping)[label_id])
    targets = child_targets(table, taxonomy)[:, row].tolist()
    names = [taxonomy.nodes[node].name for node in taxonomy.classifiers]
    return {name for name, child in zip(names, targets, strict=True) if child >= 0}


@pytest.mark.parametrize(
    ('mapping', 'label', 'classifiers'),
    [
        ('cityscapes', 'car', {'Street Scene'}),
        ('cityscapes', 'road', {'Street Scene'}),
        ('cityscapes', 'rider', {'Street Scene'}),
        ('cityscapes', 'traffic sign', {'Street Scene', 'Traffic Sign'}),
        # Several children of the root: the authors chose one of them.
        ('cityscapes', 'sidewalk', set()),
        ('vistas', 'Bicyclist', {'Street Scene', 'Rider'}),
        ('vistas', 'Manhole', {'Street Scene', 'Driveable'}),
        ('vistas', 'Traffic Sign (Back)', {'Street Scene', 'Traffic Sign'}),
        ('vistas', 'Traffic Sign (Front)', {'Street Scene', 'Traffic Sign'}),
        ('gtsdb', 'o_stop', {'Traffic Sign (Front)'}),
        ('gtsdb', 'outside all boxes', set()),
    ],
)
def test_the_papers_labels_train_the_papers_classifiers(
    paper: tuple[Taxonomy, LabelTable], mapping: str, label: str, classifiers: set[str]
) -> None:
    """Pixels train from the root down, boxes the type classifier alone and never the root."""
    assert trained_by(paper, mapping, label) == classifiers


def test_deeper_trees_train_all_sign_classifiers_by_boxes() -> None:
    """In the default tree types are grouped: the group's and the type's classifier learn."""
    taxonomy = load_taxonomy('street')
    table = LabelTable(taxonomy, [load_mapping('gtsdb', taxonomy)])
    found = trained_by((taxonomy, table), 'gtsdb', 'd_bend')
    path = [taxonomy.nodes[n].name for n in taxonomy.path(taxonomy.node_id('d_bend'))]
    assert found == set(path[path.index('Traffic Sign (Front)') : -1])
    assert len(found) == 2


def signs(winner: str, image_count: int = 1) -> tuple[Taxonomy, list[torch.Tensor]]:
    """Return logits of the paper's tree whose sign classifier decides for front or back."""
    taxonomy = load_taxonomy('iv2018')
    logits = random_logits(np.random.default_rng(0), taxonomy, image_count, (4, 4))
    sign = taxonomy.node_id('Traffic Sign')
    child = taxonomy.children(sign).index(taxonomy.node_id(winner))
    with torch.no_grad():
        logits[taxonomy.classifiers.index(sign)][:, child] += 100
    return taxonomy, logits


@pytest.mark.parametrize('winner', ['Traffic Sign (Front)', 'Traffic Sign (Back)'])
def test_the_hard_gate_is_the_sign_classifiers_decision_alone(
    paper: tuple[Taxonomy, LabelTable], winner: str
) -> None:
    """The root may see a wall there: the authors do not ask it, and so it is here."""
    _, table = paper
    taxonomy, logits = signs(winner)
    with torch.no_grad():
        logits[0][:, 6] += 100  # Wall
    row = int(table.label_set_of_label_id('gtsdb')[14])
    loss = Iv2018Loss(table, taxonomy).double()(
        output_of(taxonomy, logits), torch.full((1, 8, 8), row), ONE_DATASET, ONE
    )
    loss.backward()
    trained = {
        taxonomy.nodes[node].name
        for node, values in zip(taxonomy.classifiers, logits, strict=True)
        if values.grad is not None and values.grad.abs().max() > 0
    }
    is_open = winner == 'Traffic Sign (Front)'
    assert trained == ({'Traffic Sign (Front)'} if is_open else set())
    assert (loss.item() > 0) == is_open


def test_pixel_and_box_labels_are_each_divided_by_their_own_number() -> None:
    """One box pixel counts as much as all pixel labels of the sign types, lambda 0.1 each."""
    taxonomy, logits = signs('Traffic Sign (Front)')
    leaf = taxonomy.node_id('o_stop')
    table = LabelTable(
        taxonomy,
        [
            Mapping('strong', (Label(0, 'stop', (leaf,)),), ()),
            Mapping('weak', (Label(0, 'stop', (leaf,)),), (), from_boxes=True),
        ],
    )
    front = taxonomy.node_id('Traffic Sign (Front)')
    targets = torch.zeros(1, 4, 4, dtype=torch.int64)
    targets[0, 2, 3] = 1
    child = taxonomy.children(front).index(leaf)
    nll = -logits[taxonomy.classifiers.index(front)].log_softmax(1)[0, child]
    sign_logits = logits[taxonomy.classifiers.index(taxonomy.node_id('Traffic Sign'))]
    sign_nll = -sign_logits.log_softmax(1)[0, 1]  # front
    root_nll = -logits[0].log_softmax(1)[0, 38]  # traffic sign
    strong = targets[0] == 0
    expected = (
        root_nll[strong].mean()
        + 0.1 * sign_nll[strong].mean()
        + 0.1 * (nll[strong].mean() + nll[2, 3])
    )
    loss = Iv2018Loss(table, taxonomy).double()
    found = loss(output_of(taxonomy, logits), targets, ONE_DATASET, ONE)
    torch.testing.assert_close(found, expected)


@settings(deadline=None, max_examples=8, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_weights_of_labels_levels_and_data_sets_multiply(seed: int) -> None:
    """The number of pixels divides, not their weights; a weight of 0 takes a pixel out."""
    rng = np.random.default_rng(seed)
    taxonomy = random_sign_tree(rng)
    _, labels, is_box = pixels_and_boxes(rng, taxonomy)
    strong = Mapping('strong', tuple(labels[:6]), ())
    weak = Mapping('weak', tuple(labels[6:]), (), from_boxes=True)
    table = LabelTable(
        taxonomy,
        [strong, weak],
        {'strong': {'label 0': 0.0, 'label 1': 4.0}, 'weak': {'label 3': 0.5}},
    )
    if (child_targets(table, taxonomy) < 0).all():
        return
    # Three levels are given; the last value goes for all deeper ones.
    by_level, by_classifier = (1.0, 3.0, 0.5), (2.0, 0.5)
    loss_of = Iv2018Loss(table, taxonomy, by_classifier, by_level)
    targets = rng.integers(-1, len(labels), (1, 4, 4))
    logits = random_logits(rng, taxonomy, 1, (2, 2))
    weights = [
        1.5 * float(weight) * by_level[min(int(depth), 2)]
        for weight, depth in zip(table.weights, table.levels, strict=True)
    ]
    found = loss_of.double()(
        output_of(taxonomy, logits),
        torch.from_numpy(targets),
        ONE_DATASET,
        torch.tensor([1.5]).double(),
    )
    expected = iv2018_reference(taxonomy, logits, targets, labels, is_box, by_classifier, weights)
    torch.testing.assert_close(found, expected)


def test_a_batch_without_labels_gives_zero_and_gradients_of_zero() -> None:
    """Every classifier takes part, or processes that train together would wait for ever."""
    taxonomy = load_taxonomy('iv2018')
    table = LabelTable(taxonomy, [load_mapping('vistas', taxonomy)])
    head = ConditionalHead(taxonomy, NetworkConfig(channels=8))
    loss = Iv2018Loss(table, taxonomy)(
        head.head_output(torch.randn(1, 8, 4, 4)), torch.full((1, 16, 16), -1), ONE_DATASET, ONE
    )
    loss.backward()
    assert loss.item() == 0
    for module in head.logits:
        assert module.weight.grad is not None
        assert (module.weight.grad == 0).all()


def test_extreme_logits_give_a_finite_loss_and_finite_gradients() -> None:
    """A certainly wrong classifier neither stops the run nor poisons weights."""
    taxonomy = load_taxonomy('iv2018')
    table = LabelTable(taxonomy, [load_mapping(name, taxonomy) for name in ('vistas', 'gtsdb')])
    head = ConditionalHead(taxonomy, NetworkConfig(channels=8))
    for module in head.logits:
        torch.nn.init.normal_(module.weight, std=1e6)
    targets = torch.randint(-1, table.label_count, (2, 16, 16))
    with torch.autocast('cpu', torch.bfloat16):
        loss = Iv2018Loss(table, taxonomy)(
            head.head_output(torch.randn(2, 8, 4, 4)), targets, torch.tensor([0, 1]), torch.ones(2)
        )
    loss.backward()
    assert loss.dtype == torch.float32
    assert torch.isfinite(loss)
    assert loss > 1e4
    assert all(torch.isfinite(p.grad).all() for p in head.parameters() if p.grad is not None)


def test_what_cannot_train_is_refused() -> None:
    """A table of ambiguous labels only, a head without classifiers, weights beyond the tree."""
    taxonomy = load_taxonomy('iv2018')
    everything = Mapping('m', (Label(0, 'any', taxonomy.leaves),), ())
    with pytest.raises(ConfigError, match='no label that trains a classifier'):
        Iv2018Loss(LabelTable(taxonomy, [everything]), taxonomy)
    table = LabelTable(taxonomy, [load_mapping('vistas', taxonomy)])
    with pytest.raises(ConfigError, match='classifier_weights has 4 values; expected at most 3'):
        Iv2018Loss(table, taxonomy, (1.0, 1.0, 1.0, 1.0))
    with pytest.raises(ConfigError, match='level_weights has 5 values; expected at most 4'):
        Iv2018Loss(table, taxonomy, level_weights=(1.0,) * 5)
    with pytest.raises(ConfigError, match="head 'conditional'"):
        Iv2018Loss(table, taxonomy)(
            HeadOutput(torch.ones(1, 107, 2, 2)), torch.zeros(1, 4, 4), ONE_DATASET, ONE
        )
