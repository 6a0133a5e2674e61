# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The decision on the CPU: walk down the tree only at pixels between grid points that disagree.

The labels are bit for bit those of a walk in float32 at every pixel; `cell_kernels` says why.
"""

from __future__ import annotations

import numpy as np

from hiseg_ros.decision.cell_kernels import fill
from hiseg_ros.decision.compiled import Bytes, Floats
from hiseg_ros.decision.grid_kernels import walk_grid
from hiseg_ros.decision.tables import DecisionTables, axis
from hiseg_ros.errors import ConfigError
from hiseg_ros.threads import run_in_parallel
from hiseg_ros.types import ImageSize


def decide_sparse(
    node_probabilities: Floats,
    tables: DecisionTables,
    size: ImageSize,
    threshold: float = 0.0,
    *,
    labels: bool = True,
    confidence: bool = True,
) -> tuple[Bytes, Bytes]:
    """Decide a node for every pixel, by the rule of `decision.dense.decide`.

    Args:
        node_probabilities: (V, h, w) float32, not negative, parents as sums of their children.
        tables: Tables of the tree.
        size: (H, W) of the camera image.
        threshold: Least conditional probability of a child, in [0, 1].
        labels: Whether the label image is wanted.
        confidence: Whether the confidence image is wanted.

    Returns:
        Node ids (H, W) uint8, and 255 times the probability of the chosen node, rounded to even,
        (H, W) uint8; an image that is not wanted is (0, 0).

    Raises:
        ConfigError: The threshold is out of range.
        ValueError: Shape or dtype of the probabilities does not fit the tree, or a side is 0.
    """
    images, _ = _decide(node_probabilities, tables, size, threshold, labels, confidence)
    return images


def _decide(
    values: Floats,
    tables: DecisionTables,
    size: ImageSize,
    threshold: float,
    want_labels: bool,
    want_confidence: bool,
) -> tuple[tuple[Bytes, Bytes], float]:
    """Return the two images, and the share of cells whose pixels were decided one by one."""
    if not 0.0 <= threshold <= 1.0:
        raise ConfigError(
            f'The decision threshold is {threshold}; expected a number from 0 (always a leaf) '
            'to 1.'
        )
    tables.check(values, size)
    # The kernels are compiled for this layout alone; another one would compile for seconds.
    values = np.require(values, requirements=('C', 'W'))
    label_image = np.empty(size if want_labels else (0, 0), tables.common.dtype)
    confidence_image = np.empty(size if want_confidence else (0, 0), np.uint8)
    axes = (*axis(values.shape[1], size[0]), *axis(values.shape[2], size[1]))
    tree, least, grid = (tables.child_start, tables.children), np.float32(threshold), values[0]
    # At each grid point: the node, its probability, and whether rounding could not change it.
    corners = (
        np.empty(grid.shape, tables.common.dtype), np.empty_like(grid), np.empty_like(grid, bool)
    )  # fmt: skip
    run_in_parallel(lambda worker, of: walk_grid(values, *tree, least, *corners, worker, of))
    wanted, images = (want_labels, want_confidence), (label_image, confidence_image)
    all_inputs = (values, *tree, tables.common, least, *corners, *axes, *wanted, *images)
    walked = run_in_parallel(lambda worker, workers: fill(*all_inputs, worker, workers))
    return images, sum(walked) / grid.size


def warm_up(tables: DecisionTables) -> None:
    """Compile the kernels or load them from numba's cache on disk, so that no image waits."""
    decide_sparse(np.ones((len(tables), 2, 2), np.float32), tables, (3, 3))
