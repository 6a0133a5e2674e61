# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""How far apart two sets of images are to a network: mixing@k and the proxy A-distance.

Ben-David et al., "Analysis of Representations for Domain Adaptation", NIPS 2006, for the distance;
mixing@k is the share of the other set among the nearest neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import ConfigError

NEIGHBOURS = 10
FOLDS = 5
LEAST = 2 * FOLDS
"""Fewest images of each set: two in every fold."""

MOST = 200
"""Images of each set that are compared, evenly spread; more cost time and say the same."""

RIDGE = 1e-2
"""Strength of the classifier's penalty, as a share of the features' mean variance."""


@dataclass(frozen=True)
class DomainDistance:
    """Two sets of images, compared."""

    mixing: float
    """Share of images of the other set among the nearest, divided by that of chance: 0 for sets
    that are apart, 1 for sets that cannot be told."""
    a_distance: float
    """2 (1 - 2 error) of a linear classifier of the set: 0 for sets that cannot be told, 2 for
    sets that are apart."""
    images: tuple[int, int]
    """Images of each set that were compared."""
    neighbours: int


def compare(
    first: NDArray[np.float32], second: NDArray[np.float32], neighbours: int = NEIGHBOURS
) -> DomainDistance:
    """Compare two sets of images.

    Args:
        first: (N, D) features, in order of time.
        second: (M, D) features.
        neighbours: Neighbours of each image that are looked at.

    Raises:
        ConfigError: A set has fewer than LEAST images.
    """
    if min(len(first), len(second)) < LEAST:
        raise ConfigError(
            f'The sets to compare have {len(first)} and {len(second)} images; expected at least '
            f'{LEAST} of each.'
        )
    first, second = _spread(first), _spread(second)
    vectors = np.concatenate([first, second]).astype(np.float64)
    vectors -= vectors.mean(0)
    is_second = np.arange(len(vectors)) >= len(first)
    return DomainDistance(
        _mixing(vectors, is_second, neighbours),
        max(0.0, 2 * (1 - 2 * _error(vectors, is_second))),
        (len(first), len(second)),
        neighbours,
    )


def _spread(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    if len(vectors) <= MOST:
        return vectors
    return vectors[np.arange(MOST) * len(vectors) // MOST]


def _mixing(vectors: NDArray[np.float64], is_second: NDArray[np.bool_], neighbours: int) -> float:
    """Return the mean share of the other set among neighbours, each relative to chance."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled = vectors / np.maximum(lengths, 1e-12)
    similarities = scaled @ scaled.T
    np.fill_diagonal(similarities, -np.inf)
    nearest = np.argsort(-similarities, axis=1, kind='stable')[:, :neighbours]
    share = (is_second[nearest] != is_second[:, None]).mean(1)
    others = np.where(is_second, np.sum(~is_second), np.sum(is_second)) / (len(vectors) - 1)
    return float(np.mean(share / others))


def _error(vectors: NDArray[np.float64], is_second: NDArray[np.bool_]) -> float:
    """Return the balanced error of a ridge classifier, each fold tested on the others' weights.

    A fold is a stretch of each set, since neighbouring frames of a drive are almost the same.
    """
    places = np.concatenate(
        [np.arange(count) * FOLDS // count for count in (np.sum(~is_second), np.sum(is_second))]
    )
    wrong = np.zeros(len(vectors), bool)
    for fold in range(FOLDS):
        train = places != fold
        guess = _ridge(vectors[train], is_second[train], vectors[~train])
        wrong[~train] = (guess > 0) != is_second[~train]
    return float((wrong[is_second].mean() + wrong[~is_second].mean()) / 2)


def _ridge(
    vectors: NDArray[np.float64], is_second: NDArray[np.bool_], tested: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the score of tested vectors; above 0 is the second set. Both sets weigh the same."""
    weights = np.where(is_second, 0.5 / is_second.sum(), 0.5 / (~is_second).sum())
    mean = weights @ vectors
    centred = vectors - mean
    covariance = (centred * weights[:, None]).T @ centred
    size = len(covariance)
    penalty = RIDGE * max(float(np.trace(covariance)) / size, 1e-12)
    direction = np.linalg.solve(
        covariance + penalty * np.eye(size),
        (centred * weights[:, None]).T @ np.where(is_second, 1.0, -1.0),
    )
    scores: NDArray[np.float64] = (tested - mean) @ direction
    return scores
