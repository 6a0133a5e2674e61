# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Quality of boundaries: boundary F per label, and IoU in a band around the true boundaries."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import ConfigError
from hiseg_ros.evaluation.confusion import (
    Confusion,
    check_same_size,
    columns_of_label_ids,
    mean,
    row_of_label_id,
)
from hiseg_ros.taxonomy import Mapping

LARGEST_WIDTH, LARGEST_PERCENT = 1000, 10.0

_WIDTH = re.compile(r'(\d{1,9}(?:\.\d{1,9})?) ?(%|px)?')


@dataclass(frozen=True)
class Width:
    """Distance from a boundary, in pixels or as a share of the image's diagonal."""

    pixels: int = 0
    """0 where the width is a share."""
    percent: float = 0.0
    """Of the diagonal, rounded up to whole pixels, as Gated-SCNN (ICCV 2019) does."""

    def of(self, shape: tuple[int, int]) -> int:
        """Return the width in pixels, at least 1, in an image of (height, width)."""
        if self.pixels:
            return self.pixels
        # 0.5 % of a diagonal of 600 is 3, not the 4 that a rounding error would make of it.
        return max(1, math.ceil(self.percent / 100 * math.hypot(*shape) - 1e-6))

    def __str__(self) -> str:
        """Return '3 px' or '0.5 %'."""
        return f'{self.pixels} px' if self.pixels else f'{self.percent:g} %'


DEFAULT_WIDTHS = (Width(1), Width(3), Width(5))


def parse_widths(texts: Sequence[str]) -> tuple[Width, ...]:
    """Return widths from text such as '3' (pixels) or '0.5%' (of the diagonal).

    No text gives DEFAULT_WIDTHS.

    Raises:
        ConfigError: A text is no such width, or occurs twice.
    """
    widths = tuple(_parse_width(text) for text in texts) or DEFAULT_WIDTHS
    repeated = {str(width) for width in widths if widths.count(width) > 1}
    if repeated:
        raise ConfigError(
            f'The width {min(repeated)} of --boundary is given twice; expected each width once.'
        )
    return widths


def _parse_width(text: str) -> Width:
    found = _WIDTH.fullmatch(text.strip())
    if found:
        number = float(found[1])
        if found[2] == '%' and 0 < number <= LARGEST_PERCENT:
            return Width(percent=number)
        if found[2] != '%' and 1 <= number <= LARGEST_WIDTH and number.is_integer():
            return Width(int(number))
    raise ConfigError(
        f'A width of --boundary is {text!r}; expected whole pixels from 1 to {LARGEST_WIDTH}, '
        f"such as 3, or a share of the image's diagonal up to {LARGEST_PERCENT:g} %, such as 0.5%."
    )


class BoundaryScores:
    """Counts of matched boundary pixels, and of all pixels near true boundaries.

    A boundary pixel of a label is one of its pixels beside (left, right, above, below) a pixel of
    another label. Pixels without an evaluated truth take no part on either side: next to them
    there is no boundary, neither true nor predicted, since nobody knows where it is.
    """

    def __init__(self, mapping: Mapping, widths: Sequence[Width] = DEFAULT_WIDTHS) -> None:
        """Start at zero.

        Args:
            mapping: Its evaluated labels are measured.
            widths: Tolerances of boundary F, and widths of the band on either side.
        """
        self.mapping, self.widths = mapping, tuple(widths)
        self._row = row_of_label_id(mapping)
        labels = len(mapping.evaluated_labels)
        self._true, self._predicted = np.zeros(labels, np.int64), np.zeros(labels, np.int64)
        # (widths, labels) boundary pixels with a counterpart within the width.
        self._true_matched = np.zeros((len(self.widths), labels), np.int64)
        self._predicted_matched = np.zeros((len(self.widths), labels), np.int64)
        self._near = np.zeros((len(self.widths), labels, labels + 1), np.int64)

    def add(self, truth: NDArray[np.uint8], predicted: NDArray[np.integer]) -> None:
        """Count one image.

        Args:
            truth: (H, W) label ids; ids that are not evaluated are left out.
            predicted: (H, W) label ids; anything else, such as -1 or 255, is none of the labels.

        Raises:
            ImageError: The two differ in size.
        """
        check_same_size(truth, predicted)
        rows = self._row[truth]
        columns = columns_of_label_ids(predicted, self._row, len(self._true))
        columns[rows < 0] = -1
        widths = [width.of((truth.shape[0], truth.shape[1])) for width in self.widths]
        is_true_edge = edge_pixels(rows)
        self._add_edges(rows, is_true_edge, columns, edge_pixels(columns), widths)
        self._add_bands(rows, columns, is_true_edge, widths)

    def _add_edges(
        self,
        rows: NDArray[np.int64],
        is_true_edge: NDArray[np.bool_],
        columns: NDArray[np.int64],
        is_predicted_edge: NDArray[np.bool_],
        widths: Sequence[int],
    ) -> None:
        true_points, true_labels = np.argwhere(is_true_edge), rows[is_true_edge]
        found_points, found_labels = np.argwhere(is_predicted_edge), columns[is_predicted_edge]
        for label in range(len(self._true)):
            true = true_points[true_labels == label]
            found = found_points[found_labels == label]
            self._true[label] += len(true)
            self._predicted[label] += len(found)
            if not len(true) or not len(found):
                continue
            of_true, of_found = distances(true, found), distances(found, true)
            for index, width in enumerate(widths):
                self._true_matched[index, label] += (of_true <= _limit(width)).sum()
                self._predicted_matched[index, label] += (of_found <= _limit(width)).sum()

    def _add_bands(
        self,
        rows: NDArray[np.int64],
        columns: NDArray[np.int64],
        is_true_edge: NDArray[np.bool_],
        widths: Sequence[int],
    ) -> None:
        if not is_true_edge.any():
            return
        away = _distance_to_zero(np.where(is_true_edge, 0, 1).astype(np.uint8))
        for index, width in enumerate(widths):
            # Boundary pixels lie on both sides and are the first of `width` pixels each.
            is_near = (rows >= 0) & (away <= _limit(width - 1))
            shape = self._near[index].shape
            flat = rows[is_near] * shape[1] + columns[is_near]
            self._near[index] += np.bincount(flat, minlength=shape[0] * shape[1]).reshape(shape)

    def summary(self) -> dict[str, Any]:
        """Return the scores in [0, 1] by width, and the number of boundary pixels by label.

        Precision is the share of predicted boundary pixels with a true one of the label within
        the width, recall the share of true ones with a predicted one, both of the pixels of all
        images together; F is their harmonic mean. It is None for a label with neither true nor
        predicted boundary; 'f' is the mean over the others, NaN where there are none. Keys with
        'trimap' are the scores of `Confusion` over the pixels near a true boundary.
        """
        names = [label.name for label in self.mapping.evaluated_labels]
        return {
            'true_boundary_pixels': dict(zip(names, self._true.tolist(), strict=True)),
            'predicted_boundary_pixels': dict(zip(names, self._predicted.tolist(), strict=True)),
            'widths': {
                str(width): self._at_width(index, names) for index, width in enumerate(self.widths)
            },
        }

    def _at_width(self, index: int, names: Sequence[str]) -> dict[str, Any]:
        with np.errstate(invalid='ignore', divide='ignore'):
            precision = self._predicted_matched[index] / self._predicted
            recall = self._true_matched[index] / self._true
            f = 2 * precision * recall / (precision + recall)
        # One of the two is without pixels, or nothing matches: wrong, not unknown.
        f[(self._true + self._predicted > 0) & np.isnan(f)] = 0.0
        near = Confusion(self.mapping, self._near[index])
        of_near = near.summary()

        def by_name(values: NDArray[np.float64]) -> dict[str, float | None]:
            return {
                name: None if np.isnan(value) else round(float(value), 4)
                for name, value in zip(names, values, strict=True)
            }

        return {
            'f': mean(f),
            'f_by_label': by_name(f),
            'precision_by_label': by_name(precision),
            'recall_by_label': by_name(recall),
            'trimap_miou': of_near['miou'],
            'trimap_pixel_accuracy': of_near['pixel_accuracy'] if near.counts.any() else None,
            'trimap_pixels': int(near.counts.sum()),
            'trimap_iou_by_label': of_near['iou'],
        }


def edge_pixels(rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return (H, W) bool: pixels beside one of another label; negative entries are no labels."""
    is_edge = np.zeros(rows.shape, np.bool_)
    for axis in (0, 1):
        along, edge = np.moveaxis(rows, axis, 0), np.moveaxis(is_edge, axis, 0)
        differs = (along[1:] != along[:-1]) & (along[1:] >= 0) & (along[:-1] >= 0)
        edge[1:] |= differs
        edge[:-1] |= differs
    return is_edge


def distances(points: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the distance in pixels of each point from the nearest of the others.

    Args:
        points: (P, 2) rows and columns.
        others: (Q, 2) the same, at least one.
    """
    # Nothing outside the frame of both matters, and a sign's frame is small.
    first = np.minimum(points.min(0), others.min(0))
    last = np.maximum(points.max(0), others.max(0))
    image = np.ones(last - first + 1, np.uint8)
    image[tuple((others - first).T)] = 0
    return np.asarray(_distance_to_zero(image)[tuple((points - first).T)])


def _distance_to_zero(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return (H, W) Euclidean distance from the nearest pixel that is zero."""
    return np.asarray(cv2.distanceTransform(image, cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)


def _limit(width: int) -> float:
    """Return a bound between the distance `width` and the next larger one on a pixel grid.

    Squared distances are whole numbers; the bound is clear of the rounding of their roots.
    """
    return width + 0.25 / max(1, width)
