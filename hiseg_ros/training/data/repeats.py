# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Which image comes when: passes over a dataset, in which images of rare labels come again."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Repeats:
    """How often images are shown per pass, on average."""

    of_image: NDArray[np.float64]
    """(N,), at least 1."""
    of_label_id: NDArray[np.float64]
    """(256,), at least 1; boxes of rare labels are the likelier centres of crops."""

    @classmethod
    def none(cls, count: int) -> Repeats:
        """Return each of `count` images once."""
        return cls(np.ones(count), np.ones(256))


def repeat_factors(present: NDArray[np.bool_], threshold: float) -> Repeats:
    """Return the repeat factors of LVIS (Gupta et al., CVPR 2019).

    A label in a share f of the images has the factor max(1, sqrt(threshold / f)), an image the
    largest factor of its labels.

    Args:
        present: (N, 256) is label id c in image i.
        threshold: Share of the images below which a label is rare.
    """
    share = present.mean(axis=0)
    of_label = np.ones(present.shape[1])
    seen = share > 0
    of_label[seen] = np.maximum(1.0, np.sqrt(threshold / share[seen]))
    return Repeats(np.where(present, of_label, 1.0).max(axis=1), of_label)


def pass_length(of_image: NDArray[np.float64]) -> int:
    """Return how many images one pass shows; the same for every pass."""
    return math.ceil(float(of_image.sum()))


def pass_order(of_image: NDArray[np.float64], seed: int, number: int) -> NDArray[np.int64]:
    """Return which images a pass shows, in random order.

    An image with the factor 2.3 comes twice in most passes and three times in the others: the
    factors are laid end to end and an image is shown for each whole number, counted from a random
    start, that falls into its piece. So every pass has the same length, and an image's place
    follows from its number alone.

    Args:
        of_image: (N,) factors, at least 1.
        seed: Seed of the run.
        number: Number of the pass, from 0.
    """
    length = pass_length(of_image)
    start = np.random.default_rng((seed, number, length, 1)).random()
    ends = np.floor(of_image.cumsum() * (length / of_image.sum()) + start)
    ends[-1] = length
    shown = np.repeat(np.arange(len(of_image)), np.diff(ends, prepend=0).astype(np.int64))
    return shown[np.random.default_rng((seed, number, length)).permutation(length)]
