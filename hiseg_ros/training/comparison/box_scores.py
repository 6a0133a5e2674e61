# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""How well labels fit boxes: boxes that are found, and labelled pixels that lie in a box."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from hiseg_ros.datasets.sample import Box
from hiseg_ros.decision.mapped import LabelDecision
from hiseg_ros.evaluation.segmenter import Segmenter
from hiseg_ros.taxonomy import Mapping
from hiseg_ros.types import RgbImage

FOUND = 0.25
"""Share of a box's pixels that must have its label for the box to be found: things do not fill
their boxes, and smaller boxes may lie in front."""

BOXES_FOUND, PIXELS_IN_BOXES = 'boxes found', 'labelled pixels in boxes'


def evaluate_boxes(
    engine: Segmenter, samples: Iterable[tuple[RgbImage, Sequence[Box]]], mapping: Mapping
) -> dict[str, float]:
    """Return the means over the classes, and the share of boxes found of each class, in [0, 1].

    A pixel has a label where the sum of its leaves is larger than that of every other label and
    that of all leaves without a label.

    Args:
        engine: What is measured.
        samples: Images with all boxes of the evaluated labels.
        mapping: Meaning of the labels.
    """
    names = {label.label_id: label.name for label in mapping.evaluated_labels}
    found, boxes_of = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
    inside, labelled = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
    decision = LabelDecision(mapping, engine.taxonomy)
    for rgb, boxes in samples:
        choice = decision(engine.segment(rgb).probabilities)
        for label_id in names:
            is_label = (choice.label_ids == label_id) & ~choice.is_outside
            in_box = np.zeros(is_label.shape, np.bool_)
            for box in boxes:
                if box.label_id != label_id:
                    continue
                part = np.s_[box.y1 : box.y2 + 1, box.x1 : box.x2 + 1]
                in_box[part] = True
                boxes_of[label_id] += 1
                found[label_id] += int(is_label[part].mean() >= FOUND)
            labelled[label_id] += int(is_label.sum())
            inside[label_id] += int((is_label & in_box).sum())
    recall = {names[i]: found[i] / boxes_of[i] for i in names if boxes_of[i]}
    # A class that is never predicted has no wrong pixel and no right one.
    precision = [inside[i] / labelled[i] if labelled[i] else 0.0 for i in names if boxes_of[i]]
    return {
        BOXES_FOUND: float(np.mean(list(recall.values()))) if recall else 0.0,
        PIXELS_IN_BOXES: float(np.mean(precision)) if precision else 0.0,
        **recall,
    }
