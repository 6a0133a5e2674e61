# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Confusion matrix in the labels of a dataset, with a column for predictions out of the set."""

from __future__ import annotations

from collections.abc import Mapping as ScoreMapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import ImageError
from hiseg_ros.taxonomy import Mapping, Taxonomy
from hiseg_ros.types import LabelImage


class Confusion:
    """Counts of (true label, predicted label) with a last column for out-of-set predictions."""

    def __init__(self, mapping: Mapping, counts: NDArray[np.int64] | None = None) -> None:
        """Start at zero for the evaluated labels of a mapping, or at given counts.

        Args:
            mapping: Its evaluated labels are the rows.
            counts: (N, N + 1) pixels by true and predicted label; the last column is out of set.
        """
        self.labels = mapping.evaluated_labels
        shape = (len(self.labels), len(self.labels) + 1)
        self.counts = np.zeros(shape, np.int64) if counts is None else counts
        self._row = row_of_label_id(mapping)

    def add(self, truth: NDArray[np.uint8], predicted: NDArray[np.integer]) -> None:
        """Count one image.

        Args:
            truth: (H, W) label ids; ids that are not evaluated are left out.
            predicted: (H, W) label ids; anything else, such as -1 or 255, is an error.

        Raises:
            ImageError: The two differ in size.
        """
        # Imported late: they take ten seconds and 700 MB, and a replay without ground truth
        # counts nothing.
        import torch
        from torchmetrics.functional.classification import multiclass_confusion_matrix

        check_same_size(truth, predicted)
        outside = len(self.labels)
        columns = columns_of_label_ids(predicted, self._row, outside)
        counted = multiclass_confusion_matrix(
            torch.from_numpy(columns),
            torch.from_numpy(self._row[truth]),
            outside + 1,
            ignore_index=-1,
            validate_args=False,  # correct by construction; the check would sort every pixel
        )
        # The last row is empty: pixels whose truth is out of the set are not evaluated.
        self.counts += counted.numpy()[:outside]

    def iou(self) -> NDArray[np.float64]:
        """Return IoU per label; NaN for a label that is neither true nor predicted anywhere."""
        return _iou(self.counts)

    def summary(self) -> dict[str, object]:
        """Return the scores in [0, 1], pixel counts and the matrix.

        'miou' is the mean over the labels that are true or predicted anywhere. A prediction
        outside the set is an error of the pixel's true label. The metrics that end in
        '_void_dropped' leave those pixels out instead, as IV 2018 does, and are means over the
        labels that are still true somewhere. Where nothing was counted, the means are NaN.
        """
        iou = self.iou()
        support = self.counts.sum(1)
        total = max(1, int(support.sum()))
        with np.errstate(invalid='ignore', divide='ignore'):
            recall = np.diagonal(self.counts) / support
        is_known = ~np.isnan(iou)
        return {
            'miou': mean(iou),
            'pixel_accuracy': float(np.trace(self.counts) / total),
            'mean_class_accuracy': mean(recall),
            'frequency_weighted_iou': float((support * np.where(is_known, iou, 0)).sum() / total),
            'out_of_set': float(self.counts[:, -1].sum() / total),
            **self._void_dropped(),
            'iou': self._by_name(iou),
            'class_accuracy': self._by_name(recall),
            'pixels': {
                label.name: int(count) for label, count in zip(self.labels, support, strict=True)
            },
            'confusion': {
                'rows': [label.name for label in self.labels],
                'columns': [*(label.name for label in self.labels), 'out of set'],
                'pixels': self.counts.tolist(),
            },
        }

    def _void_dropped(self) -> dict[str, float]:
        """Return the metrics of IV 2018: predicted void deleted, means over the true labels."""
        kept = self.counts[:, :-1]
        support = kept.sum(1)
        is_true = support > 0
        accuracy = np.diagonal(kept)[is_true] / support[is_true]
        return {
            'miou_void_dropped': mean(_iou(np.pad(kept, ((0, 0), (0, 1))))[is_true]),
            'pixel_accuracy_void_dropped': float(np.trace(kept) / max(1, support.sum())),
            'mean_class_accuracy_void_dropped': mean(accuracy),
        }

    def _by_name(self, values: NDArray[np.float64]) -> dict[str, float | None]:
        return {
            label.name: None if np.isnan(value) else round(float(value), 4)
            for label, value in zip(self.labels, values, strict=True)
        }


def confusion_counts(summary: ScoreMapping[str, Any]) -> NDArray[np.int64]:
    """Return the (N, N + 1) counts in a result of `Confusion.summary`."""
    return np.asarray(summary['confusion']['pixels'], np.int64)


def _iou(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return IoU per row of (N, N + 1) counts; NaN where it is neither true nor predicted."""
    diagonal = np.diagonal(counts).astype(float)
    union = counts.sum(1) + counts[:, :-1].sum(0) - diagonal
    with np.errstate(invalid='ignore', divide='ignore'):
        return np.asarray(diagonal / union)


def mean(values: NDArray[np.float64]) -> float:
    """Return the mean of the values that are not NaN, or NaN if there are none."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float('nan')


def row_of_label_id(mapping: Mapping) -> NDArray[np.int64]:
    """Return the (256,) table from label id to position among the evaluated labels, else -1.

    A label that counts as another has the position of that one.
    """
    table = np.full(256, -1, np.int64)
    for index, label in enumerate(mapping.evaluated_labels):
        table[label.label_id] = index
    for label_id, counted in mapping.counted_as:
        table[label_id] = table[counted]
    return table


def columns_of_label_ids(
    predicted: NDArray[np.integer], row: NDArray[np.int64], outside: int
) -> NDArray[np.int64]:
    """Return (H, W) positions of predicted label ids among the evaluated labels.

    Args:
        predicted: (H, W) label ids, or anything else, such as -1 or 255.
        row: Table of `row_of_label_id`.
        outside: Position of what is none of the labels.
    """
    in_range = (predicted >= 0) & (predicted < len(row))
    columns = row[np.where(in_range, predicted, 0)]
    columns[~in_range | (columns < 0)] = outside
    return columns


def check_same_size(truth: NDArray[np.uint8], predicted: NDArray[np.integer]) -> None:
    """Check that a prediction has the size of its ground truth.

    Raises:
        ImageError: The two differ in size.
    """
    if truth.shape != predicted.shape:
        raise ImageError(
            f'The prediction has shape {predicted.shape}, its ground truth {truth.shape}; '
            'expected the same: compare labels at the size of the image.'
        )


def label_ids_of_nodes(
    labels: LabelImage, mapping: Mapping, taxonomy: Taxonomy
) -> NDArray[np.int64]:
    """Return (H, W) label ids: a node counts for the label it lies below, else -1."""
    return mapping.label_id_of_node_id(taxonomy)[labels]
