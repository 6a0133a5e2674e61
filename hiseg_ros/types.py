# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Data types that the packages of hiseg_ros pass to each other: arrays with their meaning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

RgbImage = NDArray[np.uint8]
"""(H, W, 3) uint8 in RGB order."""

LabelImage = NDArray[np.uint8]
"""(H, W) uint8 node ids; 255 = unlabeled."""

ImageSize = tuple[int, int]
"""(height, width) in pixels."""

UNLABELED = 255
"""Node id and label id of a pixel without a label."""


@dataclass(frozen=True)
class Wanted:
    """Which results of an image are needed; the others are neither computed nor copied."""

    labels: bool = True
    confidence: bool = True
    probabilities: bool = True

    deepest: int | None = None
    """With probabilities: the deepest level of nodes whose probabilities are read; None for all.

    Those of deeper nodes may then be 0.
    """

    subclasses: bool = False
    """With `deepest`: whether those of the subclass root and of all nodes below it are read too,
    in cells of the grid with pixels of the root; they may be 0 in others."""


EVERYTHING = Wanted()


@dataclass(frozen=True)
class NodeProbabilities:
    """Probability of every taxonomy node on the network's grid.

    The grid covers the whole image: the centre of cell (i, j) lies at image row
    ``(i + 0.5) * H / h - 0.5`` and column ``(j + 0.5) * W / w - 0.5``. Values between centres are
    interpolated linearly, which keeps a parent the sum of its children at every pixel.
    """

    values: NDArray[np.float32]
    """(V, h, w) in [0, 1]; index = node id; the root is 1 and a parent the sum of its children.

    Of shape (0, 0, 0) where they were not wanted.
    """

    image_size: ImageSize
    """(H, W) of the camera image in pixels."""


@dataclass(frozen=True)
class Segmentation:
    """One segmented image at camera resolution."""

    labels: LabelImage
    """(H, W) uint8 node ids: leaves, or inner nodes where the decision stopped early.

    Like the confidence of shape (0, 0) where they were not wanted.
    """

    confidence: NDArray[np.uint8]
    """(H, W) uint8, 255 times the probability of the chosen node, rounded."""

    probabilities: NodeProbabilities

    timings_ms: Mapping[str, float] = field(default_factory=dict)
    """Time of the stages 'preprocess', 'network' and 'decision' in milliseconds."""

    input_size: ImageSize = (0, 0)
    """(h, w) of the network's input in pixels; (0, 0) where unknown."""


@dataclass(frozen=True)
class SubclassMask:
    """One connected region of a subclass root (a traffic sign) with the vote on its subclass."""

    node_id: int
    """Node id of the subclass with the largest vote, or `parent_id` where no vote is enough."""

    parent_id: int
    """Node id of the region's class."""

    score: float
    """Vote for `node_id` in [0, 1]; that for `parent_id` is 1."""

    top: tuple[tuple[int, float], ...]
    """Up to three (node id, vote), best first; the first is `node_id`."""

    roi: tuple[int, int, int, int]
    """(y, x, height, width) of the region in image pixels."""

    mask: NDArray[np.bool_]
    """(height, width) bool, true inside the region."""

    area: int
    """Number of pixels in the region."""
