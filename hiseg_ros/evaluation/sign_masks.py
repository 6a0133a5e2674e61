# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""IoU of the pixels of sign types with the shapes of the signs, false alarms included."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.evaluation.confusion import mean
from hiseg_ros.evaluation.signs import TrueSign
from hiseg_ros.types import UNLABELED, ImageSize, LabelImage

OUTSIDE_ALL_BOXES = 0
"""Value of pixels outside all boxes in a raster of true types: the root, which is not a type."""


class SignMasks:
    """Pixel counts of sign types: inside the annotated shapes, and outside all boxes."""

    def __init__(self, types: frozenset[int]) -> None:
        """Start at zero for the node ids of the annotated types."""
        self.types = sorted(types)
        self.true, self.predicted, self.right = (np.zeros(256, np.int64) for _ in range(3))

    def add(self, truth: NDArray[np.uint8], predicted: LabelImage) -> None:
        """Count one image.

        Args:
            truth: (H, W) as `true_types` draws it.
            predicted: (H, W) node ids.
        """
        counted = truth != UNLABELED
        true, found = truth[counted], predicted[counted]
        self.true += np.bincount(true, minlength=256)
        self.predicted += np.bincount(found, minlength=256)
        self.right += np.bincount(true[true == found], minlength=256)

    def iou(self) -> NDArray[np.float64]:
        """Return (types,) IoU; NaN for a type that is neither true nor predicted anywhere."""
        union = (self.true + self.predicted - self.right)[self.types]
        with np.errstate(invalid='ignore', divide='ignore'):
            return np.asarray(self.right[self.types] / union)

    def summary(self) -> dict[str, object]:
        """Return mean IoU over types true or predicted anywhere, and over those true anywhere.

        'micro_iou' is over all pixels: right ones over all that are truly or supposedly of a type.
        """
        iou = self.iou()
        return {
            'miou': mean(iou),
            'miou_of_true_types': mean(iou[self.true[self.types] > 0]),
            'micro_iou': float(
                self.right[self.types].sum()
                / max(1, (self.true + self.predicted - self.right)[self.types].sum())
            ),
        }


def true_types(truth: Sequence[TrueSign], size: ImageSize) -> NDArray[np.uint8]:
    """Return an image's (H, W) uint8 raster of true types.

    Inside a shape it is the type's node id, in the rest of a box 255 (not counted), elsewhere
    OUTSIDE_ALL_BOXES.
    """
    raster = np.full(size, OUTSIDE_ALL_BOXES, np.uint8)
    for sign in truth:
        raster[sign.window] = UNLABELED
    for sign in truth:
        raster[sign.window][sign.shape] = sign.node_id
    return raster
