# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The label table: label sets of all datasets, what they stand for, and mixtures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_references import random_labels
from random_trees import random_tree

from hiseg_ros.errors import ConfigError, DatasetError, MappingError
from hiseg_ros.taxonomy import Label, Mapping, Taxonomy, load_mapping, load_taxonomy
from hiseg_ros.training.data.label_table import LabelTable


def test_the_table_numbers_labels_of_all_data_sets_one_after_the_other() -> None:
    """Label ids become label sets; unlabeled ids become -1 and unknown ones -2."""
    taxonomy = load_taxonomy('street')
    camvid, gtsdb = (load_mapping(name, taxonomy) for name in ('camvid', 'gtsdb'))
    table = LabelTable(taxonomy, [camvid, gtsdb])
    assert table.allowed.shape == (55, 108)
    first, second = table.label_set_of_label_id('camvid'), table.label_set_of_label_id('gtsdb')
    assert first[:13].tolist() == [*range(11), -1, -2]
    assert second[:45].tolist() == [*range(11, 55), -2]
    assert first[255] == second[255] == -1
    for mapping, label_sets in ((camvid, first), (gtsdb, second)):
        for label in mapping.labels:
            allowed = table.allowed[label_sets[label.label_id]].nonzero().flatten()
            assert [taxonomy.leaves[i] for i in allowed] == list(label.leaves)


@pytest.mark.parametrize(
    ('weights', 'word'),
    [
        ({'camvid': {'Sky': 1.0, 'Sea': 2.0}}, 'Sea'),
        ({'camvid': {'Sky': -1.0}}, 'negative'),
        ({'camvid': {'Sky': float('nan')}}, 'no numbers'),
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
    """Their label sets could not be told apart."""
    taxonomy = load_taxonomy('street')
    camvid = load_mapping('camvid', taxonomy)
    with pytest.raises(ConfigError, match='camvid'):
        LabelTable(taxonomy, [camvid, camvid])


@settings(deadline=None, max_examples=20, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_row_stands_for_the_deepest_node_above_its_leaves(seed: int) -> None:
    """Of the nodes that hold all its leaves it is the one with the fewest."""
    rng = np.random.default_rng(seed)
    taxonomy = random_tree(rng)
    labels = random_labels(rng, taxonomy, 9)
    table = LabelTable(taxonomy, [Mapping('test', labels, ())])
    for label, found, level in zip(labels, table.nodes, table.levels, strict=True):
        above = [
            node.node_id
            for node in taxonomy.nodes
            if set(label.leaves) <= set(taxonomy.leaves_below(node.node_id))
        ]
        expected = min(above, key=lambda node: len(taxonomy.leaves_below(node)))
        assert found == expected
        assert level == taxonomy.level(expected)


def weak_table(taxonomy: Taxonomy) -> LabelTable:
    """Return a table of CamVid and of three weak labels with ids 5, 6 and 7."""
    names = ('Car', 'Bus', 'Person')
    labels = tuple(
        Label(index, name, taxonomy.leaves_below(taxonomy.node_id(name)))
        for index, name in enumerate(names, 5)
    )
    weak = Mapping('weak', labels, (255,), from_boxes=True)
    weights = {'weak': {'Bus': 3.0}}
    return LabelTable(taxonomy, [load_mapping('camvid', taxonomy), weak], weights)


def test_a_mixture_gets_a_row_behind_the_labels_and_equal_ones_share_it() -> None:
    """Its leaves are those of its labels, its weight their mean, its origin theirs."""
    taxonomy = load_taxonomy('street')
    table = weak_table(taxonomy)
    assert table.mixture_components()[0].shape == (0, 1)
    first = table.add_mixture('weak', {6: 1 / 3, 5: 2 / 3})
    assert table.add_mixture('weak', {5: 0.25, 6: 0.25, 7: 0.5}) == first + 1
    assert table.add_mixture('weak', {5: 2 / 3, 6: 1 / 3}) == first == table.label_count == 14
    assert table.add_mixture('weak', {7: 1.0}) == 13  # one label is no mixture
    label_sets, shares = table.mixture_components()
    assert label_sets[0, :2].tolist() == [11, 12]
    assert shares.tolist() == [pytest.approx([2 / 3, 1 / 3, 0]), pytest.approx([0.25, 0.25, 0.5])]
    assert table.allowed.shape == (16, len(taxonomy.leaves))
    assert torch.equal(table.allowed[14], table.allowed[11] + table.allowed[12])
    assert table.weights[14] == pytest.approx(2 / 3 + 3 / 3)
    assert table.from_boxes.tolist() == [False] * 11 + [True] * 5
    assert len(table.nodes) == len(table.levels) == 16


@pytest.mark.parametrize(
    ('shares', 'words'),
    [
        ({5: 0.5, 8: 0.5}, r'label ids \[8\]'),
        ({5: 0.5, 255: 0.5}, r'label ids \[255\]'),
        ({5: 0.5, -1: 0.5}, r'label ids \[-1\]'),
        ({5: 0.5, 6: 0.4}, 'add up to 1'),
        ({5: 1.5, 6: -0.5}, 'above 0'),
        ({5: float('nan'), 6: 0.5}, 'above 0'),
        ({}, 'add up to'),
    ],
)
def test_a_mixture_of_unknown_labels_or_odd_shares_is_refused(
    shares: dict[int, float], words: str
) -> None:
    """The sentence names them."""
    with pytest.raises(DatasetError, match=words):
        weak_table(load_taxonomy('street')).add_mixture('weak', shares)


def test_rows_that_16_bits_cannot_number_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Targets would wrap around to other labels."""
    monkeypatch.setattr('hiseg_ros.training.data.label_table.MAX_LABEL_SETS', 15)
    table = weak_table(load_taxonomy('street'))
    table.add_mixture('weak', {5: 0.5, 6: 0.5})
    with pytest.raises(DatasetError, match='more than 15'):
        table.add_mixture('weak', {5: 0.5, 7: 0.5})


def test_the_mapping_of_gtsdb_says_that_its_labels_are_boxes() -> None:
    """The outlines of the other datasets are not."""
    taxonomy = load_taxonomy('street')
    names = ('camvid', 'cityscapes', 'vistas', 'gtsdb')
    mappings = [load_mapping(name, taxonomy) for name in names]
    assert [mapping.from_boxes for mapping in mappings] == [False, False, False, True]
    table = LabelTable(taxonomy, mappings)
    assert table.from_boxes.tolist() == [False] * (11 + 27 + 65) + [True] * 44


def test_from_boxes_has_to_be_true_or_false(tmp_path: Path) -> None:
    """Anything else is a slip."""
    path = tmp_path / 'm.yaml'
    path.write_text('name: m\nfrom_boxes: 1\nlabels: [{id: 0, name: sky, nodes: [Sky]}]\n')
    with pytest.raises(MappingError, match='from_boxes: 1; expected true or false'):
        load_mapping(path, load_taxonomy('street'))
