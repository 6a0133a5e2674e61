# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Calibration against torchmetrics and a reference of a few lines."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import binary_calibration_error

from hiseg_ros.evaluation.calibration import Calibration


def reference(confidence: np.ndarray, is_right: np.ndarray, bins: int) -> float:
    """Return ECE, bin by bin."""
    error = 0.0
    for index in range(bins):
        low, high = index / bins, (index + 1) / bins
        inside = (confidence >= low) & ((confidence < high) | (index == bins - 1))
        if inside.any():
            gap = abs(is_right[inside].mean() - confidence[inside].mean())
            error += inside.mean() * gap
    return error


@pytest.mark.parametrize('seed', range(5))
def test_the_error_equals_torchmetrics_and_the_reference(seed: int) -> None:
    """Counted in three portions."""
    rng = np.random.default_rng(seed)
    confidence = rng.beta(4, 1.5, 3000)
    is_right = rng.random(3000) < confidence**2
    calibration = Calibration()
    for part in np.split(np.arange(3000), 3):
        calibration.add(confidence[part], is_right[part])
    expected = binary_calibration_error(
        torch.from_numpy(confidence), torch.from_numpy(is_right).long(), n_bins=15, norm='l1'
    )
    assert calibration.expected_error() == pytest.approx(float(expected), abs=1e-6)
    assert calibration.expected_error() == pytest.approx(reference(confidence, is_right, 15))


def test_full_confidence_belongs_to_the_last_bin() -> None:
    """1 is the end of the range, not a bin beyond it."""
    calibration = Calibration(4)
    calibration.add(np.array([1.0, 0.0, 0.25]), np.array([True, False, True]))
    assert calibration.pixels.tolist() == [1, 1, 0, 1]
    assert calibration.right.tolist() == [0, 1, 0, 1]


def test_a_perfectly_calibrated_decision_has_no_error() -> None:
    """Right in three of four cases at a confidence of 75 %."""
    calibration = Calibration()
    calibration.add(np.full(4, 0.75), np.array([True, True, True, False]))
    assert calibration.expected_error() == 0


def test_the_table_is_json_and_an_empty_bin_has_no_accuracy() -> None:
    """Of nothing at all there is no error either."""
    calibration = Calibration(2)
    calibration.add(np.array([0.9, 0.8], np.float32), np.array([True, False]))
    rows = json.loads(json.dumps(calibration.summary()))['bins']
    assert rows[0] == {
        'from': 0.0,
        'to': 0.5,
        'pixels': 0,
        'confidence': None,
        'accuracy': None,
    }
    assert (rows[1]['pixels'], rows[1]['confidence'], rows[1]['accuracy']) == (2, 0.85, 0.5)
    assert np.isnan(Calibration().expected_error())
