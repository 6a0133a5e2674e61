# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Methods that count: the position prior, and Otsu's threshold."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from hiseg_ros.classical.labels import LabelSet, Planes
from hiseg_ros.classical.options import OtsuOptions, PriorOptions
from hiseg_ros.classical.otsu import Otsu, bright_top
from hiseg_ros.classical.prior import Prior
from hiseg_ros.errors import ConfigError
from hiseg_ros.training.classical.samples import Rows, TrainingImages

PSEUDO = 1e-3
"""Images that are counted at every place beside the true ones, with the labels of all places: a
place without any label has these alone."""

SURE = 0.51
"""Least probability of the sky in the bright region: the threshold decides, not the counts."""


class PlaceCounts:
    """Counts labels by their place in the image."""

    def __init__(self, labels: int, options: PriorOptions) -> None:
        """Start at zero for a number of labels."""
        self._counts = np.zeros((labels, options.rows, options.columns))

    def add(self, rows: Rows) -> None:
        """Count the labels of one image."""
        height, width = self._counts.shape[1:]
        is_smaller = height * width < rows.size
        how = cv2.INTER_AREA if is_smaller else cv2.INTER_LINEAR
        for label in np.unique(rows[rows >= 0]):
            share = (rows == label).astype(np.float32)
            self._counts[label] += cv2.resize(share, (width, height), interpolation=how)

    def shares(self) -> Planes:
        """Return (K, rows, columns) shares of the labels at each place."""
        whole = self._counts.sum((1, 2))
        total = whole.sum()
        overall = whole / total if total else np.full(len(whole), 1 / len(whole))
        counts = self._counts + PSEUDO * overall[:, None, None]
        return (counts / counts.sum(0)).astype(np.float32)


def fit_prior(images: TrainingImages, options: PriorOptions, seed: int) -> Prior:
    """Return the position prior of training images; nothing is drawn."""
    counts = PlaceCounts(len(images.labels), options)
    for _, rows in images:
        counts.add(rows)
    return Prior(counts.shares())


def fit_otsu(images: TrainingImages, options: OtsuOptions, seed: int) -> Otsu:
    """Return the method of training images; nothing is drawn.

    Raises:
        ConfigError: The tree has no node for the sky, or the dataset no label.
    """
    sky = sky_label(images.labels, options.sky)
    counts = PlaceCounts(len(images.labels), options)
    bright = np.zeros(len(images.labels))
    for rgb, rows in images:
        is_bright = bright_top(rgb)
        counts.add(np.where(is_bright, -1, rows))
        inside = rows[is_bright & (rows >= 0)]
        bright += np.bincount(inside, minlength=len(bright))
    return Otsu(counts.shares(), _with_sky(bright, sky))


def sky_label(labels: LabelSet, name: str) -> int:
    """Return the position of the label that lies within a node of the tree.

    Raises:
        ConfigError: There is no such node, or no such label.
    """
    tree = labels.taxonomy
    if name in tree:
        below = set(tree.leaves_below(tree.node_id(name)))
        for position, label in enumerate(labels.labels):
            if set(label.leaves) <= below:
                return position
    raise ConfigError(
        f'Option sky is {name!r}; expected a node of taxonomy {tree.name!r} to which one of the '
        f'labels {[label.name for label in labels.labels]} belongs.'
    )


def _with_sky(counts: NDArray[np.float64], sky: int) -> NDArray[np.float32]:
    """Return (K,) shares of counts, with at least SURE for the sky."""
    others = counts.copy()
    others[sky] = 0
    if not others.sum():
        others = np.where(np.arange(len(counts)) == sky, 0.0, 1.0)
    share = max(SURE, counts[sky] / max(counts.sum(), 1.0))
    found = others / others.sum() * (1 - share)
    found[sky] = share
    return found.astype(np.float32)
