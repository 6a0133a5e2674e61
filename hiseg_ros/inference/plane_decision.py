# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The decision of a wrapped flat network: sparse, by the decision tree in its info block."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from hiseg_ros.decision.plane_walk import WalkNode
from hiseg_ros.inference.decisions import Decided, SparseDecision
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.types import ImageSize, Wanted


class FlatDecision(SparseDecision):
    """Decides on (P, h, w) planes: V of the taxonomy's nodes, and P - V for the decision alone."""

    def __init__(self, taxonomy: Taxonomy, walk: tuple[WalkNode, ...]) -> None:
        """Create the tables and compile the kernels, or load them from the cache.

        Args:
            taxonomy: The tree whose nodes are the labels.
            walk: Decision tree that `check_walk` accepts, not empty.

        Raises:
            ConfigError: numba is not installed.
        """
        super().__init__(taxonomy)
        planes = max(self._nodes, 1 + max(place.plane for place in walk))
        children: list[list[int]] = [[] for _ in range(planes)]
        path: dict[int | None, tuple[int, ...]] = {None: ()}
        for place in walk:
            path[place.plane] = (*path[place.parent], place.plane)
            if place.parent is not None:
                children[place.parent].append(place.plane)
        common = np.zeros((planes, planes), np.uint8)
        # Parents come first: the deepest common ancestor comes last and stays.
        for place in walk:
            below = np.array([one.plane for one in walk if place.plane in path[one.plane]])
            common[np.ix_(below, below)] = place.plane
        self._tables = replace(
            self._tables,
            child_start=np.cumsum([0, *map(len, children)], dtype=np.int32),
            children=np.array([child for row in children for child in row], np.int32),
            common=common,
        )
        table = np.arange(256, dtype=np.uint8)
        for place in walk:
            table[place.plane] = place.node_id
        self._node_of_plane = table if planes > self._nodes else None

    def __call__(
        self, nodes: NDArray[np.float32], size: ImageSize, threshold: float, wanted: Wanted
    ) -> Decided:
        """Return labels, confidence and the nodes' probabilities; see `interfaces.Decision`."""
        labels, confidence, values = super().__call__(nodes, size, threshold, wanted)
        if self._node_of_plane is not None and labels.size:
            labels = np.asarray(cv2.LUT(labels, self._node_of_plane), np.uint8)
        return labels, confidence, values
