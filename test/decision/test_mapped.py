# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The decision in a data set's own labels."""

from __future__ import annotations

import numpy as np
import pytest

from hiseg_ros.taxonomy import load_mapping, load_taxonomy
from hiseg_ros.types import NodeProbabilities

pytestmark = pytest.mark.needs('torch')


def test_the_label_with_the_largest_summed_probability_wins_over_the_best_leaf() -> None:
    """Four road classes of 0.2 each outweigh one building of 0.3 in CamVid's labels."""
    from hiseg_ros.decision.mapped import decide_mapping

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


def test_summed_labels_equal_a_plain_sum_over_leaves_at_every_pixel() -> None:
    """Interpolate first, sum afterwards: the same, since both are linear."""
    import torch

    from hiseg_ros.decision import interpolate
    from hiseg_ros.decision.mapped import decide_mapping

    taxonomy = load_taxonomy('street')
    mapping = load_mapping('gtsdb', taxonomy)
    rng = np.random.default_rng(5)
    leaves = rng.dirichlet(np.full(len(taxonomy.leaves), 0.1), (4, 6)).transpose(2, 0, 1)
    values = (taxonomy.leaf_matrix().astype(np.float64) @ leaves.reshape(len(leaves), -1)).reshape(
        len(taxonomy), 4, 6
    )
    probabilities = NodeProbabilities(values.astype(np.float32), (21, 34))
    full = interpolate(torch.from_numpy(values), (21, 34)).numpy()
    sums = np.stack([
        full[list(label.leaves)].sum(0) for label in mapping.labels if label.evaluated
    ])
    decided = decide_mapping(probabilities, taxonomy, mapping)
    best = np.sort(sums, 0)[-2:]
    clear = best[1] - best[0] > 1e-5
    assert clear.mean() > 0.5
    np.testing.assert_array_equal(decided[clear], sums.argmax(0)[clear])
    assert decided.max() < 43, "'outside all boxes' is never predicted"
