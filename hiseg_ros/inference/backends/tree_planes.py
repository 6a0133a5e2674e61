# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""From the odds of every child to the probability of every node, in one pass on the CPU.

A runtime makes a dozen passes over the whole grid for that: it splits, sums, divides, multiplies,
joins, and moves channels from last to first. Here a few grid points at a time stay in the CPU's
cache from the first step to the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.decision.compiled import compiled
from hiseg_ros.decision.kernel_checks import check_fill_planes, checked
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.threads import run_in_parallel

ROOT = 0
"""Node id of the root."""

POINTS = 128
"""Neighbouring grid points that are computed together; their odds fit into the L1 cache."""


@dataclass(frozen=True)
class Pack:
    """Neighbouring classifiers whose children are the channels of one convolution."""

    parents: NDArray[np.int32]
    """(K,) node id of each classifier's node."""

    start: NDArray[np.int32]
    """(K + 1,): classifier k's children are the channels start[k] to start[k + 1] - 1."""

    children: NDArray[np.int32]
    """(C,) node id of each channel."""


class TreePlanes:
    """Computes the planes of all nodes, in memory that it keeps."""

    def __init__(self, packs: Sequence[Pack], nodes: int) -> None:
        """Compile the loop or load it from the cache, so that no image waits for it.

        Args:
            packs: All classifiers, each before those of its children.
            nodes: Number of nodes of the tree, the root included.
        """
        self._packs = packs
        self._planes = np.empty((nodes, 1, 1), np.float32)
        self([np.ones((1, 1, len(pack.children)), np.float32) for pack in packs])

    def __call__(self, odds: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return the probability of every node; valid until the next call.

        A child's probability is that of its parent times its share of the odds of all siblings.

        Args:
            odds: (h, w, C) of each pack, float32, C-contiguous, positive: exponentials of logits.

        Returns:
            (V, h, w) float32.
        """
        shape = (len(self._planes), *odds[0].shape[:2])
        if self._planes.shape != shape:
            self._planes = np.empty(shape, np.float32)
        planes, height = self._planes, shape[1]

        def band(worker: int, workers: int) -> None:
            first, last = height * worker // workers, height * (worker + 1) // workers
            planes[ROOT, first:last] = 1
            for values, pack in zip(odds, self._packs, strict=True):
                _fill(values, first, last, pack.parents, pack.start, pack.children, planes)

        run_in_parallel(band)
        return planes


def tree_of(taxonomy: Taxonomy, widths: Sequence[int]) -> TreePlanes | None:
    """Return the loop for convolutions that contain all classifiers of a tree in order.

    Args:
        taxonomy: Tree of the classifiers.
        widths: Number of channels of each convolution.

    Returns:
        The loop, or None where the widths do not fit the classifiers of this tree.
    """
    packs = []
    waiting = list(taxonomy.classifiers)
    for width in widths:
        parents: list[int] = []
        start = [0]
        while waiting and start[-1] < width:
            parents.append(waiting.pop(0))
            start.append(start[-1] + len(taxonomy.children(parents[-1])))
        if start[-1] != width:
            return None
        children = [child for parent in parents for child in taxonomy.children(parent)]
        packs.append(Pack(*(np.array(row, np.int32) for row in (parents, start, children))))
    return None if waiting or not packs else TreePlanes(packs, len(taxonomy))


@checked(check_fill_planes)
@compiled
def _fill(
    odds: NDArray[np.float32],
    first_row: int,
    last_row: int,
    parents: NDArray[np.int32],
    start: NDArray[np.int32],
    children: NDArray[np.int32],
    planes: NDArray[np.float32],
) -> None:
    """Fill the planes of a pack's children in some rows."""
    width, channels = odds.shape[1:]
    share = np.empty(POINTS, np.float32)
    turned = np.empty((channels, POINTS), np.float32)
    for y in range(first_row, last_row):
        for left in range(0, width, POINTS):
            count = min(POINTS, width - left)
            for x in range(count):
                for channel in range(channels):
                    turned[channel, x] = odds[y, left + x, channel]
            for k in range(parents.size):
                for x in range(count):
                    share[x] = 0
                for channel in range(start[k], start[k + 1]):
                    for x in range(count):
                        share[x] += turned[channel, x]
                for x in range(count):
                    share[x] = planes[parents[k], y, left + x] / share[x]
                for channel in range(start[k], start[k + 1]):
                    child = children[channel]
                    for x in range(count):
                        planes[child, y, left + x] = turned[channel, x] * share[x]
