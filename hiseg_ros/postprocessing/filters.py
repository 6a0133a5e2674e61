# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Gaussian filters of the dense CRF: sums over all pixels, weighted by a kernel."""

from __future__ import annotations

import math
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import ConfigError
from hiseg_ros.postprocessing.lattice_kernels import BITS, MIDDLE, embed, filter_planes
from hiseg_ros.threads import run_in_parallel

Planes = NDArray[np.float32]
"""(K, H, W) float32."""

TRUNCATION = 6.0
"""Standard deviations at which the smoothness kernel ends, where a Gaussian is below 2e-8."""


class Filter(Protocol):
    """Sums planes with a kernel: out[k, i] = sum over j of kernel(i, j) * planes[k, j]."""

    def __call__(self, planes: Planes) -> Planes:
        """Return the (K, H, W) sums."""


class SmoothFilter:
    """The kernel of position alone, along rows and then along columns; exact to float32."""

    def __init__(self, std: float) -> None:
        """Make the kernel for a standard deviation in pixels."""
        reach = max(1, math.ceil(TRUNCATION * std))
        offsets = np.arange(-reach, reach + 1)
        self._kernel = np.exp(-(offsets**2) / (2 * std**2)).astype(np.float32)

    def __call__(self, planes: Planes) -> Planes:
        """Return the sums."""
        out = np.empty_like(planes)
        for plane, sums in zip(planes, out, strict=True):
            sums[:] = cv2.sepFilter2D(
                plane, cv2.CV_32F, self._kernel, self._kernel, borderType=cv2.BORDER_CONSTANT
            )
        return out


class ExactFilter:
    """Any kernel as a matrix of N x N pixels: for small images, and to measure others with."""

    def __init__(self, features: NDArray[np.float32]) -> None:
        """Make the matrix.

        Args:
            features: (H, W, d) float32 in units of the kernel's standard deviation.
        """
        points = features.reshape(-1, features.shape[2]).astype(np.float64)
        squares = (points**2).sum(1)
        distance = squares[:, None] + squares - 2 * points @ points.T
        self._matrix = np.exp(-0.5 * distance.clip(0)).astype(np.float32)

    def __call__(self, planes: Planes) -> Planes:
        """Return the sums."""
        return (planes.reshape(len(planes), -1) @ self._matrix).reshape(planes.shape)


class LatticeFilter:
    """A Gaussian kernel of up to five features on the permutohedral lattice; an approximation."""

    def __init__(self, features: NDArray[np.float32]) -> None:
        """Find the lattice's vertices around the pixels, and the neighbours of these.

        Args:
            features: (H, W, d) float32, d at most 5, in units of the kernel's standard deviation.

        Raises:
            ConfigError: The features reach further than the lattice.
        """
        points = features.reshape(-1, features.shape[2])
        # Around 0 the lattice reaches furthest.
        points = np.ascontiguousarray(points - (points.min(0) + points.max(0)) / 2, np.float32)
        corners = points.shape[1] + 1
        codes = np.empty((len(points), corners), np.int64)
        self._weights = np.empty((len(points), corners), np.float32)
        reach = max(
            run_in_parallel(
                lambda worker, workers: embed(points, codes, self._weights, worker, workers)
            )
        )
        if reach >= MIDDLE:
            raise ConfigError(
                f'The colour kernel of the CRF is too narrow for this image: its lattice would '
                f'reach {reach:.0f} cells, more than {MIDDLE}; expected a larger color_std or '
                'position_std.'
            )
        known, inverse = np.unique(codes, return_inverse=True)
        self._vertices = inverse.reshape(codes.shape).astype(np.int32)
        self._neighbours = np.empty((corners, len(known), 2), np.int32)
        ones = sum(1 << (BITS * axis) for axis in range(corners - 1))
        for axis in range(corners):
            # One step along an axis: it falls by d, all others rise by 1. The last coordinate is
            # not in the code, since they sum to 0.
            step = ones - (corners << (BITS * axis) if axis < corners - 1 else 0)
            for side, there in enumerate((known + step, known - step)):
                place = np.searchsorted(known, there).clip(max=len(known) - 1)
                self._neighbours[axis, :, side] = np.where(
                    known[place] == there, place, len(known)
                )

    def __len__(self) -> int:
        """Return the number of vertices."""
        return self._neighbours.shape[1]

    def __call__(self, planes: Planes) -> Planes:
        """Return the sums, up to a factor that is the same for all pixels."""
        flat = np.ascontiguousarray(planes.reshape(len(planes), -1), np.float32)
        out = np.empty_like(flat)
        tables = (self._vertices, self._weights, self._neighbours)
        run_in_parallel(lambda worker, workers: filter_planes(flat, *tables, out, worker, workers))
        return out.reshape(planes.shape)


class NormalisedFilter:
    """A filter divided by the root of its sums at both pixels, so that its weight is a share.

    kernel(i, j) / sqrt(n_i n_j) with n_i = sum over j of kernel(i, j), the pixel itself included.
    A factor of the filter cancels.
    """

    def __init__(self, inner: Filter, size: tuple[int, int]) -> None:
        """Measure the sums for images of a size (H, W)."""
        self._inner = inner
        sums = inner(np.ones((1, *size), np.float32))[0]
        self._scale = (1 / np.sqrt(sums.clip(1e-20))).astype(np.float32)

    def __call__(self, planes: Planes) -> Planes:
        """Return the normalised sums."""
        out = self._inner(planes * self._scale)
        out *= self._scale
        return out
