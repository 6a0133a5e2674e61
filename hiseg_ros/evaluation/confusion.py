# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Confusion counts in a data set's own labels, predictions outside the set counted as errors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import ImageError
from hiseg_ros.taxonomy import Mapping, Taxonomy
from hiseg_ros.types import LabelImage

OUT_OF_SET = -1


class Confusion:
    """Counts of (true label, predicted label) with a last column for out-of-set predictions."""

    def __init__(self, mapping: Mapping) -> None:
        """Start at zero for the evaluated labels of a mapping."""
        self.labels = mapping.evaluated_labels
        self.counts = np.zeros((len(self.labels), len(self.labels) + 1), np.int64)
        size = 256
        self._row = np.full(size, -1, np.int64)
        for index, label in enumerate(self.labels):
            self._row[label.label_id] = index

    def add(self, truth: NDArray[np.uint8], predicted: NDArray[np.integer]) -> None:
        """Count one image.

        Args:
            truth: (H, W) label ids; ids that are not evaluated are left out.
            predicted: (H, W) label ids; anything else, such as -1 or 255, is an error.

        Raises:
            ImageError: The two differ in size.
        """
        if truth.shape != predicted.shape:
            raise ImageError(
                f'The prediction has shape {predicted.shape}, its ground truth {truth.shape}; '
                'expected the same: compare labels at the size of the image.'
            )
        rows = self._row[truth]
        in_range = (predicted >= 0) & (predicted < len(self._row))
        columns = np.where(in_range, self._row[np.where(in_range, predicted, 0)], -1)
        columns = np.where(columns < 0, len(self.labels), columns)
        valid = rows >= 0
        flat = rows[valid] * self.counts.shape[1] + columns[valid]
        self.counts += np.bincount(flat, minlength=self.counts.size).reshape(self.counts.shape)

    def iou(self) -> NDArray[np.float64]:
        """Return IoU per label; NaN for a label that is neither true nor predicted anywhere."""
        diagonal = np.diagonal(self.counts).astype(float)
        union = self.counts.sum(1) + self.counts[:, :-1].sum(0) - diagonal
        with np.errstate(invalid='ignore', divide='ignore'):
            return np.asarray(diagonal / union)

    def summary(self) -> dict[str, object]:
        """Return mIoU, pixel accuracy, mean class accuracy and IoU per label, in [0, 1].

        Where nothing was counted, the means are NaN.
        """
        iou = self.iou()
        support = self.counts.sum(1)
        with np.errstate(invalid='ignore', divide='ignore'):
            recall = np.diagonal(self.counts) / support
        return {
            'miou': _mean(iou),
            'pixel_accuracy': float(np.trace(self.counts) / max(1, support.sum())),
            'mean_class_accuracy': _mean(recall),
            'out_of_set': float(self.counts[:, -1].sum() / max(1, support.sum())),
            'iou': {
                label.name: None if np.isnan(value) else round(float(value), 4)
                for label, value in zip(self.labels, iou, strict=True)
            },
        }


def _mean(values: NDArray[np.float64]) -> float:
    """Return the mean of what is not NaN, NaN without a warning where nothing is left."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float('nan')


def label_ids_of_nodes(
    labels: LabelImage, mapping: Mapping, taxonomy: Taxonomy
) -> NDArray[np.int64]:
    """Return (H, W) label ids: a node counts for the label it lies below, else -1."""
    return mapping.label_id_of_node_id(taxonomy)[labels]
