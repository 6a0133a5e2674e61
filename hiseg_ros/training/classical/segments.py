# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Training of the forest that classifies superpixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.classical.forest import Forest
from hiseg_ros.classical.options import SuperpixelOptions
from hiseg_ros.classical.packages import classical_packages
from hiseg_ros.classical.superpixel import Superpixel, superpixel_features, superpixels
from hiseg_ros.training.classical.enough import check_labels
from hiseg_ros.training.classical.samples import Rows, TrainingImages

LEAST_SHARE = 0.5
"""Share of a superpixel's pixels that its most frequent label has to have, to be learned from."""


DRAWN = 0.25
"""Share of the superpixels that each tree is grown from: neighbouring images repeat each other."""


def fit_superpixel(images: TrainingImages, options: SuperpixelOptions, seed: int) -> Superpixel:
    """Return superpixels with the forest of training images.

    Raises:
        DatasetError: There are fewer than two labels.
    """
    with classical_packages():
        from sklearn.ensemble import RandomForestClassifier

    features, labels = [], []
    for rgb, rows in images:
        numbers = superpixels(rgb, options.segments, options.compactness)
        majority = majority_labels(numbers, rows, len(images.labels))
        is_clear = majority >= 0
        features.append(superpixel_features(rgb, numbers)[is_clear])
        labels.append(majority[is_clear])
    check_labels(labels, 'superpixels')
    forest = RandomForestClassifier(
        options.trees, max_leaf_nodes=options.leaves, max_samples=DRAWN, random_state=seed
    )
    forest.fit(np.concatenate(features), np.concatenate(labels))
    arrays = forest_arrays(forest, len(images.labels))
    return Superpixel(options.segments, options.compactness, arrays)


def majority_labels(numbers: NDArray[np.int64], rows: Rows, labels: int) -> NDArray[np.int64]:
    """Return (S,) the label of most pixels of each superpixel, -1 where none has enough.

    Args:
        numbers: (h, w) numbers of superpixels.
        rows: (h, w) positions of labels, -1 without one.
        labels: Number of labels K.
    """
    counts = np.bincount((numbers * (labels + 1) + rows + 1).ravel())
    padded = np.zeros((int(numbers.max()) + 1) * (labels + 1), np.int64)
    padded[: len(counts)] = counts
    by_label = padded.reshape(-1, labels + 1)
    best = by_label[:, 1:].argmax(1)
    most = by_label[np.arange(len(best)), best + 1]
    return np.where(most >= LEAST_SHARE * by_label.sum(1), best, -1)


def forest_arrays(forest: Any, labels: int) -> Forest:
    """Return a fitted forest of scikit-learn as arrays.

    Args:
        forest: A RandomForestClassifier whose classes are positions of labels.
        labels: Number of labels K.
    """
    trees = [one.tree_ for one in forest.estimators_]
    sizes = [tree.node_count for tree in trees]
    roots = np.cumsum([0, *sizes[:-1]])
    # Children count from the root of their tree; -1 stays for a leaf.
    left, right = (
        np.concatenate(
            [
                np.where(
                    getattr(tree, f'children_{side}') < 0,
                    -1,
                    getattr(tree, f'children_{side}') + root,
                )
                for tree, root in zip(trees, roots, strict=True)
            ]
        )
        for side in ('left', 'right')
    )
    is_leaf = left < 0
    feature = np.where(is_leaf, 0, np.concatenate([tree.feature for tree in trees]))
    threshold = np.where(is_leaf, 0.0, np.concatenate([tree.threshold for tree in trees]))
    counts = np.concatenate([tree.value[:, 0] for tree in trees])[is_leaf]
    shares = np.zeros((len(counts), labels), np.float16)
    shares[:, forest.classes_] = counts / counts.sum(1, keepdims=True)
    row = np.where(is_leaf, np.cumsum(is_leaf) - 1, 0)
    return Forest(
        roots.astype(np.int32),
        left.astype(np.int32),
        right.astype(np.int32),
        feature.astype(np.int16),
        threshold.astype(np.float64),
        row.astype(np.int32),
        shares,
    )
