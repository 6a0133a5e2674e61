# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""An engine measured on labelled images, in the data set's own labels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.decision.mapped import decide_mapping
from hiseg_ros.evaluation.confusion import Confusion, label_ids_of_nodes
from hiseg_ros.evaluation.signs import SignCounts, TrueSign
from hiseg_ros.inference.engine import Engine
from hiseg_ros.regions import subclass_masks
from hiseg_ros.taxonomy import Mapping
from hiseg_ros.types import RgbImage

MIN_REGION_AREA = 32
"""Smaller predicted sign regions (pixels) are not counted as detections."""


def evaluate_pixels(
    engine: Engine, samples: Iterable[tuple[RgbImage, NDArray[np.uint8]]], mapping: Mapping
) -> dict[str, Any]:
    """Return the scores of dense labels.

    Args:
        engine: What is measured.
        samples: Images with their label ids at full resolution.
        mapping: Meaning of the label ids.

    Returns:
        'nodes': scores of the node labels, a node counting for the label it lies below;
        'summed': scores of the label with the largest summed probability.
    """
    by_node, by_sum = Confusion(mapping), Confusion(mapping)
    for image, label_ids in samples:
        result = engine.segment(image)
        by_node.add(label_ids, label_ids_of_nodes(result.labels, mapping, engine.taxonomy))
        by_sum.add(label_ids, decide_mapping(result.probabilities, engine.taxonomy, mapping))
    return {'nodes': by_node.summary(), 'summed': by_sum.summary()}


def evaluate_signs(
    engine: Engine, samples: Iterable[tuple[RgbImage, list[TrueSign]]], mapping: Mapping
) -> dict[str, object]:
    """Return recall, type accuracy and precision of signs.

    Args:
        engine: What is measured; its taxonomy has a subclass root.
        samples: Images with all their signs of the mapping's types.
        mapping: Names the annotated types.
    """
    taxonomy = engine.taxonomy
    assert taxonomy.subclass_root is not None
    is_sign = np.zeros(256, np.bool_)
    is_sign[list(taxonomy.nodes_below(taxonomy.subclass_root))] = True
    types = frozenset(leaf for label in mapping.evaluated_labels for leaf in label.leaves)
    counts = SignCounts()
    for image, truth in samples:
        result = engine.segment(image)
        masks = subclass_masks(result, taxonomy, min_area=MIN_REGION_AREA)
        counts.add(truth, result.labels, masks, is_sign, types)
    return counts.summary()
