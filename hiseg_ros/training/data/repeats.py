# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Order of images in a pass over a dataset; images with rare labels are repeated."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Repeats:
    """Mean number of times that images are shown per pass."""

    of_image: NDArray[np.float64]
    """(N,), at least 1."""
    of_label_id: NDArray[np.float64]
    """(256,), at least 1; crops are centred on boxes with these weights."""

    @classmethod
    def none(cls, count: int) -> Repeats:
        """Return the factors with which each of `count` images is shown once."""
        return cls(np.ones(count), np.ones(256))


def repeat_factors(present: NDArray[np.bool_], threshold: float) -> Repeats:
    """Return the repeat factors of LVIS (Gupta et al., CVPR 2019).

    A label in a share f of the images has the factor max(1, sqrt(threshold / f)), an image the
    largest factor of its labels.

    Args:
        present: (N, 256), whether label id c is in image i.
        threshold: Share of the images below which a label is rare.
    """
    share = present.mean(axis=0)
    of_label = np.ones(present.shape[1])
    seen = share > 0
    of_label[seen] = np.maximum(1.0, np.sqrt(threshold / share[seen]))
    return Repeats(np.where(present, of_label, 1.0).max(axis=1), of_label)


def pass_length(of_image: NDArray[np.float64]) -> int:
    """Return the number of images in a pass, which is the same for every pass."""
    return math.ceil(float(of_image.sum()))


def pass_order(of_image: NDArray[np.float64], seed: int, number: int) -> NDArray[np.int64]:
    """Return the indices of the images in a pass, in random order.

    An image with the factor 2.3 is shown twice in most passes and three times in the others, by
    systematic sampling: the factors are laid end to end, and an image is shown for each integer,
    counted from a random start, within its interval. So every pass has the same length, and
    depends on its number alone.

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
