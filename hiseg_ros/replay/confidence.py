# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Confidence of the labels: share of low-confidence pixels, mean and histogram."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

LOW = 128
"""Confidence (255 times the probability) below which a pixel counts as low-confidence."""


class ConfidenceShares:
    """Counts the confidence of all pixels."""

    def __init__(self) -> None:
        """Start at zero."""
        self.histogram = np.zeros(256, np.int64)

    def add(self, confidence: NDArray[np.uint8]) -> dict[str, Any]:
        """Count one image, (H, W) uint8; return its metrics."""
        counts = cv2.calcHist([confidence], [0], None, [256], [0, 256])
        histogram = counts.reshape(-1).astype(np.int64)
        self.histogram += histogram
        return _metrics(histogram)

    def summary(self) -> dict[str, Any]:
        """Return the metrics of all images, with the histogram of the confidence."""
        return {
            **_metrics(self.histogram),
            'low_below': LOW / 255,
            'histogram': self.histogram.tolist(),
        }

    def state(self) -> dict[str, Any]:
        """Return the state that a resumed run starts from."""
        return {'histogram': self.histogram}

    def load(self, state: dict[str, Any]) -> None:
        """Continue from a state."""
        self.histogram = state['histogram']


def _metrics(histogram: NDArray[np.int64]) -> dict[str, Any]:
    total = int(histogram.sum())
    if not total:
        return {'low_share': None, 'mean': None}
    mean = int((histogram * np.arange(256)).sum()) / (255 * total)
    return {
        'low_share': round(int(histogram[:LOW].sum()) / total, 6),
        'mean': round(mean, 6),
    }
