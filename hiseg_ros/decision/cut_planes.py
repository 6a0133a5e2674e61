# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Probabilities of a cut tree: where what lies below a cut can matter, and in which tiles it is.

A network with a cut tree has one softmax over the leaves of the tree above its cuts (the
*frontier*) and, computed by a path of its own, the shares of the leaves below each cut. Labels in
a cell of the grid are decided between values that are interpolated from its four corners. Child
*a* of a node wins nowhere in a cell if a sibling is larger at all four corners. So shares below a
cut are read at the corners of those cells alone in which no node on the way to the cut is beaten
like that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.taxonomy import Taxonomy

MARGIN = np.float32(1.001)
"""A sibling beats a node if it is larger by this factor, which is more than rounding can move."""


@dataclass(frozen=True)
class Reach:
    """Grid points at a tile's sides whose values depend on pixels outside the tile."""

    before: int
    """At its upper and at its left side."""
    after: int
    """At its lower and at its right side."""


@dataclass(frozen=True)
class Tile:
    """A square of the grid, and the part of it whose values are those of the whole image."""

    top: int
    left: int
    rows: slice
    """Rows of the grid that are valid."""
    columns: slice


class CutPlanes:
    """Computes the probabilities of all nodes, in memory that it keeps."""

    def __init__(self, taxonomy: Taxonomy, cuts: Sequence[int]) -> None:
        """Create the tables.

        Args:
            taxonomy: The tree.
            cuts: Node ids of the cuts, none below another.
        """
        inside = {leaf: cut for cut in cuts for leaf in taxonomy.leaves_below(cut)}
        self.cuts = tuple(sorted(cuts))
        self.frontier = tuple(dict.fromkeys(inside.get(leaf, leaf) for leaf in taxonomy.leaves))
        """Node id of each plane of the first softmax, in preorder."""
        self.leaves = [taxonomy.leaves_below(cut) for cut in self.cuts]
        """Node id of each share below each cut."""
        self.taxonomy = taxonomy
        below = {node for cut in self.cuts for node in taxonomy.nodes_below(cut) if node != cut}
        self.below = sorted(below)
        """Nodes below the cuts."""
        self.highest_below = min(map(taxonomy.level, self.below))
        """Level of the first nodes below the cuts."""
        self._above = [
            (node, list(taxonomy.children(node)))
            for node in reversed(range(len(taxonomy)))
            if node not in below and node not in self.frontier
        ]
        self._sums = [
            [
                (node, list(taxonomy.children(node)))
                for node in sorted(taxonomy.nodes_below(cut), reverse=True)
                if node != cut and not taxonomy.is_leaf(node)
            ]
            for cut in self.cuts
        ]
        self._planes = np.zeros((len(taxonomy), 0, 0), np.float32)

    def above(self, frontier: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the (V, h, w) planes of all nodes, 0 below the cuts; valid until the next call.

        Args:
            frontier: (F, h, w) probabilities of `self.frontier`.
        """
        if self._planes.shape[1:] != frontier.shape[1:]:
            self._planes = np.empty((len(self._planes), *frontier.shape[1:]), np.float32)
        planes = self._planes
        planes[list(self.frontier)] = frontier
        for node, children in self._above:
            planes[children].sum(0, out=planes[node])
        np.minimum(planes[0], 1, out=planes[0])
        planes[self.below] = 0
        return planes

    def needed(self, planes: NDArray[np.float32], top: int | None = None) -> NDArray[np.bool_]:
        """Return the grid points (h, w) at which shares below the cuts are read.

        Args:
            planes: (V, h, w), those above the cuts filled.
            top: A node at whose pixels all that is below it is read; None for where labels are.
        """
        needed = np.zeros(planes.shape[1:], np.bool_)
        for cut in self.cuts:
            path = self.taxonomy.path(cut)
            if top is not None and top in path:
                path = path[: path.index(top) + 1]
            cells = np.ones(planes.shape[1:], np.bool_)
            for parent, node in zip(path, path[1:], strict=False):
                least = planes[node] * MARGIN
                for sibling in self.taxonomy.children(parent):
                    if sibling != node:
                        cells &= ~_at_all_corners(planes[sibling] > least)
            needed |= _corners(cells)
        return needed

    def fill(
        self,
        shares: Sequence[NDArray[np.float32]],
        tile: Tile,
    ) -> None:
        """Fill the planes below the cuts in a tile.

        Args:
            shares: For each cut the (K, t, t) shares of its leaves in the whole tile.
            tile: Its place.
        """
        rows, columns = tile.rows, tile.columns
        own = (
            slice(rows.start - tile.top, rows.stop - tile.top),
            slice(columns.start - tile.left, columns.stop - tile.left),
        )
        window = self._planes[:, rows, columns]
        for cut, leaves, sums, values in zip(
            self.cuts, self.leaves, self._sums, shares, strict=True
        ):
            window[list(leaves)] = values[:, own[0], own[1]] * window[cut]
            for node, children in sums:
                window[node] = window[children].sum(0)


def whole(height: int, width: int) -> Tile:
    """Return the tile that is all of a grid."""
    return Tile(0, 0, slice(0, height), slice(0, width))


def tiles_over(needed: NDArray[np.bool_], side: int, reach: Reach) -> Iterator[Tile]:
    """Yield tiles that cover some points of a grid with their valid parts, from above.

    A tile at the border of the grid is valid up to it.

    Args:
        needed: (h, w) the points.
        side: Points along a tile's side, more than its reach, and not more than h or w.
        reach: What is not valid.

    Yields:
        Tiles; a valid part may overlap another one.
    """
    height, width = needed.shape
    left_over = needed.copy()
    inner = side - reach.before - reach.after
    while True:
        rows = left_over.any(1)
        if not rows.any():
            return
        first = int(rows.argmax())
        # Of the points in reach, the first column: a segment is as often wider below.
        column = int(left_over[first].argmax())
        near = left_over[first : first + inner, max(0, column - inner + 1) : column + 1].any(0)
        column -= len(near) - 1 - int(near.argmax())
        top, valid_rows = _placed(first, side, height, reach)
        left, valid_columns = _placed(column, side, width, reach)
        left_over[valid_rows, valid_columns] = False
        yield Tile(top, left, valid_rows, valid_columns)


def _placed(first: int, side: int, length: int, reach: Reach) -> tuple[int, slice]:
    """Return where a tile begins along one side for its valid part to begin at a point."""
    start = min(max(0, first - reach.before), length - side)
    end = start + side
    return start, slice(
        0 if start == 0 else start + reach.before, length if end == length else end - reach.after
    )


def _at_all_corners(points: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the cells with all four corners; the last ones have the border's points twice."""
    pairs = points.copy()
    pairs[:-1] &= points[1:]
    cells = pairs.copy()
    cells[:, :-1] &= pairs[:, 1:]
    return cells


def _corners(cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the corners of cells."""
    pairs = cells.copy()
    pairs[1:] |= cells[:-1]
    points = pairs.copy()
    points[:, 1:] |= pairs[:, :-1]
    return points
