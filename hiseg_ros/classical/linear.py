# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Linear classifiers of several labels with calibrated scores, as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.classical.arrays import Arrays, array

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class LinearClassifier:
    """One linear score for each label, turned into a probability by a sigmoid of its own.

    Platt: Probabilistic Outputs for Support Vector Machines, 1999.
    """

    weights: Floats
    """(K, F) float32; a label that was not in the training data has zeros."""
    bias: Floats
    """(K,) float32."""
    slope: Floats
    """(K,) float32: the probability is 1 / (1 + exp(slope * score + offset))."""
    offset: Floats
    """(K,) float32."""

    @staticmethod
    def read(arrays: Arrays, labels: int, features: int) -> LinearClassifier:
        """Return the classifier of a file's arrays; raise ValueError where they do not fit."""
        return LinearClassifier(
            array(arrays, 'svm_weights', 'float32', (labels, features)),
            *(
                array(arrays, f'svm_{name}', 'float32', (labels,))
                for name in ('bias', 'slope', 'offset')
            ),
        )

    def arrays(self) -> Arrays:
        """Return the arrays to be written."""
        return {
            'svm_weights': self.weights,
            'svm_bias': self.bias,
            'svm_slope': self.slope,
            'svm_offset': self.offset,
        }

    def probabilities(self, features: Floats) -> Floats:
        """Return (N, K) probabilities, summing to 1, of (N, F) features."""
        scores = features @ self.weights.T + self.bias
        # Beyond 60 a float32 sigmoid is 0 for every purpose, and its exponential still finite.
        exponents = np.clip(self.slope * scores + self.offset, -60, 60)
        found = 1 / (1 + np.exp(exponents))
        return np.asarray(found / found.sum(1, keepdims=True), np.float32)
