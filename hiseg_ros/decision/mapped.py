# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The decision in a dataset's own labels, by the summed probability of each label's leaves."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from hiseg_ros.taxonomy import Mapping, Taxonomy
from hiseg_ros.types import UNLABELED, ImageSize, NodeProbabilities


@dataclass(frozen=True)
class LabelChoice:
    """The most probable label of a dataset at every pixel of an image."""

    label_ids: NDArray[np.uint8]
    """(H, W) ids of the evaluated label with the largest summed probability."""
    probability: NDArray[np.float32]
    """(H, W) summed probability of that label, in [0, 1]."""
    is_outside: NDArray[np.bool_]
    """(H, W) whether the leaves that belong to no evaluated label have a larger sum."""


class LabelDecision:
    """Decides between the evaluated labels of a mapping, with one label in memory at a time."""

    def __init__(self, mapping: Mapping, taxonomy: Taxonomy) -> None:
        """Prepare the sums.

        Args:
            mapping: Its label ids are from 0 to 255.
            taxonomy: Tree of the probabilities.
        """
        self._leaves = list(taxonomy.leaves)
        is_evaluated = [label.evaluated for label in mapping.labels]
        matrix = mapping.label_matrix(taxonomy)[is_evaluated]
        self._rows = matrix.astype(np.float32)
        self._rest = ~matrix.any(0)
        self._label_ids = np.array(
            [label.label_id for label in mapping.evaluated_labels], np.uint8
        )

    def __call__(self, probabilities: NodeProbabilities) -> LabelChoice:
        """Return the decision for one image from its node probabilities on the network's grid."""
        leaves = probabilities.values[self._leaves]
        sums = np.tensordot(self._rows, leaves, 1)
        size = probabilities.image_size
        best = np.full(size, -1.0, np.float32)
        index = np.zeros(size, np.uint8)
        for row, grid in enumerate(sums):
            value = _interpolated(grid, size)
            # A tie keeps the first label.
            is_better = value > best
            np.copyto(best, value, where=is_better)
            index[is_better] = row
        outside = np.zeros(size, np.bool_)
        if self._rest.any():
            outside = _interpolated(leaves[self._rest].sum(0), size) > best
        return LabelChoice(self._label_ids[index], best.clip(0, 1), outside)


def _interpolated(grid: NDArray[np.float32], size: ImageSize) -> NDArray[np.float32]:
    """Return one plane at image size; cells and pixels are aligned as in `dense.interpolate`."""
    plane = cv2.resize(grid, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(plane, np.float32)


def decide_mapping(
    probabilities: NodeProbabilities,
    taxonomy: Taxonomy,
    mapping: Mapping,
    min_probability: float = 0.0,
) -> NDArray[np.uint8]:
    """Return (H, W) uint8 label ids of the most probable evaluated label at every pixel.

    Args:
        probabilities: Node probabilities on the network's grid.
        taxonomy: Their tree.
        mapping: The dataset's labels; ids from 0 to 255.
        min_probability: Pixels with a less probable label become UNLABELED.
    """
    choice = LabelDecision(mapping, taxonomy)(probabilities)
    choice.label_ids[choice.probability < min_probability] = UNLABELED
    return choice.label_ids
