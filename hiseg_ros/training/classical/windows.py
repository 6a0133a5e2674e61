# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Training of HOG with a linear SVM, also for watershed."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.classical.hog import Hog, window_features
from hiseg_ros.classical.image import CELL
from hiseg_ros.classical.linear import LinearClassifier
from hiseg_ros.classical.options import HogOptions, WatershedOptions
from hiseg_ros.classical.packages import classical_packages
from hiseg_ros.classical.watershed import Watershed
from hiseg_ros.training.classical.enough import check_labels
from hiseg_ros.training.classical.samples import Rows, TrainingImages

FOLDS = 3
"""Parts of the windows; the scores of each, by the SVM of the others, calibrate the sigmoids."""

TOLERANCE = 1e-3
"""Of the SVM's gradient; ten times finer takes twice the time."""

UNSEEN = 60.0
"""Offset of a label without windows, whose probability is then next to nothing."""


def fit_hog(images: TrainingImages, options: HogOptions, seed: int) -> Hog:
    """Return HOG and SVM of training images.

    Raises:
        DatasetError: There are fewer than two labels, or too few windows of one.
    """
    features, labels = _draw(images, options, seed)
    return Hog(options.window, _linear(features, labels, len(images.labels), options))


def fit_watershed(images: TrainingImages, options: WatershedOptions, seed: int) -> Watershed:
    """Return watershed with the windows' classifier of training images; raise as `fit_hog`."""
    return Watershed(options.smoothing, options.flat, fit_hog(images, options, seed))


def _draw(
    images: TrainingImages, options: HogOptions, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return features and labels of windows: at most `patches` of each label of each image.

    So frequent labels are drawn as often as rare ones. With their true shares, in weights, road,
    sky and building would be nearly all that is ever found.
    """
    generator = np.random.default_rng(seed)
    features, labels = [], []
    for rgb, rows in images:
        centres = _at_centres(rows)
        found = window_features(rgb, options.window)
        found = found.reshape(-1, found.shape[-1])
        for label in np.unique(centres[centres >= 0]):
            places = np.flatnonzero(centres == label)
            drawn = generator.choice(places, min(options.patches, len(places)), replace=False)
            features.append(found[drawn])
            labels.append(np.full(len(drawn), label))
    check_labels(labels, 'windows', FOLDS)
    return np.concatenate(features), np.concatenate(labels)


def _at_centres(rows: Rows) -> NDArray[np.int64]:
    """Return (N,) labels of the pixels in the middle of the cells."""
    return rows[CELL // 2 :: CELL, CELL // 2 :: CELL].ravel()


def _linear(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    count: int,
    options: HogOptions,
) -> LinearClassifier:
    """Return one linear classifier for each label against the others, with calibrated scores."""
    with classical_packages():
        from sklearn.calibration import CalibratedClassifierCV
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.svm import LinearSVC

    mean, deviation = features.mean(0), features.std(0)
    deviation[deviation < 1e-6] = 1
    scaled = (features - mean) / deviation
    # In the primal: there are more windows than features.
    svm = LinearSVC(C=options.strength, dual=False, tol=TOLERANCE)
    calibrated = CalibratedClassifierCV(svm, method='sigmoid', cv=FOLDS, ensemble=False)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', ConvergenceWarning)
        calibrated.fit(scaled, labels)
    (one,) = calibrated.calibrated_classifiers_
    slope = np.array([sigmoid.a_ for sigmoid in one.calibrators])
    offset = np.array([sigmoid.b_ for sigmoid in one.calibrators])
    coefficients, intercept = one.estimator.coef_, one.estimator.intercept_
    if len(calibrated.classes_) == 2:  # one score, of the second of two labels
        coefficients, intercept = (
            np.stack([-coefficients[0], coefficients[0]]),
            np.repeat(intercept, 2) * [-1, 1],
        )
        slope, offset = np.repeat(slope, 2), np.repeat(offset, 2) * [-1, 1]
    whole = np.zeros((count, features.shape[1] + 3), np.float64)
    whole[:, -1] = UNSEEN
    own = coefficients / deviation
    shift = intercept - own @ mean
    whole[calibrated.classes_] = np.column_stack([own, shift, slope, offset])
    parts = whole[:, :-3], whole[:, -3], whole[:, -2], whole[:, -1]
    return LinearClassifier(*(np.ascontiguousarray(part, np.float32) for part in parts))
