# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Trees with more leaves than a taxonomy may have, for the measurement of what they cost."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip('numba')

from hiseg_ros.benchmark.subtree import FAN, Parents, grown, rare_leaf  # noqa: E402
from hiseg_ros.decision.tables import DecisionTables, node_type  # noqa: E402
from hiseg_ros.taxonomy import load_taxonomy  # noqa: E402

PARENTS: Parents = [None, 0, 1, 1, 0, 4, 4]


@pytest.mark.parametrize('leaves', [2, 9, 10, 11, 37, 300, 1000])
def test_a_leaf_gets_so_many_leaves_in_branches_of_a_few(leaves: int) -> None:
    """In preorder, and nothing else changes."""
    tables = DecisionTables.of_parents(grown(PARENTS, 2, leaves))
    counts = np.diff(tables.child_start)
    assert (counts == 0).sum() == 4 - 1 + leaves
    assert counts.max() <= FAN
    assert not (counts == 1).any()
    added = len(tables) - len(PARENTS)
    assert tables.common[2, 2 + added] == 2  # the last of the new nodes is below the leaf
    assert tables.common[2, 3 + added] == 1  # its sibling follows
    assert tables.common[2, 4 + added] == 0
    assert tables.common.dtype == node_type(len(tables))


def test_a_rare_leaf_has_few_pixels_but_some() -> None:
    """The most of those with at most one in a thousand."""
    taxonomy = load_taxonomy('street')
    first, second, third = taxonomy.leaves[:3]
    image = np.full((100, 100), first, np.uint8)
    image[0, :9], image[1, :2] = second, third
    assert rare_leaf(taxonomy, [image]) == (second, pytest.approx(9e-4))
    assert rare_leaf(taxonomy, [image[2:]])[1] == 0.0
