# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The sparse decision in a dataset's own labels against the reference."""

from __future__ import annotations

import numpy as np
import pytest
from random_trees import node_values, random_leaf_probabilities

from hiseg_ros.decision.mapped import LabelDecision
from hiseg_ros.decision.mapped_sparse import SparseLabelDecision
from hiseg_ros.errors import MappingError
from hiseg_ros.taxonomy import Label, Mapping, Taxonomy, load_mapping, load_taxonomy
from hiseg_ros.types import NodeProbabilities

SIZE = (37, 53)


def probabilities(taxonomy: Taxonomy, seed: int) -> NodeProbabilities:
    """Return random probabilities of all nodes on a grid of 6 x 8."""
    leaves = random_leaf_probabilities(np.random.default_rng(seed), taxonomy, (6, 8), peak=4.0)
    return NodeProbabilities(node_values(taxonomy, leaves), SIZE)


def margins(taxonomy: Taxonomy, mapping: Mapping, given: NodeProbabilities) -> np.ndarray:
    """Return (H, W): by how much the best sum is ahead, the sum outside all labels included."""
    import cv2

    matrix = mapping.label_matrix(taxonomy)[[label.evaluated for label in mapping.labels]]
    rows = np.vstack([matrix, ~matrix.any(0)]).astype(np.float32)
    sums = np.tensordot(rows, given.values[list(taxonomy.leaves)], 1)
    full = np.sort([cv2.resize(plane, given.image_size[::-1]) for plane in sums], 0)
    return full[-1] - full[-2]


@pytest.mark.parametrize('name', ['cityscapes', 'cityscapes_trainids', 'camvid', 'vistas', 'nav2'])
def test_every_pixel_has_the_label_of_the_plain_decision(name: str) -> None:
    """And 255 times its sum; only where two sums are equal may rounding have the say."""
    taxonomy = load_taxonomy('street')
    mapping = load_mapping(name, taxonomy)
    given = probabilities(taxonomy, 1)
    plain = LabelDecision(mapping, taxonomy)(given)
    decide = SparseLabelDecision(mapping, taxonomy)
    labels, confidence = decide(given, confidence=True)
    expected = np.where(plain.is_outside, decide.unlabeled_id, plain.label_ids)
    clear = margins(taxonomy, mapping, given) > 1e-5
    assert clear.mean() > 0.99
    assert len(np.unique(labels)) > 5
    np.testing.assert_array_equal(labels[clear], expected[clear])
    inside = clear & ~plain.is_outside
    np.testing.assert_allclose(confidence[inside] / 255, plain.probability[inside], atol=0.0025)
    assert not confidence[clear & plain.is_outside].any()


def test_what_no_label_allows_is_unlabeled_and_not_the_nearest_label(
    small_taxonomy: Taxonomy,
) -> None:
    """A mapping of the ground alone must not call the sky ground."""
    ground = Mapping('ground', (Label(4, 'ground', (2, 3)),), (9, 255))
    leaves = np.zeros((7, 1, 2), np.float32)
    leaves[small_taxonomy.leaf_index_of_node_id[2], 0, 0] = 1.0
    leaves[-1, 0, 1] = 1.0
    given = NodeProbabilities(node_values(small_taxonomy, leaves), (1, 4))
    labels, _ = SparseLabelDecision(ground, small_taxonomy)(given)
    assert labels.tolist() == [[4, 4, 9, 9]]


def test_a_label_that_is_too_improbable_is_unlabeled() -> None:
    """The same pixels get a label as in the plain decision's probability."""
    taxonomy = load_taxonomy('street')
    mapping = load_mapping('nav2', taxonomy)
    given = probabilities(taxonomy, 2)
    decide = SparseLabelDecision(mapping, taxonomy)
    plain = LabelDecision(mapping, taxonomy)(given)
    labels, confidence = decide(given, min_probability=0.6, confidence=True)
    alone = decide(given, min_probability=0.6, labels=False, confidence=True)
    assert alone[0].size == 0
    np.testing.assert_array_equal(alone[1], confidence)
    np.testing.assert_array_equal(confidence == 0, labels == 255)
    clear = np.abs(plain.probability - 0.6) > 1e-4
    expected = (plain.probability < 0.6) | plain.is_outside
    assert 0.1 < expected.mean() < 0.9
    np.testing.assert_array_equal((labels == 255)[clear], expected[clear])


def test_another_size_shows_the_same_view() -> None:
    """The mask at a cloud's size is the decision of an image of that size."""
    taxonomy = load_taxonomy('street')
    decide = SparseLabelDecision(load_mapping('nav2', taxonomy), taxonomy)
    given = probabilities(taxonomy, 3)
    smaller = NodeProbabilities(given.values, (20, 30))
    for index in (0, 1):
        at_size = decide(given, (20, 30), confidence=True)[index]
        np.testing.assert_array_equal(at_size, decide(smaller, confidence=True)[index])


def test_ids_that_do_not_fit_a_byte_are_refused(small_taxonomy: Taxonomy) -> None:
    """With what was found."""
    mapping = Mapping('large', (Label(300, 'ground', (2, 3)),), ())
    with pytest.raises(MappingError, match='300'):
        SparseLabelDecision(mapping, small_taxonomy)
