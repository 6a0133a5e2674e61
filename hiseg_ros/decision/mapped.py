# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A decision in a data set's own labels, by the summed probability of each label's leaves."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from hiseg_ros.decision.dense import interpolate
from hiseg_ros.taxonomy import Mapping, Taxonomy
from hiseg_ros.types import UNLABELED, NodeProbabilities


def decide_mapping(
    probabilities: NodeProbabilities,
    taxonomy: Taxonomy,
    mapping: Mapping,
    min_probability: float = 0.0,
) -> NDArray[np.uint8]:
    """Return (H, W) uint8 label ids of the most probable evaluated label at every pixel.

    Args:
        probabilities: Of every node, on the network's grid.
        taxonomy: Their tree.
        mapping: The data set's labels; ids from 0 to 255.
        min_probability: Pixels whose label has less become UNLABELED.
    """
    labels = mapping.evaluated_labels
    leaves = torch.from_numpy(probabilities.values[list(taxonomy.leaves)])
    rows = torch.from_numpy(mapping.label_matrix(taxonomy)).float()
    rows = rows[[index for index, label in enumerate(mapping.labels) if label.evaluated]]
    sums = torch.einsum('rl,lhw->rhw', rows, leaves)
    highest, best = interpolate(sums, probabilities.image_size).max(0)
    label_ids = np.array([label.label_id for label in labels], np.uint8)[best.numpy()]
    label_ids[highest.numpy() < min_probability] = UNLABELED
    return label_ids
