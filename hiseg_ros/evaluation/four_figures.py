# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Four figures that sum up dense labels, of several splits side by side.

Mean, weighted and category IoU, and the confusion matrix; training beside validation shows how
much a network over-fits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FIGURES = {
    'miou': 'mean IoU',
    'frequency_weighted_iou': 'weighted IoU',
    'category_iou': 'category IoU',
}
"""Titles of the figures beside the confusion matrix."""


def four_figures(decision: Mapping[str, Any]) -> dict[str, Any]:
    """Return mean, weighted and category IoU in [0, 1] and the confusion of one decision.

    Args:
        decision: Such as 'summed' in the result of `PixelScores.summary`. Categories are the
            first level of the tree.
    """
    return {
        'miou': decision['miou'],
        'frequency_weighted_iou': decision['frequency_weighted_iou'],
        'category_iou': decision['by_level'][0]['miou'],
        'confusion': decision['confusion'],
    }


def of_splits(scores_by_split: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the images and figures of the summed decision by split.

    Args:
        scores_by_split: Results of `evaluate_pixels`.
    """
    return {
        split: {'images': scores['images'], **four_figures(scores['summed'])}
        for split, scores in scores_by_split.items()
    }
