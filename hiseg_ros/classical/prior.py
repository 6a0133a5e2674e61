# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Position prior: how often each label was at each place of the training images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hiseg_ros.classical.arrays import Arrays, array
from hiseg_ros.classical.labels import Planes
from hiseg_ros.classical.options import PriorOptions
from hiseg_ros.types import RgbImage


@dataclass(frozen=True)
class Prior:
    """Probabilities that depend on the place in the image alone."""

    table: Planes
    """(K, rows, columns) float32; the grid covers the whole image."""

    @staticmethod
    def read(arrays: Arrays, options: PriorOptions, labels: int) -> Prior:
        """Return the method of a file's arrays; raise ValueError where they cannot be used."""
        shape = (labels, options.rows, options.columns)
        return Prior(shares(array(arrays, 'prior', 'float32', shape), 'prior'))

    def arrays(self) -> Arrays:
        """Return the arrays to be written."""
        return {'prior': self.table}

    def probabilities(self, rgb: RgbImage) -> Planes:
        """Return (K, rows, columns) probabilities of an image, whatever it shows."""
        return self.table


def shares(values: Planes, name: str) -> Planes:
    """Return values that are checked to be shares along the first axis.

    Raises:
        ValueError: One is negative, or they do not sum to 1.
    """
    if (values < 0).any() or not np.allclose(values.sum(0), 1, atol=1e-3):
        raise ValueError(f'array {name!r} with values that are no shares')
    return values
