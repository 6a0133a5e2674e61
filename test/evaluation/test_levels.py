# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Labels merged to the nodes of a level."""

from __future__ import annotations

import numpy as np
import pytest

from hiseg_ros.evaluation.confusion import Confusion
from hiseg_ros.evaluation.hierarchy import NodeCounts
from hiseg_ros.evaluation.levels import level_groups, merge_labels, merge_nodes
from hiseg_ros.taxonomy import Label, Mapping, Taxonomy, load_mapping, load_taxonomy


def mapping_of(taxonomy: Taxonomy, **labels: list[str]) -> Mapping:
    """Return a mapping whose label ids are 10, 11, ..."""
    rows = []
    for index, (name, nodes) in enumerate(labels.items()):
        leaves = {leaf for n in nodes for leaf in taxonomy.leaves_below(taxonomy.node_id(n))}
        rows.append(Label(10 + index, name, tuple(sorted(leaves))))
    return Mapping('test', tuple(rows), (255,))


@pytest.fixture
def mapping(small_taxonomy: Taxonomy) -> Mapping:
    """Return a mapping of which one label, 'flat', spans two nodes of level 1."""
    return mapping_of(
        small_taxonomy, stop=['stop'], slow=['limit_30'], fast=['limit_50'], flat=['road', 'sky']
    )


def test_labels_below_one_node_merge_and_one_that_spans_nodes_stays(
    small_taxonomy: Taxonomy, mapping: Mapping
) -> None:
    """Level by level of the tree scene > ground, sign (> stop, limit (> 30, 50), other), sky."""
    names = {
        level: [g.name for g in level_groups(mapping, small_taxonomy, level).mapping.labels]
        for level in (0, 1, 2, 3)
    }
    assert names[0] == ['scene']
    assert names[1] == ['sign', 'flat']
    assert names[2] == ['stop', 'limit', 'flat']
    assert names[3] == ['stop', 'limit_30', 'limit_50', 'flat']


def test_a_group_allows_what_lies_below_its_node_but_not_other_labels(
    small_taxonomy: Taxonomy,
) -> None:
    """`walk` belongs to no label and counts as ground; `sky` is another label's."""
    mapping = mapping_of(small_taxonomy, way=['road'], above=['sky', 'stop'], slow=['limit'])
    groups = level_groups(mapping, small_taxonomy, 1).mapping.labels
    leaves = {
        group.name: [small_taxonomy.nodes[leaf].name for leaf in group.leaves] for group in groups
    }
    assert leaves == {
        'ground': ['road', 'walk'],
        'above': ['stop', 'sky'],
        'sign': ['limit_30', 'limit_50', 'other sign'],
    }


@pytest.mark.needs('torch')
def test_merged_counts_equal_counting_merged_images(
    small_taxonomy: Taxonomy, mapping: Mapping
) -> None:
    """Relabel every pixel first, or merge the matrix afterwards."""
    rng = np.random.default_rng(1)
    truth = rng.choice([10, 11, 12, 13, 255], (40, 40)).astype(np.uint8)
    predicted = rng.choice([10, 11, 12, 13, -1], (40, 40))
    confusion = Confusion(mapping)
    confusion.add(truth, predicted)
    for level in (1, 2, 3):
        groups = level_groups(mapping, small_taxonomy, level)
        expected = Confusion(groups.mapping)
        table = np.append(groups.group_of_label, 255)
        expected.add(
            table[np.where(truth == 255, 4, truth.astype(int) - 10)].astype(np.uint8),
            table[np.where(predicted < 0, 4, predicted - 10)],
        )
        np.testing.assert_array_equal(
            merge_labels(groups, confusion.counts).counts, expected.counts
        )


def test_a_node_too_coarse_for_its_label_is_right_at_its_own_level(
    small_taxonomy: Taxonomy, mapping: Mapping
) -> None:
    """`limit` for a 30 limit: out of set among the labels, right from level 2 up."""
    counts = NodeCounts(mapping, small_taxonomy)
    counts.add(np.full((1, 5), 11, np.uint8), np.full((1, 5), small_taxonomy.node_id('limit')))
    right = [
        merge_nodes(
            level_groups(mapping, small_taxonomy, level), counts.counts, small_taxonomy
        ).summary()['pixel_accuracy']
        for level in (1, 2, 3)
    ]
    assert right == [1.0, 1.0, 0.0]
    assert counts.confusion().summary()['out_of_set'] == 1.0


def test_a_kept_label_with_the_name_of_a_node_does_not_replace_it(
    small_taxonomy: Taxonomy,
) -> None:
    """Scores are listed by name."""
    mapping = mapping_of(small_taxonomy, sign=['road', 'sky'], stop=['stop'])
    names = [group.name for group in level_groups(mapping, small_taxonomy, 1).mapping.labels]
    assert names == ['sign (label)', 'sign']


@pytest.mark.parametrize('name', ['camvid', 'cityscapes', 'vistas', 'gtsdb'])
def test_the_shipped_mappings_end_in_their_own_labels(name: str) -> None:
    """At the deepest level every label is a group, and no leaf is in two groups at any."""
    taxonomy = load_taxonomy('street')
    mapping = load_mapping(name, taxonomy)
    for level in range(taxonomy.depth + 1):
        groups = level_groups(mapping, taxonomy, level).mapping.labels
        leaves = [leaf for group in groups for leaf in group.leaves]
        assert len(leaves) == len(set(leaves))
        assert len({group.name for group in groups}) == len(groups)
    assert len(groups) == len(mapping.evaluated_labels)
