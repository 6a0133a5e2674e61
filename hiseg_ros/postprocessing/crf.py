# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Dense CRF on a segmented image: probabilities, labels and confidence at full image size."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from hiseg_ros.decision import DecisionTables, decide_sparse
from hiseg_ros.errors import ConfigError, ImageError
from hiseg_ros.postprocessing.mean_field import mean_field, weighted_filters
from hiseg_ros.postprocessing.parameters import CrfParameters
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.types import ImageSize, NodeProbabilities, RgbImage, Segmentation

PLANES_PER_CLASS = 6
"""Planes of the image's size that the mean field holds for each class at its peak."""

PLANES_PER_NODE = 2
"""The same for each node of the tree: the result, and the copy that a mapping's labels sum up."""

LATTICE_BYTES = 400
"""Bytes per pixel of the lattice while it is made."""

SMALLER = 'a smaller image'
"""What to do where no number of classes fits."""

MEMORY_FILE = Path('/proc/meminfo')


def free_memory() -> int | None:
    """Return the bytes of memory that can still be used, None where the system does not say."""
    try:
        lines = MEMORY_FILE.read_text().splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith('MemAvailable:')]
    return 1024 * int(found[0]) if found else None


class DenseCrf:
    """Refines the results of images with a dense CRF on the leaves that matter in each.

    The leaves that are most probable somewhere take part, by their share of the image, and share
    anew at every pixel what the network gave them together; all other leaves keep their
    probability. Labels, confidence and the sums of inner nodes follow from the new probabilities.
    """

    def __init__(
        self,
        taxonomy: Taxonomy,
        parameters: CrfParameters | None = None,
        *,
        memory: Callable[[], int | None] | None = None,
    ) -> None:
        """Prepare the tables of a tree.

        Args:
            taxonomy: The tree of the network.
            parameters: None for the defaults.
            memory: Returns the free memory in bytes, None for unknown; by default the system's.
        """
        self.parameters = parameters or CrfParameters()
        self._taxonomy, self._memory = taxonomy, memory or free_memory
        self._tables = DecisionTables.of(taxonomy)
        self._leaves = np.array(taxonomy.leaves)
        self._similarity = _similarity(taxonomy)

    def refine(
        self, rgb: RgbImage, segmentation: Segmentation, threshold: float = 0.0
    ) -> Segmentation:
        """Return an image's results after the CRF; its probabilities have the image's size.

        Args:
            rgb: (H, W, 3) uint8, the segmented image.
            segmentation: With probabilities.
            threshold: Least conditional probability of a child, as of the engine.

        Raises:
            ConfigError: The memory does not suffice, or the colour kernel is too narrow.
            ImageError: The segmentation has no probabilities, or is of another size.
        """
        values = segmentation.probabilities.values
        size = (rgb.shape[0], rgb.shape[1])
        if values.size == 0 or segmentation.probabilities.image_size != size:
            raise ImageError(
                f'The segmentation has probabilities of shape {values.shape} for an image of '
                f'{segmentation.probabilities.image_size}; expected some for the image of {size} '
                'that the CRF is to refine.'
            )
        started = time.perf_counter()
        refined = self._refined(rgb, values)
        labels, confidence = decide_sparse(refined, self._tables, size, threshold)
        crf_ms = 1e3 * (time.perf_counter() - started)
        return replace(
            segmentation,
            labels=labels,
            confidence=confidence,
            probabilities=NodeProbabilities(refined, size),
            timings_ms={**segmentation.timings_ms, 'crf': crf_ms},
        )

    def _refined(self, rgb: RgbImage, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (V, H, W) node probabilities after the CRF; raise as `refine`."""
        size = (rgb.shape[0], rgb.shape[1])
        chosen = self._candidates(values)
        self.check_memory(size, len(chosen))
        refined = at_size(values, size)
        if len(chosen) > 1:
            refined[chosen] = self._shared_anew(rgb, refined[chosen], chosen)
        self._sum_up(refined)
        return refined

    def _candidates(self, values: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the node ids of the leaves that take part, ascending."""
        leaves = values[self._leaves]
        best = np.bincount(leaves.argmax(0).ravel(), minlength=len(leaves))
        # By cells won, then by mass: a thin pole wins cells, a class that is never first does not.
        order = np.lexsort((-leaves.sum((1, 2)), -best))
        return np.sort(self._leaves[order[: self.parameters.classes]])

    def _shared_anew(
        self, rgb: RgbImage, leaves: NDArray[np.float32], chosen: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Return (K, H, W) probabilities of the candidates with the same sum at every pixel."""
        together = leaves.sum(0)
        leaves /= together.clip(1e-20)
        rows = np.searchsorted(self._leaves, chosen)
        similarity = None
        if self.parameters.compatibility == 'tree':
            similarity = self._similarity[np.ix_(rows, rows)]
        filters = weighted_filters(rgb, self.parameters)
        found = mean_field(leaves, filters, self.parameters.rounds, similarity)
        found *= together
        return found

    def _sum_up(self, values: NDArray[np.float32]) -> None:
        """Set every inner node to the sum of its children, from the bottom up."""
        for inner in reversed(self._taxonomy.inner):
            np.sum(values[list(self._taxonomy.children(inner))], axis=0, out=values[inner])

    def check_memory(self, size: ImageSize, classes: int | None = None) -> None:
        """Check that the CRF of an image of a size (H, W) fits the free memory.

        Args:
            size: Of the image.
            classes: Leaves that take part; None for the most that may.

        Raises:
            ConfigError: It does not; the sentence says how many classes would.
        """
        classes = classes or min(self.parameters.classes, len(self._leaves))
        pixels, free = size[0] * size[1], self._memory()
        if free is None:
            return
        always = pixels * (PLANES_PER_NODE * 4 * len(self._taxonomy) + LATTICE_BYTES)
        per_class = 4 * PLANES_PER_CLASS * pixels
        if always + classes * per_class > free:
            advice = self._advice(max(0, (free - always) // per_class))
            raise ConfigError(
                f'The CRF on {classes} classes and {size[0]} x {size[1]} pixels needs '
                f'{(always + classes * per_class) / 1e9:.1f} GB of memory and {free / 1e9:.1f} GB '
                f'are free; expected {advice}.'
            )

    def _advice(self, most: int) -> str:
        """Return what would fit the memory, if it fits that many classes."""
        return f'at most {most} classes: --crf-option classes={most}' if most >= 2 else SMALLER


def at_size(values: NDArray[np.float32], size: ImageSize) -> NDArray[np.float32]:
    """Return (N, h, w) planes interpolated to (N, H, W), in new memory."""
    planes = np.empty((len(values), *size), np.float32)
    for plane, grid in zip(planes, values, strict=True):
        plane[:] = cv2.resize(grid, size[::-1], interpolation=cv2.INTER_LINEAR)
    return planes


def crf_of_network(engine: Any, parameters: CrfParameters) -> DenseCrf:
    """Return the CRF behind a network.

    Args:
        engine: The network; an `Engine`.
        parameters: Of the CRF.

    Raises:
        ConfigError: The network is a wrapped flat one with labels above the leaves.
    """
    if engine.decides_by_file:
        raise ConfigError(
            f'{engine.model_path.name} is a wrapped flat network, whose file says how to decide; '
            'expected a network of the class tree with --crf, which decides by the tree.'
        )
    return DenseCrf(engine.taxonomy, parameters)


def _similarity(taxonomy: Taxonomy) -> NDArray[np.float32]:
    """Return (L, L) float32: 1 for a leaf and itself, else the share of its path that two share.

    The share is the level of the deepest common ancestor over the level of the deeper leaf.
    """
    tables = DecisionTables.of(taxonomy)
    leaves = np.array(taxonomy.leaves)
    level = np.array([node.level for node in taxonomy.nodes])
    common = level[tables.common[np.ix_(leaves, leaves)]]
    longer = np.maximum(level[leaves][:, None], level[leaves])
    return (common / longer).astype(np.float32)
