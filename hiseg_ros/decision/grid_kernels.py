# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Compiled loops of the sparse decision at the grid points, which are the corners of the cells."""

from __future__ import annotations

import numpy as np

from hiseg_ros.decision.compiled import (
    ABOVE,
    BELOW,
    TINY,
    ZERO,
    Bools,
    Bytes,
    Floats,
    Ints,
    compiled,
)
from hiseg_ros.decision.kernel_checks import check_walk_grid, checked


@compiled
def _walk_row(
    values: Floats,
    row: int,
    child_start: Ints,
    children: Ints,
    threshold: np.float32,
    nodes: Bytes,
    chosen: Floats,
    sure: Bools,
    best: Floats,
    low: Floats,
    index: Ints,
    stack: Ints,
) -> None:
    """Walk down the tree at the grid points of one row, in segments of points at one node."""
    width = values.shape[2]
    for j in range(width):
        nodes[row, j] = 0
        chosen[row, j] = values[0, row, j]
        sure[row, j] = True
    stack[0, 0], stack[0, 1] = 0, width
    depth = 1
    while depth:
        depth -= 1
        begin, end = stack[depth, 0], stack[depth, 1]
        node = nodes[row, begin]
        first, last = child_start[node], child_start[node + 1]
        for j in range(begin, end):
            best[j] = values[children[first], row, j]
            low[j] = -1
            index[j] = children[first]
        for k in range(first + 1, last):
            child = children[k]
            for j in range(begin, end):
                value = values[child, row, j]
                # The strongest rival with a lower id is the best value before this one.
                wins = value > best[j]
                low[j] = best[j] if wins else low[j]
                index[j] = child if wins else index[j]
                best[j] = value if wins else best[j]
        for j in range(begin, end):
            bound = threshold * chosen[row, j]
            if best[j] >= bound:
                # A product with a threshold of 0 or 1 is not rounded, so equality is exact.
                exact = threshold <= ZERO or threshold == np.float32(1)
                if not (
                    (exact or best[j] > bound * ABOVE)
                    and best[j] > TINY
                    and low[j] < best[j] * BELOW
                ):
                    sure[row, j] = False
                chosen[row, j] = best[j]
                nodes[row, j] = index[j]
            else:
                index[j] = -1
                if not (best[j] < bound * BELOW and bound > TINY):
                    sure[row, j] = False
        j = begin
        while j < end:
            stop = j + 1
            while stop < end and index[stop] == index[j]:
                stop += 1
            child = index[j]
            if child >= 0 and child_start[child] < child_start[child + 1]:
                stack[depth, 0], stack[depth, 1] = j, stop
                depth += 1
            j = stop


@checked(check_walk_grid)
@compiled
def walk_grid(
    values: Floats,
    child_start: Ints,
    children: Ints,
    threshold: np.float32,
    nodes: Bytes,
    chosen: Floats,
    sure: Bools,
    worker: int,
    workers: int,
) -> None:
    """Decide at the grid points of one worker's rows: every `workers`-th, from `worker` on.

    Args:
        values: (V, h, w).
        child_start: As in `DecisionTables`.
        children: As in `DecisionTables`.
        threshold: Least conditional probability of a child, in [0, 1].
        nodes: (h, w), receives node ids.
        chosen: (h, w), receives their probabilities.
        sure: (h, w), receives whether rounding cannot change the node.
        worker: Number of this worker, from 0.
        workers: Number of workers, which may run at the same time.
    """
    height, width = values.shape[1:]
    best = np.empty(width, np.float32)
    low = np.empty(width, np.float32)
    index = np.empty(width, np.int32)
    stack = np.empty((width + 1, 2), np.int32)
    # Rows are interleaved between workers: the sky takes less time than the street.
    for row in range(worker, height, workers):
        _walk_row(
            values,
            row,
            child_start,
            children,
            threshold,
            nodes,
            chosen,
            sure,
            best,
            low,
            index,
            stack,
        )
