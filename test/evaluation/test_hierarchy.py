# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""How deep a node is right, against sets of ancestors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_trees import named_tree

from hiseg_ros.evaluation.hierarchy import NodeCounts, cover
from hiseg_ros.taxonomy import Label, Mapping, Taxonomy

TREE = named_tree(
    (
        'scene',
        [
            ('ground', ['road', 'walk']),
            ('sign', ['stop', ('limit', ['limit_30', 'limit_50']), 'other sign']),
            'sky',
        ],
    ),
    subclass_root='sign',
)


def labels(*names: list[str]) -> Mapping:
    """Return a mapping whose label ids are 0, 1, ..., each the given nodes."""
    return Mapping(
        'test',
        tuple(
            Label(
                index,
                str(index),
                tuple(sorted({x for n in nodes for x in TREE.leaves_below(TREE.node_id(n))})),
            )
            for index, nodes in enumerate(names)
        ),
        (255,),
    )


def scores(mapping: Mapping, truth: list[int], nodes: list[str]) -> dict[str, object]:
    """Return the scores of a row of pixels."""
    counts = NodeCounts(mapping, TREE)
    ids = np.array([[TREE.node_id(name) for name in nodes]], np.uint8)
    counts.add(np.array([truth], np.uint8), ids)
    return counts.summary()


def ancestors(node_id: int) -> set[int]:
    """Return a node and all above it but the root."""
    return set(TREE.path(node_id)) - {0}


def reference(mapping: Mapping, truth: np.ndarray, nodes: np.ndarray) -> dict[str, float]:
    """Count pixel by pixel with sets of ancestors."""
    relative, shared_sum, truth_sum, decided_sum = [], 0, 0, 0
    right = np.zeros(TREE.depth)
    pairs = [(t, n) for t, n in zip(truth.ravel(), nodes.ravel(), strict=True) if t != 255]
    for label_id, node in pairs:
        options = []
        for candidate in cover(mapping.labels[label_id], TREE):
            true, decided = ancestors(candidate), ancestors(node)
            if true <= decided:
                decided = true  # what lies below the truth is unknown
            options.append((len(true & decided) / len(true), -len(true), true, decided))
        share, _, true, decided = max(options, key=lambda option: option[:2])
        relative.append(share)
        shared_sum += len(true & decided)
        truth_sum, decided_sum = truth_sum + len(true), decided_sum + len(decided)
        right += [len(true & decided) >= min(d, len(true)) for d in range(1, TREE.depth + 1)]
    precision, recall = shared_sum / max(1, decided_sum), shared_sum / max(1, truth_sum)
    return {
        'relative_depth': float(np.mean(relative)),
        'precision': precision,
        'recall': recall,
        'f1': 2 * precision * recall / (precision + recall) if shared_sum else 0.0,
        'right': (right / len(pairs)).tolist(),
    }


@settings(deadline=None, max_examples=50, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_scores_equal_the_reference(seed: int) -> None:
    """For labels that are leaves, inner nodes and sets of both."""
    rng = np.random.default_rng(seed)
    mapping = labels(['road'], ['limit'], ['stop', 'other sign', 'sky'], ['walk'])
    truth = rng.choice([0, 1, 2, 3, 255], (2, 30)).astype(np.uint8)
    nodes = rng.integers(0, len(TREE), (2, 30)).astype(np.uint8)
    truth[0, 0] = 0
    counts = NodeCounts(mapping, TREE)
    for one_truth, one_nodes in zip(truth, nodes, strict=True):
        counts.add(one_truth[None], one_nodes[None])
    summary, expected = counts.summary(), reference(mapping, truth, nodes)
    levels = summary['by_level']
    assert isinstance(levels, list)
    assert [row['right'] for row in levels] == pytest.approx(expected.pop('right'))
    for key, value in expected.items():
        assert summary[key] == pytest.approx(value), key


def test_a_sibling_is_right_down_to_the_parent() -> None:
    """A 50 limit for a 30 limit: two of three levels."""
    summary = scores(labels(['limit_30']), [0], ['limit_50'])
    assert summary['relative_depth'] == pytest.approx(2 / 3)
    assert [row['right'] for row in summary['by_level']] == [1, 1, 0]  # type: ignore[attr-defined]
    assert summary['precision'] == summary['recall'] == pytest.approx(2 / 3)


def test_stopping_early_costs_recall_and_no_precision() -> None:
    """`sign` for a 30 limit says nothing wrong."""
    summary = scores(labels(['limit_30']), [0], ['sign'])
    assert summary['precision'] == 1
    assert summary['recall'] == pytest.approx(1 / 3)


def test_what_lies_below_a_coarse_truth_counts_neither_way() -> None:
    """Any limit is right where the truth says only `sign`."""
    summary = scores(labels(['sign']), [0, 0], ['limit_30', 'other sign'])
    assert summary['relative_depth'] == summary['precision'] == summary['f1'] == 1
    assert [row['known'] for row in summary['by_level']] == [1, 0, 0]  # type: ignore[attr-defined]


def test_a_label_of_several_nodes_is_right_where_one_of_them_is() -> None:
    """Both `stop` and `sky` are right for the label that means either."""
    assert scores(labels(['stop', 'sky']), [0, 0], ['sky', 'stop'])['relative_depth'] == 1


def test_a_pixel_without_a_node_is_wrong_everywhere() -> None:
    """Id 255 shares nothing with its truth."""
    counts = NodeCounts(labels(['road']), TREE)
    counts.add(np.zeros((1, 1), np.uint8), np.full((1, 1), 255, np.uint8))
    summary = counts.summary()
    assert summary['relative_depth'] == summary['recall'] == summary['f1'] == 0


def test_a_cover_is_the_highest_nodes_that_fit(small_taxonomy: Taxonomy) -> None:
    """Two limits and nothing else are the node `limit`."""
    leaves = tuple(small_taxonomy.node_id(n) for n in ('road', 'limit_30', 'limit_50'))
    names = [small_taxonomy.nodes[n].name for n in cover(Label(0, 'x', leaves), small_taxonomy)]
    assert names == ['road', 'limit']
