# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Tables of the sparse decision: the tree as flat arrays, and where pixels lie on the grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.types import ImageSize

BYTE_NODES = 256
"""A node's number is stored in one byte up to so many, and else in two."""


def node_type(nodes: int) -> DTypeLike:
    """Return the type that stores a node's number: one byte for every taxonomy."""
    return np.uint8 if nodes <= BYTE_NODES else np.uint16


@dataclass(frozen=True)
class DecisionTables:
    """A tree as flat arrays."""

    child_start: NDArray[np.int32]
    """(V + 1,): node v's children are `children[child_start[v]:child_start[v + 1]]`."""

    children: NDArray[np.int32]
    """(V - 1,) node ids, ascending for each parent."""

    common: NDArray[Any]
    """(V, V) node id of the lowest node that both are below or equal to, of type
    `node_type(V)`; labels have that type too, uint8 for every taxonomy."""

    @staticmethod
    def of(taxonomy: Taxonomy) -> DecisionTables:
        """Return the tables of a tree; make them once."""
        return DecisionTables.of_parents([node.parent for node in taxonomy.nodes])

    @staticmethod
    def of_parents(parents: Sequence[int | None]) -> DecisionTables:
        """Return the tables of a tree, which may have more nodes than a taxonomy.

        Args:
            parents: The parent of each node in preorder; None for the root, the first.
        """
        lists: list[list[int]] = [[] for _ in parents]
        size = [1] * len(parents)
        for node in range(len(parents) - 1, 0, -1):
            parent = parents[node]
            assert parent is not None
            lists[parent].insert(0, node)
            size[parent] += size[node]
        start = np.cumsum([0, *map(len, lists)], dtype=np.int32)
        children = np.array([child for row in lists for child in row], np.int32)
        common = np.zeros((len(parents), len(parents)), node_type(len(parents)))
        # Preorder: what is below a node follows it, and the deepest node above both stays.
        for node, count in enumerate(size):
            common[node : node + count, node : node + count] = node
        return DecisionTables(start, children, common)

    def __len__(self) -> int:
        """Return the number of nodes V."""
        return len(self.common)

    def check(self, values: NDArray[np.float32], size: ImageSize) -> None:
        """Check that probabilities are those of the tree and can be decided at a size.

        Args:
            values: To be (V, h, w) float32 with no side of 0.
            size: To be (H, W) with no side of 0.

        Raises:
            ValueError: They are not.
        """
        is_of_tree = values.ndim == 3 and len(values) == len(self)
        if not is_of_tree or values.dtype != np.float32 or 0 in (*values.shape, *size):
            raise ValueError(
                f'Probabilities of shape {values.shape} and type {values.dtype} are to be decided '
                f'at {size[0]} x {size[1]} pixels; expected ({len(self)}, h, w) float32 and no '
                'side of 0: use the tables of the tree that the probabilities belong to.'
            )


Axis = tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32], NDArray[np.int32]]
"""What `axis` returns."""


@lru_cache(maxsize=32)
def axis(cells: int, pixels: int) -> Axis:
    """Return where the pixels of one image side lie on the grid, as torch places them in float32.

    Args:
        cells: Grid points n along this side.
        pixels: Image pixels N along this side.

    Returns:
        Four arrays in this order.

        - cell, (N,): grid index before each pixel; the other corner is the next index, or the same
          at the end.
        - near, (N,): weight of that index.
        - far, (N,): weight of the other corner.
        - start, (n + 1,): cell i holds the pixels from start[i] to start[i + 1], perhaps none.
    """
    scale = np.float32(cells) / np.float32(pixels)
    half, zero, one = np.float32(0.5), np.float32(0), np.float32(1)
    source = np.maximum(scale * (np.arange(pixels, dtype=np.float32) + half) - half, zero)
    cell = np.minimum(source.astype(np.int32), cells - 1)
    far = np.clip(source - cell.astype(np.float32), zero, one)
    start = np.searchsorted(cell, np.arange(cells + 1)).astype(np.int32)
    return cell, one - far, far, start
