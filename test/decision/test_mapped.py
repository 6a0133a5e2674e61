# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The decision in a data set's own labels."""

from __future__ import annotations

import numpy as np
import pytest
from random_trees import node_values, random_leaf_probabilities

from hiseg_ros.decision.mapped import decide_mapping
from hiseg_ros.taxonomy import load_mapping, load_taxonomy
from hiseg_ros.types import NodeProbabilities


@pytest.mark.parametrize('name', ['camvid', 'cityscapes', 'gtsdb'])
def test_the_label_with_the_largest_summed_probability_wins(name: str) -> None:
    """On the grid itself: sums over each label's leaves, the largest, its id."""
    taxonomy = load_taxonomy('street')
    mapping = load_mapping(name, taxonomy)
    leaf_probabilities = random_leaf_probabilities(np.random.default_rng(1), taxonomy, (6, 7))
    found = decide_mapping(
        NodeProbabilities(node_values(taxonomy, leaf_probabilities), (6, 7)), taxonomy, mapping
    )
    of_leaf = dict(zip(taxonomy.leaves, leaf_probabilities, strict=True))
    labels = [label for label in mapping.labels if label.evaluated]
    sums = np.stack([sum(of_leaf[leaf] for leaf in label.leaves) for label in labels])
    expected = np.array([label.label_id for label in labels])[sums.argmax(0)]
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, expected)


def test_a_label_that_is_not_evaluated_is_never_decided() -> None:
    """'Outside all boxes' teaches what a pixel is not; it is no answer."""
    taxonomy = load_taxonomy('street')
    mapping = load_mapping('gtsdb', taxonomy)
    sky = np.zeros((len(taxonomy.leaves), 2, 2), np.float32)
    sky[taxonomy.leaf_index_of_node_id[taxonomy.node_id('Sky')]] = 1
    found = decide_mapping(
        NodeProbabilities(node_values(taxonomy, sky), (8, 8)), taxonomy, mapping
    )
    assert found.shape == (8, 8)
    assert found.max() < 43
