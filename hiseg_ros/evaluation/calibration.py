# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Calibration of confidences: accuracy by confidence, and the expected calibration error."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BINS = 15


class Calibration:
    """Counts by confidence, in bins of equal width.

    torchmetrics has this metric too, but stores every pixel until the end.
    """

    def __init__(self, bins: int = BINS) -> None:
        """Start at zero.

        Args:
            bins: Number of bins of equal width from 0 to 1.
        """
        self.pixels = np.zeros(bins, np.int64)
        self.right = np.zeros(bins, np.int64)
        self.confidence = np.zeros(bins)
        """Summed over the pixels of each bin."""

    def add(self, confidence: NDArray[np.floating], is_right: NDArray[np.bool_]) -> None:
        """Count decisions.

        Args:
            confidence: (...) in [0, 1]; a bin contains its lower end, the last one also 1.
            is_right: (...) bool, whether each decision was right.
        """
        bins = len(self.pixels)
        flat, right = confidence.ravel(), is_right.ravel()
        index = np.minimum((flat * bins).astype(np.int64), bins - 1)
        self.pixels += np.bincount(index, minlength=bins)
        self.right += np.bincount(index[right], minlength=bins)
        self.confidence += np.bincount(index, flat, minlength=bins)

    def expected_error(self) -> float:
        """Return ECE: the mean of |accuracy - confidence| over bins, weighted by their pixels."""
        total = int(self.pixels.sum())
        return float(np.abs(self.right - self.confidence).sum() / total) if total else float('nan')

    def summary(self) -> dict[str, object]:
        """Return ECE and one row per bin; empty bins have neither confidence nor accuracy."""
        total, bins = int(self.pixels.sum()), len(self.pixels)

        def per_pixel(value: float, pixels: int) -> float | None:
            return round(float(value) / pixels, 4) if pixels else None

        return {
            'ece': self.expected_error(),
            'mean_confidence': per_pixel(self.confidence.sum(), total),
            'accuracy': per_pixel(float(self.right.sum()), total),
            'bins': [
                {
                    'from': round(index / bins, 4),
                    'to': round((index + 1) / bins, 4),
                    'pixels': int(pixels),
                    'confidence': per_pixel(confidence, int(pixels)),
                    'accuracy': per_pixel(float(right), int(pixels)),
                }
                for index, (pixels, confidence, right) in enumerate(
                    zip(self.pixels, self.confidence, self.right, strict=True)
                )
            ],
        }
