# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""From the odds of every child to the probability of every node, in one pass on the CPU.

A runtime takes a dozen passes over planes of the whole grid for that: splitting, adding up,
dividing, multiplying, joining, and putting channels behind each other into planes of their own.
Here the numbers of some grid points stay in the cache from the first step to the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.decision.sparse_kernels import compiled
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.threads import side_by_side

ROOT = 0
"""Node id of the root."""

POINTS = 128
"""Neighbouring grid points that are worked on together, channels first; their odds fit into a
core's first cache."""


@dataclass(frozen=True)
class Pack:
    """Neighbouring classifiers whose children come out of one convolution."""

    parents: NDArray[np.int32]
    """(K,) node id of each classifier's node."""

    start: NDArray[np.int32]
    """(K + 1,): classifier k's children are the channels from start[k] to start[k + 1]."""

    children: NDArray[np.int32]
    """(C,) node id of each channel."""


def packs_of(taxonomy: Taxonomy, widths: Sequence[int]) -> tuple[Pack, ...] | None:
    """Return what the channels of convolutions mean that hold all classifiers in their order.

    Args:
        taxonomy: Tree of the classifiers.
        widths: Channels of each convolution.

    Returns:
        None where the widths are not those of whole classifiers of this tree.
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
    return None if waiting or not packs else tuple(packs)


def node_planes(
    odds: Sequence[NDArray[np.float32]], packs: Sequence[Pack], planes: NDArray[np.float32]
) -> None:
    """Fill in the probability of every node.

    A child has its parent's probability, times its own odds over those of all siblings.

    Args:
        odds: (h, w, C) of each pack, float32, C-contiguous, positive: exponentials of logits.
        packs: What the channels mean; a parent comes before its children.
        planes: (V, h, w) float32, C-contiguous, to be written.
    """
    height = planes.shape[1]

    def band(worker: int, workers: int) -> None:
        first, last = height * worker // workers, height * (worker + 1) // workers
        planes[ROOT, first:last] = 1
        for values, pack in zip(odds, packs, strict=True):
            _fill(values, first, last, pack.parents, pack.start, pack.children, planes)

    side_by_side(band)


def warm_up() -> None:
    """Compile the loop, or load it from the cache, so that no image waits for it."""
    pack = Pack(np.zeros(1, np.int32), np.array([0, 1], np.int32), np.ones(1, np.int32))
    node_planes([np.ones((1, 1, 1), np.float32)], [pack], np.empty((2, 1, 1), np.float32))


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
    """Fill in the children of a pack's classifiers in some rows."""
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
