# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Compiled loops of the sparse decision in the cells: one node for all pixels, or one for each.

Interpolation adds up the four corners of a cell with weights that are not negative. If all four
decide the same node, each rival of that node is smaller at every corner, so it is smaller at
every pixel between them, and the same holds for the threshold: the whole cell decides that node.
Rounding keeps the order too (products and sums of floats are monotone), but it may turn "smaller"
into "equal" and it rounds the product with the threshold. So where equality would decide
otherwise, a corner is sure only by a margin of MARGIN, which is more than rounding can move.

The arithmetic is that of float32, first along x, then along y, one rounding at each step.
"""

from __future__ import annotations

import numpy as np

from hiseg_ros.decision.compiled import (
    BELOW,
    TINY,
    ZERO,
    Bools,
    Bytes,
    Floats,
    Ints,
    compiled,
)
from hiseg_ros.decision.kernel_checks import check_fill, checked

LARGEST = np.float32(255)


@compiled
def candidates_of(
    values: Floats,
    corners: Ints,
    children: Ints,
    first: int,
    count: int,
    rivals: Floats,
    candidates: Ints,
) -> int:
    """Find the children that can win at some pixel of a cell; return their number, at least 1.

    Args:
        values: (V, h, w).
        corners: (4,) rows and columns: upper, lower, left, right.
        children: As in `DecisionTables`.
        first: Index in `children` of the first child of a node.
        count: Number of its children.
        rivals: Receives their values at the four corners; room for at least (count, 4).
        candidates: Receives their numbers from 0, ascending; room for at least (count).
    """
    top, bottom, left, right = corners[0], corners[1], corners[2], corners[3]
    # The most probable child at each corner; children that it beats at all four cannot win.
    win0 = win1 = win2 = win3 = 0
    for k in range(count):
        plane = values[children[first + k]]
        rivals[k, 0] = plane[top, left]
        rivals[k, 1] = plane[top, right]
        rivals[k, 2] = plane[bottom, left]
        rivals[k, 3] = plane[bottom, right]
        win0 = k if rivals[k, 0] > rivals[win0, 0] else win0
        win1 = k if rivals[k, 1] > rivals[win1, 1] else win1
        win2 = k if rivals[k, 2] > rivals[win2, 2] else win2
        win3 = k if rivals[k, 3] > rivals[win3, 3] else win3
    kept = 0
    for k in range(count):
        if not (
            _beaten(rivals, k, win0)
            or _beaten(rivals, k, win1)
            or _beaten(rivals, k, win2)
            or _beaten(rivals, k, win3)
        ):
            candidates[kept] = k
            kept += 1
    return kept


@compiled
def _walk_cell(
    values: Floats,
    corners: Ints,
    node: int,
    child_start: Ints,
    children: Ints,
    threshold: np.float32,
    near_y: Floats,
    far_y: Floats,
    near_x: Floats,
    far_x: Floats,
    labels: Ints,
    chosen: Floats,
    best: Floats,
    index: Ints,
    upper: Floats,
    lower: Floats,
    rivals: Floats,
    candidates: Ints,
    stack: Ints,
) -> None:
    """Walk down from a node at every pixel of one cell, among the children that can win there.

    Args:
        values: (V, h, w).
        corners: (4,) rows and columns: upper, lower, left, right.
        node: An inner node that every pixel reaches.
        child_start: As in `DecisionTables`.
        children: As in `DecisionTables`.
        threshold: Least conditional probability of a child, in [0, 1].
        near_y: (a,) weight of the upper corners; its length is the cell's height in pixels.
        far_y: (a,) weight of the lower corners.
        near_x: (b,) weight of the left corners.
        far_x: (b,) weight of the right corners.
        labels: Room for at least (a * b); receives the nodes, row by row.
        chosen: The same for their probabilities.
        best: Room for at least (a * b).
        index: Room for at least (a * b).
        upper: Room for at least (b).
        lower: Room for at least (b).
        rivals: Room for (V, 4).
        candidates: Room for (V).
        stack: Room for (V).
    """
    top, bottom, left, right = corners[0], corners[1], corners[2], corners[3]
    height, width = len(near_y), len(near_x)
    size = height * width
    for i in range(size):
        labels[i] = node
    if threshold > ZERO:
        plane = values[node]
        for x in range(width):
            upper[x] = near_x[x] * plane[top, left] + far_x[x] * plane[top, right]
            lower[x] = near_x[x] * plane[bottom, left] + far_x[x] * plane[bottom, right]
        for y in range(height):
            for x in range(width):
                chosen[y * width + x] = near_y[y] * upper[x] + far_y[y] * lower[x]
    stack[0] = node
    depth = 1
    while depth:
        depth -= 1
        node = stack[depth]
        first, last = child_start[node], child_start[node + 1]
        count = last - first
        kept = candidates_of(values, corners, children, first, count, rivals, candidates)
        child = children[first + candidates[0]]
        if kept == 1 and threshold <= ZERO and child_start[child] < child_start[child + 1]:
            # Nothing to compare, and the probability of an inner node is not needed.
            for i in range(size):
                labels[i] = child if labels[i] == node else labels[i]
            stack[depth] = child
            depth += 1
            continue
        for n in range(kept):
            k = candidates[n]
            child = children[first + k]
            a, b, c, d = rivals[k, 0], rivals[k, 1], rivals[k, 2], rivals[k, 3]
            for x in range(width):
                upper[x] = near_x[x] * a + far_x[x] * b
                lower[x] = near_x[x] * c + far_x[x] * d
            for y in range(height):
                for x in range(width):
                    value = near_y[y] * upper[x] + far_y[y] * lower[x]
                    i = y * width + x
                    wins = n == 0 or value > best[i]
                    index[i] = child if wins else index[i]
                    best[i] = value if wins else best[i]
        # A child goes on the stack once, at its first pixel.
        base = depth
        for i in range(size):
            if labels[i] == node and (threshold <= ZERO or best[i] >= threshold * chosen[i]):
                child = index[i]
                labels[i] = child
                chosen[i] = best[i]
                if child_start[child] < child_start[child + 1]:
                    known = False
                    for k in range(base, depth):
                        known = known or stack[k] == child
                    if not known:
                        stack[depth] = child
                        depth += 1


@compiled
def _beaten(rivals: Floats, k: int, other: int) -> bool:
    """Return whether a child is less probable than another at every corner, so at every pixel."""
    if k == other:
        return False
    for corner in range(4):
        mine, its = rivals[k, corner], rivals[other, corner]
        if other < k:
            if not mine <= its:
                return False
        elif not (its > TINY and mine < its * BELOW):
            return False
    return True


@checked(check_fill)
@compiled
def fill(
    values: Floats,
    child_start: Ints,
    children: Ints,
    common: Bytes,
    threshold: np.float32,
    nodes: Bytes,
    chosen: Floats,
    sure: Bools,
    cell_y: Ints,
    near_y: Floats,
    far_y: Floats,
    start_y: Ints,
    cell_x: Ints,
    near_x: Floats,
    far_x: Floats,
    start_x: Ints,
    want_labels: bool,
    want_confidence: bool,
    labels: Bytes,
    confidence: Bytes,
    worker: int,
    workers: int,
) -> int:
    """Fill the images in one worker's rows; return the number of cells decided pixel by pixel."""
    node_count, height, width = values.shape
    largest_y = np.max(start_y[1:] - start_y[:-1])
    largest_x = np.max(start_x[1:] - start_x[:-1])
    pixels = len(cell_x)
    walked = 0
    size = largest_y * largest_x
    cell_labels = np.empty(size, np.int32)
    cell_chosen = np.empty(size, np.float32)
    best = np.empty(size, np.float32)
    index = np.empty(size, np.int32)
    upper = np.empty(pixels, np.float32)
    lower = np.empty(pixels, np.float32)
    rivals = np.empty((node_count, 4), np.float32)
    candidates = np.empty(node_count, np.int32)
    stack = np.empty(node_count, np.int32)
    corners = np.empty(4, np.int32)
    for i in range(worker, height, workers):
        begin, end = start_y[i], start_y[i + 1]
        if begin == end:
            continue
        below = min(i + 1, height - 1)
        if want_labels:
            for x in range(pixels):
                labels[begin, x] = nodes[i, cell_x[x]]
            for y in range(begin + 1, end):
                for x in range(pixels):
                    labels[y, x] = labels[begin, x]
        if want_confidence:
            for x in range(pixels):
                j = cell_x[x]
                k = min(j + 1, width - 1)
                upper[x] = near_x[x] * chosen[i, j] + far_x[x] * chosen[i, k]
                lower[x] = near_x[x] * chosen[below, j] + far_x[x] * chosen[below, k]
            for y in range(begin, end):
                for x in range(pixels):
                    confidence[y, x] = _byte(near_y[y] * upper[x] + far_y[y] * lower[x])
        for j in range(width):
            if start_x[j] == start_x[j + 1]:
                continue
            right = min(j + 1, width - 1)
            here = nodes[i, j]
            safe = sure[i, j] and sure[i, right] and sure[below, j] and sure[below, right]
            other = common[
                common[here, nodes[i, right]], common[nodes[below, j], nodes[below, right]]
            ]
            if safe and (here == nodes[i, right] == nodes[below, j] == nodes[below, right]):
                continue
            walked += 1
            corners[0], corners[1], corners[2], corners[3] = i, below, j, right
            x0, x1 = start_x[j], start_x[j + 1]
            _walk_cell(
                values,
                corners,
                other if safe else 0,
                child_start,
                children,
                threshold,
                near_y[begin:end],
                far_y[begin:end],
                near_x[x0:x1],
                far_x[x0:x1],
                cell_labels,
                cell_chosen,
                best,
                index,
                upper,
                lower,
                rivals,
                candidates,
                stack,
            )
            wide = x1 - x0
            for y in range(begin, end):
                for x in range(wide):
                    n = (y - begin) * wide + x
                    if want_labels:
                        labels[y, x0 + x] = cell_labels[n]
                    if want_confidence:
                        confidence[y, x0 + x] = _byte(cell_chosen[n])
    return walked


@compiled
def _byte(probability: np.float32) -> int:
    return np.uint8(min(max(np.rint(probability * LARGEST), ZERO), LARGEST))
