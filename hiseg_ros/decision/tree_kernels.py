# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Compiled loops that evaluate the classifiers of a tree only where their node can be decided.

The labels in a cell depend on its four corners alone. In a cell that reaches a node, a child can
win at some pixel only if no sibling beats it at all four corners; `cell_kernels.candidates_of` is
that rule, and the decision in the cells follows it too. So the classifier of a node is needed at
the corners of the cells that reach the node, and nowhere else. There the decision reads what an
evaluation at all points would have given, bit for bit; `lane_kernels` says why.

A threshold stops some pixels earlier, so it needs no more than this.
"""

from __future__ import annotations

import numpy as np

from hiseg_ros.decision.cell_kernels import candidates_of
from hiseg_ros.decision.compiled import ZERO, Bools, Floats, Ints, compiled
from hiseg_ros.decision.kernel_checks import check_walk_tree, checked
from hiseg_ros.decision.lane_kernels import (
    COLUMNS,
    LANES,
    ONE,
    ROWS,
    STEP,
    UNSURE,
    find_winners,
    layer,
    shares,
    turn,
)

SHIFT = 16
MASK = 2**SHIFT - 1
"""A cell is one number: its row above these bits, and its column in them."""


@compiled
def _mark(
    reached: Ints,
    count: int,
    first_row: int,
    height: int,
    width: int,
    columns: int,
    is_needed: Bools,
) -> None:
    """Mark the tiles of the corners of some cells, row by row; `first_row` is that of tile 0."""
    is_needed[:] = False
    last = height - 1 - first_row
    for n in range(count):
        i, j = reached[n] >> SHIFT, reached[n] & MASK
        above, below = i // ROWS * columns, min(i + 1, last) // ROWS * columns
        left, right = j // COLUMNS, min(j + 1, width - 1) // COLUMNS
        is_needed[above + left] = True
        is_needed[above + right] = True
        is_needed[below + left] = True
        is_needed[below + right] = True


@compiled
def _store(
    odds: Floats,
    children: Ints,
    first: int,
    count: int,
    found: Ints,
    y0: int,
    x0: int,
    first_row: int,
    planes: Floats,
    winners: Ints,
) -> None:
    """Copy a tile's probabilities and winners to the grid."""
    height, width = planes.shape[1:]
    rows, columns = min(ROWS, height - y0), min(COLUMNS, width - x0)
    for k in range(count):
        plane = planes[children[first + k]]
        for r in range(rows):
            for q in range(columns):
                plane[y0 + r, x0 + q] = odds[k, r * COLUMNS + q]
    for r in range(rows):
        for q in range(columns):
            winners[y0 - first_row + r, x0 + q] = found[r * COLUMNS + q]


@compiled
def _pass_on(
    number: int,
    child_start: Ints,
    children: Ints,
    node: int,
    number_of_node: Ints,
    is_completed: bool,
    planes: Floats,
    winners: Ints,
    first_row: int,
    rivals: Floats,
    candidates: Ints,
    reached: Ints,
    counts: Ints,
) -> None:
    """Add each cell that reaches a node to those of the inner children that it can reach."""
    height, width = planes.shape[1:]
    first, count = child_start[node], child_start[node + 1] - child_start[node]
    last = height - 1 - first_row
    corners = np.empty(4, np.int32)
    for k in range(count):
        candidates[k] = k
    for n in range(counts[number]):
        cell = reached[number, n]
        i, j = cell >> SHIFT, cell & MASK
        below, right = min(i + 1, last), min(j + 1, width - 1)
        kept = count
        if not is_completed:
            winner = winners[i, j]
            if winner != UNSURE and (
                winner == winners[i, right] == winners[below, j] == winners[below, right]
            ):
                candidates[0], kept = winner, 1
            else:
                corners[0], corners[1] = first_row + i, first_row + below
                corners[2], corners[3] = j, right
                kept = candidates_of(planes, corners, children, first, count, rivals, candidates)
        for k in range(kept):
            child = number_of_node[children[first + candidates[k]]]
            if child >= 0:
                reached[child, counts[child]] = cell
                counts[child] += 1


@checked(check_walk_tree)
@compiled
def walk_tree(
    features: Floats,
    child_start: Ints,
    children: Ints,
    weights: Floats,
    offsets: Ints,
    widths: Ints,
    is_score: bool,
    is_everywhere: Bools,
    is_completed: Bools,
    planes: Floats,
    turned: Floats,
    first_row: int,
    last_row: int,
) -> int:
    """Evaluate classifiers for the cells in some rows; return the number of tiles evaluated.

    Args:
        features: (h, w, C); C is a multiple of STEP.
        child_start: As in `DecisionTables`; nodes are in preorder.
        children: As in `DecisionTables`.
        weights: Of all layers; see `lane_kernels.layer`.
        offsets: (I, 2) index of the first weight of a classifier's two layers.
        widths: (I,) outputs of its first layer, which end in a ReLU; multiples of STEP.
        is_score: Whether a child's odds are the sigmoid of its logit, and not the exponential.
        is_everywhere: (I,) whether a classifier is evaluated at all points; only if its parent is.
        is_completed: (I,) whether all children of a reached node are reached.
        planes: (V, h, w), receives probabilities where they are needed; others stay.
        turned: Room for (tiles that hold these rows and the next, C, LANES).
        first_row: First row of cells, a multiple of ROWS.
        last_row: The row after the last.
    """
    height, width, channels = features.shape
    classifiers, most = len(widths), 1
    nodes = np.empty(classifiers, np.int32)
    number_of_node = np.full(len(planes), -1, np.int32)
    counts = np.zeros(classifiers, np.int32)
    for node in range(len(planes)):
        count = child_start[node + 1] - child_start[node]
        most = max(most, count)
        if count > 0:
            # `counts` is free until the walk begins.
            nodes[counts[0]], number_of_node[node] = node, counts[0]
            counts[0] += 1
    hidden = np.empty((np.max(widths), LANES), np.float32)
    odds = np.empty((most + STEP, LANES), np.float32)
    bits = np.empty(LANES, np.int32)
    powers = bits.view(np.float32)
    whole = np.empty(LANES, np.float32)
    low = np.empty(LANES, np.float32)
    index = np.empty(LANES, np.int32)
    found = np.empty(LANES, np.int32)
    rivals = np.empty((most, 4), np.float32)
    candidates = np.empty(most, np.int32)
    # The last row of cells has its lower corners in the next row of points.
    rows = min(last_row, height - 1) // ROWS - first_row // ROWS + 1
    columns = (width + COLUMNS - 1) // COLUMNS
    winners = np.empty((rows * ROWS, width), np.int32)
    is_needed = np.ones(rows * columns, np.bool_)
    evaluated = 0
    counts[0] = (last_row - first_row) * width
    reached = np.empty((classifiers, counts[0]), np.int32)
    for i in range(last_row - first_row):
        for j in range(width):
            reached[0, i * width + j] = i << SHIFT | j
    for y in range(first_row, min(first_row + rows * ROWS, height)):
        for x in range(width):
            planes[0, y, x] = 1
    for number in range(classifiers):
        node = nodes[number]
        if is_everywhere[number]:
            is_needed[:] = True
        elif counts[number] == 0:
            continue
        elif number:
            _mark(reached[number], counts[number], first_row, height, width, columns, is_needed)
        first, count = child_start[node], child_start[node + 1] - child_start[node]
        for t in range(len(is_needed)):
            if not is_needed[t]:
                continue
            evaluated += 1
            y0, x0 = first_row + t // columns * ROWS, t % columns * COLUMNS
            if number == 0:
                turn(features, y0, x0, turned[t])
            layer(turned[t], weights, offsets[number, 0], channels, widths[number], hidden)
            for o in range(widths[number]):
                for p in range(LANES):
                    hidden[o, p] = max(hidden[o, p], ZERO)
            padded = (count + STEP - 1) // STEP * STEP
            layer(hidden, weights, offsets[number, 1], widths[number], padded, odds)
            for p in range(LANES):
                y, x = y0 + p // COLUMNS, x0 + p % COLUMNS
                whole[p] = planes[node, y, x] if y < height and x < width else ONE
            shares(odds, count, is_score, whole, bits, powers)
            find_winners(odds, count, whole, low, index, found)
            _store(odds, children, first, count, found, y0, x0, first_row, planes, winners)
        _pass_on(
            number,
            child_start,
            children,
            node,
            number_of_node,
            is_completed[number],
            planes,
            winners,
            first_row,
            rivals,
            candidates,
            reached,
            counts,
        )
    return evaluated
