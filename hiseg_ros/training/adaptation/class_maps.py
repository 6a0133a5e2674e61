# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Leaf probabilities summed to a few classes that add up to 1, and their self-information."""

from __future__ import annotations

import math

import numpy as np
import torch

from hiseg_ros.model.class_network import check_disjoint
from hiseg_ros.taxonomy import Mapping, Taxonomy


def class_matrix(mapping: Mapping, taxonomy: Taxonomy) -> torch.Tensor:
    """Return (C, L) float: which leaves each class has; the last class is the rest, if any.

    Args:
        mapping: Its evaluated labels are the classes; none may share a leaf with another.
        taxonomy: The tree.

    Raises:
        ConfigError: A leaf belongs to two labels.
    """
    check_disjoint(mapping, taxonomy)
    rows = [row for row, label in enumerate(mapping.labels) if label.evaluated]
    matrix = mapping.label_matrix(taxonomy)[rows]
    rest = ~np.asarray(matrix.any(0, keepdims=True))
    if rest.any():
        matrix = np.concatenate([matrix, rest])
    return torch.from_numpy(matrix).float()


def class_maps(leaf_probabilities: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    """Return (N, C, h, w) float32 probabilities of classes; they add up to 1.

    Args:
        leaf_probabilities: (N, L, h, w).
        matrix: (C, L) of `class_matrix`.
    """
    with torch.autocast(leaf_probabilities.device.type, enabled=False):
        return torch.einsum('cl,nlhw->nchw', matrix, leaf_probabilities.float())


SMALLEST = 1e-30
"""Added before the logarithm, as in ADVENT."""


def self_information(probabilities: torch.Tensor) -> torch.Tensor:
    """Return -p log p / log C of (N, C, h, w) probabilities, in [0, 1]; summed it is the entropy.

    Vu et al., "ADVENT: Adversarial Entropy Minimization for Domain Adaptation", CVPR 2019.
    """
    return -probabilities * (probabilities + SMALLEST).log() / math.log(probabilities.shape[1])
