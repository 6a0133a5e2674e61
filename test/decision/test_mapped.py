# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The decision in a dataset's own labels."""

from __future__ import annotations

import numpy as np
import pytest

from hiseg_ros.decision.mapped import LabelDecision, decide_mapping
from hiseg_ros.taxonomy import Label, Mapping, Taxonomy, load_mapping, load_taxonomy
from hiseg_ros.types import NodeProbabilities


def test_the_label_with_the_largest_summed_probability_wins_over_the_best_leaf() -> None:
    """Four road classes of 0.2 each outweigh one building of 0.3 in CamVid's labels."""
    taxonomy = load_taxonomy('street')
    mapping = load_mapping('camvid', taxonomy)
    leaf = np.zeros((len(taxonomy), 1, 1), np.float32)
    for name in ('Road', 'Parking', 'Manhole'):
        leaf[taxonomy.node_id(name)] = 0.2
    leaf[taxonomy.node_id('Building')] = 0.4
    probabilities = NodeProbabilities(leaf, (3, 5))
    label_ids = decide_mapping(probabilities, taxonomy, mapping)
    road = next(label.label_id for label in mapping.labels if label.name == 'Road')
    assert label_ids.shape == (3, 5)
    assert label_ids.dtype == np.uint8
    assert (label_ids == road).all()


@pytest.mark.needs('torch')
def test_summed_labels_equal_a_plain_sum_over_leaves_at_every_pixel() -> None:
    """Interpolate first, sum afterwards: the same, since both are linear."""
    import torch

    from hiseg_ros.decision import interpolate

    taxonomy = load_taxonomy('street')
    mapping = load_mapping('gtsdb', taxonomy)
    rng = np.random.default_rng(5)
    leaves = rng.dirichlet(np.full(len(taxonomy.leaves), 0.1), (4, 6)).transpose(2, 0, 1)
    values = (taxonomy.leaf_matrix().astype(np.float64) @ leaves.reshape(len(leaves), -1)).reshape(
        len(taxonomy), 4, 6
    )
    probabilities = NodeProbabilities(values.astype(np.float32), (21, 34))
    full = interpolate(torch.from_numpy(values), (21, 34)).numpy()
    sums = np.stack(
        [full[list(label.leaves)].sum(0) for label in mapping.labels if label.evaluated]
    )
    decided = decide_mapping(probabilities, taxonomy, mapping)
    best = np.sort(sums, 0)[-2:]
    clear = best[1] - best[0] > 1e-5
    assert clear.mean() > 0.5
    np.testing.assert_array_equal(decided[clear], sums.argmax(0)[clear])
    assert decided.max() < 43, "'outside all boxes' is never predicted"


def random_probabilities(taxonomy: Taxonomy, size: tuple[int, int]) -> NodeProbabilities:
    """Return probabilities of all nodes on a 4 x 6 grid."""
    leaves = np.random.default_rng(7).dirichlet(np.full(len(taxonomy.leaves), 0.1), (4, 6))
    values = taxonomy.leaf_matrix().astype(float) @ leaves.reshape(24, -1).T
    return NodeProbabilities(values.reshape(-1, 4, 6).astype(np.float32), size)


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
