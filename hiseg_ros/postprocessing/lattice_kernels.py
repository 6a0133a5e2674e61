# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Compiled loops of the permutohedral lattice: where points lie, and the filter of one plane.

Adams, Baek, Davis: Fast High-Dimensional Filtering Using the Permutohedral Lattice, 2010.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.decision.compiled import Floats, Ints, compiled
from hiseg_ros.decision.kernel_checks import check_embed, check_filter_planes, checked

Codes = NDArray[np.int64]

BITS = 12
"""Bits of one coordinate in the code of a vertex: five coordinates fit an int64."""

MIDDLE = 2 ** (BITS - 1)


@checked(check_embed)
@compiled
def embed(features: Floats, codes: Codes, weights: Floats, worker: int, workers: int) -> float:
    """Find the simplex around each point, its vertices and the weights of these.

    Args:
        features: (N, d) float32, d at most 5, in units of the kernel's standard deviation.
        codes: (N, d + 1) int64, to be filled with the codes of the vertices.
        weights: (N, d + 1) float32, to be filled with barycentric weights, which sum to 1.
        worker: Which share of the points to do.
        workers: Number of shares.

    Returns:
        The largest coordinate of a vertex; a code is valid only where it is below `MIDDLE`.
    """
    points, d = features.shape
    elevated = np.empty(d + 1, np.float64)
    nearest = np.empty(d + 1, np.int64)
    rank = np.empty(d + 1, np.int64)
    shares = np.empty(d + 2, np.float64)
    # The blur of the lattice, with splatting and slicing, has this standard deviation.
    spread = np.sqrt(2.0 / 3.0) * (d + 1)
    largest = 0
    for n in range(worker * points // workers, (worker + 1) * points // workers):
        # Onto the plane whose coordinates sum to 0.
        total = 0.0
        for j in range(d, 0, -1):
            value = features[n, j - 1] * spread / np.sqrt(j * (j + 1.0))
            elevated[j] = total - j * value
            total += value
        elevated[0] = total
        # The nearest vertex whose coordinates are all multiples of d + 1, if their sum is 0.
        excess = 0
        for j in range(d + 1):
            rounded = np.floor(elevated[j] / (d + 1) + 0.5)
            nearest[j] = int(rounded) * (d + 1)
            excess += int(rounded)
            rank[j] = 0
        for i in range(d):
            for j in range(i + 1, d + 1):
                if elevated[i] - nearest[i] < elevated[j] - nearest[j]:
                    rank[i] += 1
                else:
                    rank[j] += 1
        # Otherwise the coordinates furthest from their rounded value go the other way.
        for j in range(d + 1):
            rank[j] += excess
            if rank[j] < 0:
                rank[j] += d + 1
                nearest[j] += d + 1
            elif rank[j] > d:
                rank[j] -= d + 1
                nearest[j] -= d + 1
        shares[:] = 0
        for j in range(d + 1):
            offset = (elevated[j] - nearest[j]) / (d + 1)
            shares[d - rank[j]] += offset
            shares[d + 1 - rank[j]] -= offset
        shares[0] += 1 + shares[d + 1]
        for vertex in range(d + 1):
            code = np.int64(0)
            for j in range(d):
                coordinate = nearest[j] + vertex
                if rank[j] > d - vertex:
                    coordinate -= d + 1
                largest = max(largest, abs(coordinate) + d + 1)
                code += (coordinate + MIDDLE) << (BITS * j)
            codes[n, vertex] = code
            weights[n, vertex] = shares[vertex]
    return float(largest)


@checked(check_filter_planes)
@compiled
def filter_planes(
    planes: Floats,
    vertices: Ints,
    weights: Floats,
    neighbours: Ints,
    filtered: Floats,
    worker: int,
    workers: int,
) -> None:
    """Splat, blur and slice every plane of this worker.

    Args:
        planes: (K, N) float32 values at the points.
        vertices: (N, d + 1) int32 vertices around each point, in 0..M - 1.
        weights: (N, d + 1) float32 weights of these.
        neighbours: (d + 1, M, 2) int32 neighbours of each vertex along each axis; M for none.
        filtered: (K, N) float32, to be filled.
        worker: Does the planes worker, worker + workers, ...
        workers: Number of workers.
    """
    points, corners = vertices.shape
    count = neighbours.shape[1]
    values = np.empty(count + 1, np.float32)
    blurred = np.empty(count + 1, np.float32)
    half, quarter = np.float32(0.5), np.float32(0.25)
    for k in range(worker, len(planes), workers):
        values[:] = 0
        blurred[count] = 0
        for n in range(points):
            for corner in range(corners):
                values[vertices[n, corner]] += weights[n, corner] * planes[k, n]
        for axis in range(len(neighbours)):
            for m in range(count):
                sides = values[neighbours[axis, m, 0]] + values[neighbours[axis, m, 1]]
                blurred[m] = half * values[m] + quarter * sides
            values, blurred = blurred, values
        for n in range(points):
            total = np.float32(0)
            for corner in range(corners):
                total += weights[n, corner] * values[vertices[n, corner]]
            filtered[k, n] = total
