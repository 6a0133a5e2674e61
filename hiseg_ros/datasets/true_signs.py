# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Annotated boxes as ground truth for the evaluation of signs."""

from __future__ import annotations

from collections.abc import Iterable

from hiseg_ros.datasets.sample import Box
from hiseg_ros.datasets.sign_types import sign_shape
from hiseg_ros.evaluation.signs import TrueSign
from hiseg_ros.taxonomy import Mapping


def true_signs(boxes: Iterable[Box], mapping: Mapping) -> list[TrueSign]:
    """Return one sign per box, in the shape of its type.

    Args:
        boxes: Their label ids are evaluated labels of the mapping.
        mapping: Each evaluated label is one leaf.
    """
    node_id = {label.label_id: label.leaves[0] for label in mapping.evaluated_labels}
    return [
        TrueSign(
            node_id[box.label_id],
            box.y1,
            box.x1,
            sign_shape(box.label_id, box.y2 - box.y1 + 1, box.x2 - box.x1 + 1),
        )
        for box in boxes
    ]
