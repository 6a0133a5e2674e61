# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A random forest as arrays: written without executable content, and walked for many rows.

Breiman: Random Forests, 2001.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.classical.arrays import Arrays, array

MAX_ROWS = 4096
"""Rows that are walked at once: 100 trees of them take 3 MB for each array of positions."""


@dataclass(frozen=True)
class Forest:
    """Binary trees one after the other; their leaves hold shares of the labels."""

    roots: NDArray[np.int32]
    """(T,) position of each tree's first node, ascending from 0."""
    left: NDArray[np.int32]
    """(N,) position of the child for values up to the threshold, behind its parent; -1: a leaf."""
    right: NDArray[np.int32]
    """(N,) the same for values above it."""
    feature: NDArray[np.int16]
    """(N,) which feature is compared; 0 in a leaf."""
    threshold: NDArray[np.float64]
    """(N,) what it is compared with."""
    row: NDArray[np.int32]
    """(N,) row of a leaf in `shares`; 0 in other nodes."""
    shares: NDArray[np.float16]
    """(M, K) shares of the labels in each leaf."""

    @staticmethod
    def read(arrays: Arrays, labels: int, features: int) -> Forest:
        """Return the forest of a file's arrays.

        Raises:
            ValueError: They do not fit, or a walk would leave its tree or not end.
        """
        left = array(arrays, 'forest_left', 'int32', (-1,))
        nodes = (len(left),)
        found = Forest(
            array(arrays, 'forest_roots', 'int32', (-1,)),
            left,
            array(arrays, 'forest_right', 'int32', nodes),
            array(arrays, 'forest_feature', 'int16', nodes),
            array(arrays, 'forest_threshold', 'float64', nodes),
            array(arrays, 'forest_row', 'int32', nodes),
            array(arrays, 'forest_shares', 'float16', (-1, labels)),
        )
        found._check(features)
        return found

    def _check(self, features: int) -> None:
        """Raise ValueError where a walk would leave its tree or not end."""
        nodes = len(self.left)
        roots = self.roots.astype(np.int64)
        if not len(roots) or roots[0] != 0 or (np.diff(roots) <= 0).any() or roots[-1] >= nodes:
            raise ValueError('a forest whose trees do not begin in order')
        sizes = np.diff([*roots, nodes])
        end = np.repeat([*roots[1:], nodes], sizes)
        place = np.arange(nodes)
        is_leaf = self.left == -1
        for child in (self.left, self.right):
            is_behind = (child > place) & (child < end)
            if not np.where(is_leaf, child == -1, is_behind).all():
                raise ValueError('a forest with a child outside its tree or before its parent')
        if not ((self.feature >= 0) & (self.feature < features)).all():
            raise ValueError(f'a forest that compares other than {features} features')
        rows = self.row[is_leaf]
        if rows.min() < 0 or rows.max() >= len(self.shares):
            raise ValueError('a forest with a leaf that has no shares')
        sums = self.shares.astype(np.float32).sum(1)
        if (self.shares < 0).any() or not np.allclose(sums, 1, atol=0.02):
            raise ValueError('a forest whose leaves have no shares')

    def arrays(self) -> Arrays:
        """Return the arrays to be written."""
        return {
            'forest_roots': self.roots,
            'forest_left': self.left,
            'forest_right': self.right,
            'forest_feature': self.feature,
            'forest_threshold': self.threshold,
            'forest_row': self.row,
            'forest_shares': self.shares,
        }

    def probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (R, K) float32, the mean shares over the trees, of (R, F) float32 features."""
        parts = [
            self._of_part(features[start : start + MAX_ROWS])
            for start in range(0, len(features), MAX_ROWS)
        ]
        return np.concatenate(parts)

    def _of_part(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        place = np.broadcast_to(self.roots, (len(features), len(self.roots))).copy()
        rows = np.arange(len(features))[:, None]
        while True:
            is_inner = self.left[place] != -1
            if not is_inner.any():
                break
            is_low = features[rows, self.feature[place]] <= self.threshold[place]
            child = np.where(is_low, self.left[place], self.right[place])
            place = np.where(is_inner, child, place)
        total = np.zeros((len(features), self.shares.shape[1]), np.float32)
        for tree in range(len(self.roots)):
            total += self.shares[self.row[place[:, tree]]]
        return total / total.sum(1, keepdims=True)
