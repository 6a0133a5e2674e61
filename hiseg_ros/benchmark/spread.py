# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Median and 95th percentile of measurements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Spread:
    """Median and 95th percentile in milliseconds."""

    median: float
    p95: float

    @staticmethod
    def of(values: Sequence[float]) -> Spread | None:
        """Return the spread of some values, None if there are none."""
        if not values:
            return None
        median, p95 = np.percentile(values, [50, 95])
        return Spread(round(float(median), 2), round(float(p95), 2))
