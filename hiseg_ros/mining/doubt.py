# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""How unsure a network is at each cell, measured on the tree: doubt near the root counts most.

Both measures are means over the decisions of the tree, each weighted by the probability that it is
reached and by 2 to the power of minus its level. A network that wavers between two kinds of cars
has less doubt than one that wavers between a car and a person by the same probabilities.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.taxonomy import Taxonomy

SMALLEST = 1e-12
"""Probability below which p log p is 0."""


class TreeDoubt:
    """Entropy and margin of node probabilities, on one tree."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        """Prepare the weights of the decisions."""
        inner = taxonomy.inner
        weights = np.array([2.0 ** -taxonomy.level(node) for node in inner], np.float32)
        # Decisions of one level exclude each other, so that this is the largest possible sum.
        levels = {taxonomy.level(node) for node in inner}
        self._weights = weights / np.float32(sum(2.0**-level for level in levels))
        self._inner = np.array(inner)
        self._children = [np.array(taxonomy.children(node)) for node in inner]
        self._factors = np.zeros(len(taxonomy), np.float32)
        # P H is P log P minus the sum of c log c over the children: linear in the p log p of all.
        for node, weight, children in zip(inner, self._weights, self._children, strict=True):
            share = weight / np.log(len(children))
            self._factors[node] += share
            self._factors[children] -= share

    def entropy(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the entropy of the decisions.

        Args:
            values: (V, h, w) node probabilities, a parent the sum of its children.

        Returns:
            (h, w) float32 in [0, 1]: 0 where one leaf is certain, 1 where all children of every
            node are equally probable.
        """
        terms = values * np.log(np.maximum(values, np.float32(SMALLEST)))
        found: NDArray[np.float32] = np.tensordot(self._factors, terms, 1)
        return found.clip(0, 1)

    def margin(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return how little the best child of each decision is ahead of the second.

        Args:
            values: As for `entropy`.

        Returns:
            (h, w) float32 in [0, 1]: 0 where one leaf is certain, 1 where the two best children
            of every node are equally probable.
        """
        doubt = np.zeros(values.shape[1:], np.float32)
        for node, weight, children in zip(self._inner, self._weights, self._children, strict=True):
            best = np.partition(values[children], len(children) - 2, axis=0)[-2:]
            ahead = best[1] - best[0]
            np.add(doubt, weight * (values[node] - ahead), out=doubt)
        return np.asarray(doubt.clip(0, 1), np.float32)

    def __call__(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (h, w) float32, the mean of both in [0, 1]; see `entropy`."""
        found: NDArray[np.float32] = (self.entropy(values) + self.margin(values)) / np.float32(2)
        return found
