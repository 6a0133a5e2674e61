# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The set loss: which classifiers and leaves each kind of label trains."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_references import ONE, ONE_DATASET, output_of, random_labels, random_logits
from random_trees import random_tree

from hiseg_ros.model.classifier_tree import ConditionalHead, HeadOutput
from hiseg_ros.model.config import NetworkConfig
from hiseg_ros.taxonomy import Label, Mapping, Taxonomy, load_mapping, load_taxonomy
from hiseg_ros.training.data.label_table import LabelTable
from hiseg_ros.training.losses import SetLoss


def table_of(taxonomy: Taxonomy, *labels: tuple[str, ...]) -> LabelTable:
    """Return a table with one row per tuple of node names."""
    rows = tuple(
        Label(
            index,
            '+'.join(names),
            tuple(
                leaf for name in names for leaf in taxonomy.leaves_below(taxonomy.node_id(name))
            ),
        )
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
    output = head.head_output(torch.randn(1, 12, 3, 3))
    targets = torch.full((1, 12, 12), target)
    SetLoss(table)(output, targets, ONE_DATASET, ONE).backward()
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
    targets = torch.full((1, 16, 16), int(table.label_set_of_label_id('gtsdb')[43]))
    SetLoss(table)(HeadOutput(logits.softmax(1)), targets, ONE_DATASET, ONE).backward()
    assert logits.grad is not None
    by_leaf = dict(zip(taxonomy.leaves, logits.grad[0].sum((1, 2)).tolist(), strict=True))
    assert len(types) == 43
    assert {leaf for leaf, gradient in by_leaf.items() if gradient > 0} == types
    # Nothing is said about roads and cars: only classifiers on the way to a type are trained.
    above = {taxonomy.nodes[n].name for leaf in types for n in taxonomy.path(leaf)[:-1]}
    trained = trained_classifiers(taxonomy, table, 43)
    assert trained <= above
    assert 'Traffic Sign (Front)' in trained


@settings(deadline=None, max_examples=15, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_each_pixel_trains_the_classifiers_whose_leaves_its_label_splits(seed: int) -> None:
    """None where a label allows no leaf or all leaves of a node, none where there is no label."""
    rng = np.random.default_rng(seed)
    taxonomy = random_tree(rng)
    labels = random_labels(rng, taxonomy, 7)
    table = LabelTable(taxonomy, [Mapping('test', labels, ())])
    targets = rng.integers(-1, 7, (2, 4, 5))
    logits = random_logits(rng, taxonomy, 2, (4, 5))  # a cell per pixel: nothing is mixed
    loss = SetLoss(table).double()(
        output_of(taxonomy, logits), torch.from_numpy(targets), torch.tensor([0, 0]), ONE
    )
    loss.backward()
    for inner, values in zip(taxonomy.classifiers, logits, strict=True):
        below = set(taxonomy.leaves_below(inner))
        splits = [0 < len(below & set(label.leaves)) < len(below) for label in labels] + [False]
        assert values.grad is not None
        size = values.grad.abs().amax(1).numpy()
        assert ((size > 1e-10) == np.array(splits)[targets]).all()
        assert (size[targets < 0] == 0).all()
