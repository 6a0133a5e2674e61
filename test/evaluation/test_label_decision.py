# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The decision in a data set's labels."""

from __future__ import annotations

import numpy as np
import pytest

from hiseg_ros.decision.mapped import decide_mapping
from hiseg_ros.evaluation.label_decision import LabelDecision
from hiseg_ros.taxonomy import Label, Mapping, Taxonomy, load_mapping, load_taxonomy
from hiseg_ros.types import NodeProbabilities


def random_probabilities(taxonomy: Taxonomy, size: tuple[int, int]) -> NodeProbabilities:
    """Return probabilities of all nodes on a 4 x 6 grid."""
    leaves = np.random.default_rng(7).dirichlet(np.full(len(taxonomy.leaves), 0.1), (4, 6))
    values = taxonomy.leaf_matrix().astype(float) @ leaves.reshape(24, -1).T
    return NodeProbabilities(values.reshape(-1, 4, 6).astype(np.float32), size)


@pytest.mark.parametrize('name', ['camvid', 'vistas'])
def test_it_decides_as_decide_mapping_does(name: str) -> None:
    """Block by block or at once; Vistas has nine blocks."""
    taxonomy = load_taxonomy('street')
    mapping = load_mapping(name, taxonomy)
    probabilities = random_probabilities(taxonomy, (29, 37))
    choice = LabelDecision(mapping, taxonomy)(probabilities)
    np.testing.assert_array_equal(
        choice.label_ids, decide_mapping(probabilities, taxonomy, mapping)
    )


def test_the_confidence_is_the_summed_probability_of_the_chosen_label(
    small_taxonomy: Taxonomy,
) -> None:
    """And what lies outside the set wins where all of it together is more probable."""
    road, walk, stop, sky = (small_taxonomy.node_id(n) for n in ('road', 'walk', 'stop', 'sky'))
    mapping = Mapping('test', (Label(3, 'flat', (road, walk)), Label(7, 'sky', (sky,))), ())
    leaves = np.zeros((len(small_taxonomy), 1, 3), np.float32)
    leaves[[road, walk, sky, stop], 0, 0] = 0.3, 0.3, 0.4, 0.0
    leaves[[road, walk, sky, stop], 0, 1] = 0.1, 0.1, 0.3, 0.5
    leaves[[road, walk, sky, stop], 0, 2] = 0.1, 0.1, 0.5, 0.3
    choice = LabelDecision(mapping, small_taxonomy)(NodeProbabilities(leaves, (1, 3)))
    assert choice.label_ids.tolist() == [[3, 7, 7]]
    np.testing.assert_allclose(choice.probability, [[0.6, 0.3, 0.5]], rtol=1e-6)
    assert choice.is_outside.tolist() == [[False, True, False]]


def test_a_set_of_all_leaves_has_no_outside(small_taxonomy: Taxonomy) -> None:
    """Nothing can be decided that is none of it."""
    labels = tuple(Label(i, str(i), (leaf,)) for i, leaf in enumerate(small_taxonomy.leaves))
    probabilities = random_probabilities(small_taxonomy, (9, 9))
    choice = LabelDecision(Mapping('test', labels, ()), small_taxonomy)(probabilities)
    assert not choice.is_outside.any()
