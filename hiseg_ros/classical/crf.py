# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Dense CRF on the labels of a classical method, in place of the leaves of the tree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.classical.labels import LabelSet
from hiseg_ros.postprocessing.crf import SMALLER, DenseCrf, at_size
from hiseg_ros.postprocessing.mean_field import mean_field, weighted_filters
from hiseg_ros.postprocessing.parameters import CrfParameters
from hiseg_ros.types import RgbImage


class LabelCrf(DenseCrf):
    """Refines the results of a classical method.

    A method does not tell the leaves of a label apart, so its labels take part as a whole: all of
    them, and any two are equally different (Potts).
    """

    def __init__(
        self,
        labels: LabelSet,
        parameters: CrfParameters | None = None,
        *,
        memory: Callable[[], int | None] | None = None,
    ) -> None:
        """Prepare the tables.

        Args:
            labels: Of the method.
            parameters: As of `DenseCrf`; `classes` and `compatibility` are set, as said above.
            memory: As of `DenseCrf`.
        """
        given = parameters or CrfParameters()
        own = replace(given, classes=len(labels), compatibility='potts')
        super().__init__(labels.taxonomy, own, memory=memory)
        self._labels, self._tables = labels, labels.tables

    def _refined(self, rgb: RgbImage, values: NDArray[np.float32]) -> NDArray[np.float32]:
        size = (rgb.shape[0], rgb.shape[1])
        self.check_memory(size, len(self._labels))
        planes = at_size(self._labels.from_nodes(values), size)
        planes /= planes.sum(0).clip(1e-20)
        filters = weighted_filters(rgb, self.parameters)
        return self._labels.to_nodes(mean_field(planes, filters, self.parameters.rounds))

    def _advice(self, most: int) -> str:
        return SMALLER
