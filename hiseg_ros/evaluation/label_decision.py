# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The decision in a data set's labels, with its confidence and with what lies outside the set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from hiseg_ros.decision.dense import interpolate
from hiseg_ros.taxonomy import Mapping, Taxonomy
from hiseg_ros.types import NodeProbabilities

BLOCK = 8
"""Labels interpolated at once: 66 of them at 12 megapixels would take 3 GB."""


@dataclass(frozen=True)
class LabelChoice:
    """What a data set's labels say about an image."""

    label_ids: NDArray[np.uint8]
    """(H, W) ids of the evaluated label with the largest summed probability."""
    probability: NDArray[np.float32]
    """(H, W) that sum, in [0, 1]."""
    is_outside: NDArray[np.bool_]
    """(H, W) whether the leaves that no evaluated label allows sum up to more."""


class LabelDecision:
    """Decides as `decide_mapping` does, in bounded memory."""

    def __init__(self, mapping: Mapping, taxonomy: Taxonomy) -> None:
        """Prepare the sums of a mapping's evaluated labels."""
        self._leaves = list(taxonomy.leaves)
        is_evaluated = [label.evaluated for label in mapping.labels]
        matrix = mapping.label_matrix(taxonomy)[is_evaluated]
        self._rows = torch.from_numpy(matrix).float()
        self._rest = torch.from_numpy(~matrix.any(0))
        self._label_ids = np.array(
            [label.label_id for label in mapping.evaluated_labels], np.uint8
        )

    @torch.inference_mode()
    def __call__(self, probabilities: NodeProbabilities) -> LabelChoice:
        """Decide one image from its node probabilities on the network's grid."""
        leaves = torch.from_numpy(probabilities.values[self._leaves])
        sums = torch.einsum('rl,lhw->rhw', self._rows, leaves)
        size = probabilities.image_size
        best = torch.full(size, -1.0)
        index = torch.zeros(size, dtype=torch.int64)
        for start in range(0, len(sums), BLOCK):
            value, offset = interpolate(sums[start : start + BLOCK], size).max(0)
            # Of equals the first label stays, as with one maximum over all.
            is_better = value > best
            best = torch.where(is_better, value, best)
            index = torch.where(is_better, offset + start, index)
        if self._rest.any():
            outside = interpolate(leaves[self._rest].sum(0, keepdim=True), size)[0] > best
        else:
            outside = torch.zeros(size, dtype=torch.bool)
        return LabelChoice(
            self._label_ids[index.numpy()], best.clamp(0, 1).numpy(), outside.numpy()
        )
