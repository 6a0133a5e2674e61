# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Which loss a configuration gives: the flat baseline, weights by level, and refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_references import ONE, ONE_DATASET, output_of, random_labels, random_logits, upsampled
from random_trees import random_tree

from hiseg_ros.errors import ConfigError
from hiseg_ros.model.classifier_tree import HeadOutput
from hiseg_ros.taxonomy import Label, Mapping, load_mapping, load_taxonomy
from hiseg_ros.training.config.experiment import load_training_config
from hiseg_ros.training.data.label_table import LabelTable
from hiseg_ros.training.losses import LossConfig, build_loss

KIND_AND_HEAD = [
    ('set', 'conditional'),
    ('set', 'leaf'),
    ('iv2018', 'conditional'),
    ('flat', 'leaf'),
]


@settings(deadline=None, max_examples=15, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_flat_is_cross_entropy_over_the_leaves_without_ambiguous_labels(seed: int) -> None:
    """Value and gradient; a mixture counts with its single leaves."""
    rng = np.random.default_rng(seed)
    taxonomy = random_tree(rng)
    labels = random_labels(rng, taxonomy, 7)
    table = LabelTable(taxonomy, [Mapping('test', labels, ())])
    mixture = table.add_mixture('test', {0: 0.25, 1: 0.25, 3: 0.5})
    targets = rng.integers(-1, 8, (5, 6))
    logits = torch.from_numpy(rng.normal(0, 1, (len(taxonomy.leaves), 2, 3))).requires_grad_()
    loss = build_loss(LossConfig('flat'), table, taxonomy, 'leaf').double()
    found = loss(
        HeadOutput(logits.softmax(0)[None]),
        torch.from_numpy(targets)[None],
        ONE_DATASET,
        ONE.double(),
    )
    gradient = torch.autograd.grad(found, logits)[0]
    full = upsampled(logits.softmax(0), targets.shape).log()
    top, bottom = torch.zeros((), dtype=torch.float64), 0.0
    for pixel, row in enumerate(targets.flat):
        for part, share in [(0, 0.25), (3, 0.5)] if row == mixture else [(row, 1.0)]:
            if part >= 0 and len(labels[part].leaves) == 1:
                leaf = taxonomy.leaves.index(labels[part].leaves[0])
                top, bottom = top - share * full[leaf, pixel], bottom + share
    expected = top / max(bottom, 1.0)
    torch.testing.assert_close(found, expected)
    if bottom:
        torch.testing.assert_close(gradient, torch.autograd.grad(expected, logits)[0])


def test_flat_trains_each_pixel_of_a_single_leaf_and_no_other() -> None:
    """Ambiguous labels, 'outside all boxes' and unlabeled pixels give exactly no gradient."""
    taxonomy = load_taxonomy('street')
    mappings = [load_mapping(name, taxonomy) for name in ('camvid', 'gtsdb')]
    table = LabelTable(taxonomy, mappings)
    logits = torch.randn(1, 108, 8, 7, requires_grad=True)
    targets = torch.arange(-1, 55).reshape(1, 8, 7)
    loss = build_loss(LossConfig('flat'), table, taxonomy, 'leaf')
    loss(HeadOutput(logits.softmax(1)), targets, ONE_DATASET, ONE).backward()
    assert logits.grad is not None
    trained = (logits.grad.abs().amax((0, 1)).flatten() > 0).nonzero().flatten() - 1
    labels = [label for mapping in mappings for label in mapping.labels]
    single = [row for row, label in enumerate(labels) if len(label.leaves) == 1]
    assert trained.tolist() == single
    assert [labels[row].name for row in single[:2]] == ['Sky', 'Pedestrian']
    assert len(single) == 2 + 43


def test_all_losses_agree_where_every_label_is_a_leaf_of_a_flat_tree() -> None:
    """Without ambiguity and hierarchy there is nothing left but cross entropy."""
    rng = np.random.default_rng(3)
    taxonomy = random_tree(rng, 2)
    assert taxonomy.depth == 1
    labels = tuple(Label(i, str(i), (leaf,)) for i, leaf in enumerate(taxonomy.leaves))
    table = LabelTable(taxonomy, [Mapping('test', labels, ())])
    logits = random_logits(rng, taxonomy, 2, (4, 4))
    output = output_of(taxonomy, logits)
    targets = torch.from_numpy(rng.integers(-1, len(labels), (2, 4, 4)))
    expected = torch.nn.functional.cross_entropy(logits[0], targets, ignore_index=-1)
    for kind, head in KIND_AND_HEAD:
        loss = build_loss(LossConfig(kind), table, taxonomy, head).double()
        found = loss(output, targets, torch.tensor([0, 0]), ONE.double())
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(('kind', 'head'), KIND_AND_HEAD)
def test_unlabeled_pixels_give_no_gradient_anywhere(kind: str, head: str) -> None:
    """Cells that only unlabeled pixels see have a gradient of exactly zero, whatever the loss."""
    taxonomy = load_taxonomy('iv2018')
    table = LabelTable(taxonomy, [load_mapping(name, taxonomy) for name in ('vistas', 'gtsdb')])
    rng = np.random.default_rng(4)
    logits = random_logits(rng, taxonomy, 1, (4, 8))
    targets = torch.full((1, 16, 32), -1)
    targets[:, :, :8] = torch.from_numpy(rng.integers(0, 100, (1, 16, 8)))
    loss = build_loss(LossConfig(kind), table, taxonomy, head).double()
    loss(output_of(taxonomy, logits), targets, ONE_DATASET, ONE.double()).backward()
    # Pixels 0..7 reach columns 0..2 of the grid (pixel 7: 1.375).
    for values in logits:
        assert values.grad is not None
        assert (values.grad[..., 3:] == 0).all()
    assert logits[0].grad is not None
    assert (logits[0].grad[..., :2] != 0).any()


@pytest.mark.parametrize('kind', ['set', 'flat'])
def test_level_weights_weigh_a_pixel_by_the_level_of_its_labels_node(kind: str) -> None:
    """The root first; the last value goes for all deeper levels; the weights' sum divides."""
    taxonomy = load_taxonomy('street')
    names = ('Street Scene', 'Object', 'Sky', 'o_stop')
    levels = [taxonomy.level(taxonomy.node_id(name)) for name in names]
    assert levels == sorted(set(levels))
    assert levels[0] == 0
    labels = tuple(
        Label(index, name, taxonomy.leaves_below(taxonomy.node_id(name)))
        for index, name in enumerate(names)
    )
    table = LabelTable(taxonomy, [Mapping('m', labels, ())], {'m': {'Sky': 3.0}})
    given = (0.5, 2.0, 0.25, 4.0)
    wanted = np.array([given[min(level, 3)] for level in levels]) * [1, 1, 3, 1]
    p = torch.rand(1, 108, 2, 2).double().softmax(1)
    targets = torch.tensor([[[0, 1], [2, 3]]])
    loss = build_loss(LossConfig(kind, level_weights=given), table, taxonomy, 'leaf').double()
    found = loss(HeadOutput(p), targets, ONE_DATASET, ONE.double())
    below = torch.from_numpy(taxonomy.leaf_matrix()).double()
    node_ids = [taxonomy.node_id(name) for name in names]
    nll = -np.log([(below[n] @ p[0].flatten(1))[i] for i, n in enumerate(node_ids)])
    if kind == 'flat':
        wanted[:2] = 0
    assert found.item() == pytest.approx((wanted * nll).sum() / max(wanted.sum(), 1))


@pytest.mark.parametrize(
    ('settings_of_loss', 'words'),
    [
        ({'kind': 'sets'}, "kind is 'sets'; expected one of"),
        ({'box_gate': 'open'}, "box_gate is 'open'; expected one of"),
        (
            {'kind': 'flat', 'box_gate': 'soft'},
            "box_gate is 'soft'; expected 'none' for kind 'flat'",
        ),
        (
            {'kind': 'iv2018', 'box_gate': 'hard'},
            "box_gate is 'hard'; expected 'none' for kind 'iv2018'",
        ),
        (
            {'level_weights': (1.0, -1.0)},
            r'level_weights\[1\] is -1.0; expected a number of at least 0',
        ),
        ({'level_weights': (0.0, 0.0)}, 'level_weights is .*; expected values that are not all 0'),
        ({'level_weights': (float('nan'),)}, 'level_weights'),
        ({'kind': 'iv2018', 'classifier_weights': (float('inf'),)}, 'classifier_weights'),
        ({'kind': 'iv2018', 'classifier_weights': ()}, 'classifier_weights'),
        (
            {'classifier_weights': (1.0,)},
            "none for kind 'set', since only kind 'iv2018' has them: use",
        ),
    ],
)
def test_settings_that_cannot_be_are_refused(settings_of_loss: dict[str, Any], words: str) -> None:
    """Unknown names, values out of range, and settings of another kind."""
    with pytest.raises(ConfigError, match=words):
        LossConfig(**settings_of_loss)


@pytest.mark.parametrize(('kind', 'head'), [('flat', 'conditional'), ('iv2018', 'leaf')])
def test_a_loss_refuses_the_head_it_cannot_train(kind: str, head: str) -> None:
    """The sentence says which head it needs."""
    taxonomy = load_taxonomy('street')
    table = LabelTable(taxonomy, [load_mapping('gtsdb', taxonomy)])
    with pytest.raises(ConfigError, match=f"'{kind}' has a network with the head '{head}'"):
        build_loss(LossConfig(kind), table, taxonomy, head)


def test_what_no_label_can_train_is_refused() -> None:
    """Flat without single leaves, and more weights than levels."""
    taxonomy = load_taxonomy('street')
    labels = (Label(0, 'vehicle', taxonomy.leaves_below(taxonomy.node_id('Vehicle'))),)
    table = LabelTable(taxonomy, [Mapping('m', labels, ())])
    with pytest.raises(ConfigError, match='no label that means a single leaf'):
        build_loss(LossConfig('flat'), table, taxonomy, 'leaf')
    with pytest.raises(ConfigError, match='level_weights has 7 values; expected at most 6'):
        build_loss(LossConfig(level_weights=(1.0,) * 7), table, taxonomy, 'leaf')


def test_another_kind_keeps_what_it_can_keep() -> None:
    """A comparison runs one experiment with each loss."""
    base = LossConfig(box_gate='soft', level_weights=(1.0, 2.0))
    assert base.with_kind('set') == base
    for kind in ('flat', 'iv2018'):
        assert base.with_kind(kind) == LossConfig(kind, level_weights=(1.0, 2.0))
    published = LossConfig('iv2018', classifier_weights=(1.0, 0.5))
    assert published.with_kind('set') == LossConfig('set')


EXPERIMENT = """
name: small
taxonomy: street
network: {head: leaf}
datasets: {camvid: {kind: camvid, root: camvid, share: 1}}
"""


def test_an_experiment_names_its_loss(tmp_path: Path) -> None:
    """Without the key it is the set loss; a slip or a head that does not go with it is refused."""
    path = tmp_path / 'small.yaml'
    path.write_text(EXPERIMENT)
    assert load_training_config(path).loss == LossConfig()
    path.write_text(EXPERIMENT + 'loss: {kind: set, box_gate: soft, level_weights: [1, 0.5]}\n')
    assert load_training_config(path).loss == LossConfig('set', 'soft', (1.0, 0.5))
    path.write_text(EXPERIMENT + 'loss: {kind: iv2018}\n')
    with pytest.raises(ConfigError, match="expected the head 'conditional': set network.head"):
        load_training_config(path)
    path.write_text(EXPERIMENT + 'loss: {sort: set}\n')
    with pytest.raises(ConfigError, match='sort'):
        load_training_config(path)
