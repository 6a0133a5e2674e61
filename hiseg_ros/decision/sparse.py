# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The decision on the CPU: walk down the tree only at pixels between grid points that disagree.

The labels are bit for bit those of a walk in float32 at every pixel; `cell_kernels` says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.decision.cell_kernels import fill
from hiseg_ros.decision.compiled import ZERO, Bytes, Floats
from hiseg_ros.decision.grid_kernels import walk_grid
from hiseg_ros.errors import ConfigError
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.threads import run_in_parallel
from hiseg_ros.types import ImageSize


@dataclass(frozen=True)
class DecisionTables:
    """A tree as flat arrays; create them once."""

    child_start: NDArray[np.int32]
    """(V + 1,): node v's children are `children[child_start[v]:child_start[v + 1]]`."""

    children: NDArray[np.int32]
    """(V - 1,) node ids, ascending for each parent."""

    common: NDArray[np.uint8]
    """(V, V) node id of the lowest common ancestor of two nodes, which may be one of them."""

    @staticmethod
    def of(taxonomy: Taxonomy) -> DecisionTables:
        """Return the tables of a tree."""
        lists = [taxonomy.children(node.node_id) for node in taxonomy.nodes]
        start = np.cumsum([0, *map(len, lists)], dtype=np.int32)
        children = np.array([child for row in lists for child in row], np.int32)
        common = np.zeros((len(taxonomy), len(taxonomy)), np.uint8)
        # Preorder: the deepest common ancestor comes last and stays.
        for node in taxonomy.nodes:
            below = np.array(taxonomy.nodes_below(node.node_id))
            common[np.ix_(below, below)] = node.node_id
        return DecisionTables(start, children, common)

    def __len__(self) -> int:
        """Return the number of nodes V."""
        return len(self.common)


@dataclass(frozen=True)
class _Axis:
    """Positions of the pixels of one image side on the grid, aligned as by torch in float32."""

    cell: NDArray[np.int32]
    """(N,) grid index before each pixel; the other corner is the next index or, last, the same."""

    near: NDArray[np.float32]
    """(N,) weight of that index."""

    far: NDArray[np.float32]
    """(N,) weight of the other corner."""

    start: NDArray[np.int32]
    """(n + 1,): cell i holds the pixels start[i] to start[i + 1] - 1, possibly none."""


@lru_cache(maxsize=32)
def _axis(cells: int, pixels: int) -> _Axis:
    scale = np.float32(cells) / np.float32(pixels)
    half = np.float32(0.5)
    source = np.maximum(scale * (np.arange(pixels, dtype=np.float32) + half) - half, ZERO)
    cell = np.minimum(source.astype(np.int32), cells - 1)
    far = np.clip(source - cell.astype(np.float32), ZERO, np.float32(1))
    start = np.searchsorted(cell, np.arange(cells + 1)).astype(np.int32)
    return _Axis(cell, np.float32(1) - far, far, start)


def decide_sparse(
    node_probabilities: Floats,
    tables: DecisionTables,
    size: ImageSize,
    threshold: float = 0.0,
    *,
    labels: bool = True,
    confidence: bool = True,
) -> tuple[Bytes, Bytes]:
    """Decide a node for every pixel, by the rule of `decision.dense.decide`.

    Args:
        node_probabilities: (V, h, w) float32, not negative, parents as sums of their children.
        tables: Tables of the tree.
        size: (H, W) of the camera image.
        threshold: Least conditional probability of a child, in [0, 1].
        labels: Whether the label image is wanted.
        confidence: Whether the confidence image is wanted.

    Returns:
        Node ids (H, W) uint8, and 255 times the probability of the chosen node, rounded to even,
        (H, W) uint8; an image that is not wanted is (0, 0).

    Raises:
        ConfigError: The threshold is out of range.
        ValueError: Shape or dtype of the probabilities does not fit the tree, or a side is 0.
    """
    images, _ = _decide(node_probabilities, tables, size, threshold, labels, confidence)
    return images


def _decide(
    values: Floats,
    tables: DecisionTables,
    size: ImageSize,
    threshold: float,
    want_labels: bool,
    want_confidence: bool,
) -> tuple[tuple[Bytes, Bytes], float]:
    """Return the two images, and the share of cells whose pixels were decided one by one."""
    if not 0.0 <= threshold <= 1.0:
        raise ConfigError(
            f'The decision threshold is {threshold}; expected a number from 0 (always a leaf) '
            'to 1.'
        )
    if (
        values.ndim != 3
        or len(values) != len(tables)
        or values.dtype != np.float32
        or 0 in (*values.shape, *size)
    ):
        raise ValueError(
            f'Probabilities have shape {values.shape} and type {values.dtype} for an image of '
            f'{size[0]} x {size[1]} pixels; expected ({len(tables)}, h, w) float32 and no side '
            'of 0: use the tables of the tree that the probabilities belong to.'
        )
    # The kernels are compiled for this layout; another one would compile them again for seconds.
    values = np.require(values, requirements=('C', 'W'))
    label_image = np.empty(size if want_labels else (0, 0), np.uint8)
    confidence_image = np.empty(size if want_confidence else (0, 0), np.uint8)
    rows, columns = _axis(values.shape[1], size[0]), _axis(values.shape[2], size[1])
    tree = tables.child_start, tables.children
    least = np.float32(threshold)
    grid = values.shape[1:]
    nodes = np.empty(grid, np.uint8)
    chosen = np.empty(grid, np.float32)
    sure = np.empty(grid, np.bool_)
    run_in_parallel(
        lambda worker, workers: walk_grid(
            values, *tree, least, nodes, chosen, sure, worker, workers
        )
    )
    walked = run_in_parallel(
        lambda worker, workers: fill(
            values,
            *tree,
            tables.common,
            least,
            nodes,
            chosen,
            sure,
            rows.cell,
            rows.near,
            rows.far,
            rows.start,
            columns.cell,
            columns.near,
            columns.far,
            columns.start,
            want_labels,
            want_confidence,
            label_image,
            confidence_image,
            worker,
            workers,
        )
    )
    return (label_image, confidence_image), sum(walked) / nodes.size


def warm_up(tables: DecisionTables) -> None:
    """Compile the kernels or load them from the cache, so that no image waits for it.

    Numba compiles a kernel at its first call and keeps the machine code on disk.
    """
    decide_sparse(np.ones((len(tables), 2, 2), np.float32), tables, (3, 3))
