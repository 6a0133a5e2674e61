# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Compiled loops over a tile of neighbouring grid points, one in each lane of the vectors.

Every lane goes through the same instructions in the same order, whatever is in the others: a
point's results do not depend on which points are evaluated beside it.
"""

from __future__ import annotations

import numpy as np

from hiseg_ros.decision.compiled import (
    BELOW,
    TINY,
    Floats,
    Ints,
    compiled,
    compiled_with_fma,
)

ROWS, COLUMNS = 2, 16
"""Of a tile: a row of it is a line of the CPU's cache."""

LANES = ROWS * COLUMNS

STEP = 4
"""Inputs and outputs of layers that are computed together; layers are filled up with zeros."""

UNSURE = -1
"""In place of the number of the winning child: rounding could change it."""

ONE = np.float32(1)
LIMIT = np.float32(60)
"""As `exported_graph.LARGEST_LOGIT`: no maximum has to be subtracted from logits."""

LOG2_E = np.float32(1.44269504088896341)
LN2_HIGH = np.float32(0.693359375)
LN2_LOW = np.float32(-2.12194440e-4)
ROUNDED = np.float32(1.5 * 2**23)
"""Adding it to a small float and subtracting it again rounds to a whole number."""
P0 = np.float32(1.9875691500e-4)
P1 = np.float32(1.3981999507e-3)
P2 = np.float32(8.3334519073e-3)
P3 = np.float32(4.1665795894e-2)
P4 = np.float32(1.6666665459e-1)
P5 = np.float32(5.0000001201e-1)


@compiled_with_fma
def _exponentials(values: Floats, bits: Ints, powers: Floats) -> None:
    """Replace (LANES) floats from -60 to 60 by their exponentials, as Cephes' expf does.

    Args:
        values: (LANES).
        bits: Room for (LANES).
        powers: The same memory as floats.
    """
    for p in range(LANES):
        x = min(max(values[p], -LIMIT), LIMIT)
        whole = (x * LOG2_E + ROUNDED) - ROUNDED
        bits[p] = (np.int32(whole) + np.int32(127)) << np.int32(23)
        x = x - whole * LN2_HIGH
        x = x - whole * LN2_LOW
        y = P0 * x + P1
        y = y * x + P2
        y = y * x + P3
        y = y * x + P4
        y = y * x + P5
        values[p] = y * (x * x) + x + ONE
    for p in range(LANES):
        values[p] *= powers[p]


@compiled_with_fma
def layer(
    source: Floats, weights: Floats, first: int, inputs: int, outputs: int, target: Floats
) -> None:
    """Apply a linear layer to all lanes; sums run over the inputs in order.

    Args:
        source: (at least inputs, LANES).
        weights: From `first` on: (outputs, inputs), row by row, and then (outputs) biases.
        first: Index of the first weight.
        inputs: Number of inputs, a multiple of STEP.
        outputs: Number of outputs, a multiple of STEP.
        target: Receives (outputs, LANES); room for at least that.
    """
    biases = first + inputs * outputs
    for o in range(0, outputs, STEP):
        for k in range(STEP):
            bias = weights[biases + o + k]
            for p in range(LANES):
                target[o + k, p] = bias
        row0 = first + o * inputs
        row1, row2, row3 = row0 + inputs, row0 + 2 * inputs, row0 + 3 * inputs
        for c in range(0, inputs, STEP):
            i0, i1, i2, i3 = row0 + c, row1 + c, row2 + c, row3 + c
            a0, a1, a2, a3 = weights[i0], weights[i0 + 1], weights[i0 + 2], weights[i0 + 3]
            b0, b1, b2, b3 = weights[i1], weights[i1 + 1], weights[i1 + 2], weights[i1 + 3]
            c0, c1, c2, c3 = weights[i2], weights[i2 + 1], weights[i2 + 2], weights[i2 + 3]
            d0, d1, d2, d3 = weights[i3], weights[i3 + 1], weights[i3 + 2], weights[i3 + 3]
            for p in range(LANES):
                x0, x1 = source[c, p], source[c + 1, p]
                x2, x3 = source[c + 2, p], source[c + 3, p]
                target[o, p] = target[o, p] + a0 * x0 + a1 * x1 + a2 * x2 + a3 * x3
                target[o + 1, p] = target[o + 1, p] + b0 * x0 + b1 * x1 + b2 * x2 + b3 * x3
                target[o + 2, p] = target[o + 2, p] + c0 * x0 + c1 * x1 + c2 * x2 + c3 * x3
                target[o + 3, p] = target[o + 3, p] + d0 * x0 + d1 * x1 + d2 * x2 + d3 * x3


@compiled
def turn(features: Floats, y0: int, x0: int, tile: Floats) -> None:
    """Copy the features of one tile, (h, w, C), into (C, LANES); 0 beyond the grid."""
    height, width, channels = features.shape
    for r in range(ROWS):
        for q in range(COLUMNS):
            y, x, p = y0 + r, x0 + q, r * COLUMNS + q
            if y < height and x < width:
                for c in range(channels):
                    tile[c, p] = features[y, x, c]
            else:
                for c in range(channels):
                    tile[c, p] = 0


@compiled_with_fma
def shares(
    odds: Floats, count: int, is_score: bool, whole: Floats, bits: Ints, powers: Floats
) -> None:
    """Replace logits by probabilities: of each child its share of the odds, times the parent's.

    Args:
        odds: (at least count, LANES) logits.
        count: Number of children.
        is_score: Whether odds are sigmoids of the logits, and not exponentials.
        whole: (LANES) probability of the parent; is overwritten.
        bits: Room for (LANES).
        powers: The same memory as floats.
    """
    for k in range(count):
        _exponentials(odds[k], bits, powers)
    if is_score:
        for k in range(count):
            for p in range(LANES):
                odds[k, p] = odds[k, p] / (ONE + odds[k, p])
    total = powers  # free again
    for p in range(LANES):
        total[p] = 0
    for k in range(count):
        for p in range(LANES):
            total[p] += odds[k, p]
    for p in range(LANES):
        whole[p] = whole[p] / total[p]
    for k in range(count):
        for p in range(LANES):
            odds[k, p] *= whole[p]


@compiled
def find_winners(
    values: Floats, count: int, best: Floats, low: Floats, index: Ints, found: Ints
) -> None:
    """Find the most probable child in each lane, or UNSURE where rounding could change it.

    By the rule of `grid_kernels`: the strongest rival with a lower number is smaller by a margin.
    """
    for p in range(LANES):
        best[p], low[p], index[p] = values[0, p], -1, 0
    for k in range(1, count):
        for p in range(LANES):
            value = values[k, p]
            wins = value > best[p]
            low[p] = best[p] if wins else low[p]
            index[p] = k if wins else index[p]
            best[p] = value if wins else best[p]
    for p in range(LANES):
        is_sure = best[p] > TINY and low[p] < best[p] * BELOW
        found[p] = index[p] if is_sure else UNSURE
