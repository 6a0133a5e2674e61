# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The decision in a dataset's own labels at camera rate: the sparse decision on one level."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from hiseg_ros.decision.sparse import decide_sparse, warm_up
from hiseg_ros.decision.tables import DecisionTables
from hiseg_ros.errors import MappingError
from hiseg_ros.taxonomy import Mapping, Taxonomy
from hiseg_ros.types import UNLABELED, ImageSize, NodeProbabilities


class SparseLabelDecision:
    """Decides between the evaluated labels of a mapping by the rule of `mapped.LabelDecision`.

    A pixel is unlabeled where the leaves that belong to no evaluated label have a larger sum than
    the best label, so a mapping with few labels leaves other pixels unlabeled.
    """

    def __init__(self, mapping: Mapping, taxonomy: Taxonomy) -> None:
        """Prepare the sums and compile the kernels, or load them from the cache.

        Raises:
            MappingError: No label is evaluated, or an id is not in 0 to 255.
        """
        labels = mapping.evaluated_labels
        ids = [label.label_id for label in labels]
        if not labels or not all(0 <= label_id <= 255 for label_id in ids):
            raise MappingError(
                f'Mapping {mapping.name!r} has the evaluated label ids {ids}; expected at least '
                'one, and all from 0 to 255, to fit a mono8 image.'
            )
        self.unlabeled_id = next((n for n in mapping.unlabeled_ids if 0 <= n <= 255), UNLABELED)
        """First unlabeled id of the mapping, or 255 where it has none from 0 to 255."""
        is_evaluated = [label.evaluated for label in mapping.labels]
        matrix = mapping.label_matrix(taxonomy)[is_evaluated]
        # Planes: the root, each label, and the leaves that belong to no label.
        rest = ~matrix.any(0)
        planes = [np.ones_like(rest), *matrix, *([rest] if rest.any() else [])]
        self._sums = np.zeros((len(planes), len(taxonomy)), np.float32)
        self._sums[:, list(taxonomy.leaves)] = planes
        children = np.arange(1, len(planes), dtype=np.int32)
        start = np.full(len(planes) + 1, len(children), np.int32)
        start[0] = 0
        common = np.diag(np.arange(len(planes))).astype(np.uint8)
        self._tables = DecisionTables(start, children, common)
        self._id_of_plane = np.full(256, self.unlabeled_id, np.uint8)
        self._id_of_plane[1 : len(ids) + 1] = ids
        self._is_label = np.zeros(256, np.uint8)
        self._is_label[1 : len(ids) + 1] = 255
        warm_up(self._tables)

    def __call__(
        self,
        probabilities: NodeProbabilities,
        size: ImageSize | None = None,
        min_probability: float = 0.0,
        *,
        labels: bool = True,
        confidence: bool = False,
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Decide one image from its node probabilities on the network's grid.

        Args:
            probabilities: Probabilities of all nodes.
            size: (H, W) of the result, which covers the whole image; None for the image's size.
            min_probability: Pixels with a less probable label become unlabeled, in [0, 1].
            labels: Whether the label ids are wanted.
            confidence: Whether the confidence is wanted.

        Returns:
            Label ids (H, W) uint8, and 255 times the label's probability, rounded, (H, W) uint8, 0
            where a pixel is unlabeled; an image that is not wanted is (0, 0).
        """
        values = probabilities.values
        sums = (self._sums @ values.reshape(len(values), -1)).reshape(-1, *values.shape[1:])
        sums[0] = 1.0
        chosen, certainty = decide_sparse(
            np.ascontiguousarray(sums, np.float32),
            self._tables,
            size or probabilities.image_size,
            min_probability,
            confidence=confidence,
        )
        if confidence:
            certainty &= np.asarray(cv2.LUT(chosen, self._is_label), np.uint8)
        if not labels:
            return np.empty((0, 0), np.uint8), certainty
        return np.asarray(cv2.LUT(chosen, self._id_of_plane), np.uint8), certainty
