# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Metrics of dense labels, accumulated image by image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.decision.mapped import LabelDecision
from hiseg_ros.evaluation.calibration import Calibration
from hiseg_ros.evaluation.confusion import Confusion, row_of_label_id
from hiseg_ros.evaluation.hierarchy import NodeCounts
from hiseg_ros.evaluation.levels import level_groups, level_summary, merge_labels, merge_nodes
from hiseg_ros.taxonomy import Mapping, Taxonomy
from hiseg_ros.types import LabelImage, NodeProbabilities

OUTSIDE = -1
"""Label id of a pixel that is decided to be none of the labels."""


class NodeScores:
    """Scores of images of node ids, as the ROS node publishes them."""

    def __init__(self, mapping: Mapping, taxonomy: Taxonomy) -> None:
        """Start at zero."""
        self.mapping, self.taxonomy = mapping, taxonomy
        self.counts = NodeCounts(mapping, taxonomy)
        self._groups = [
            level_groups(mapping, taxonomy, level) for level in range(1, taxonomy.depth + 1)
        ]

    def add(self, truth: NDArray[np.uint8], nodes: LabelImage) -> None:
        """Count one image.

        Args:
            truth: (H, W) label ids; ids that are not evaluated are left out.
            nodes: (H, W) decided node ids.

        Raises:
            ImageError: The two differ in size.
        """
        self.counts.add(truth, nodes)

    def summary(self) -> dict[str, Any]:
        """Return the scores in the dataset's labels and at every level of the tree."""
        levels = [
            level_summary(groups.level, merge_nodes(groups, self.counts.counts, self.taxonomy))
            for groups in self._groups
        ]
        return {**self.counts.confusion().summary(), 'by_level': levels}

    def hierarchy(self) -> dict[str, object]:
        """Return the hierarchical scores."""
        return self.counts.summary()


class PixelScores:
    """Scores of node labels and of summed probabilities."""

    def __init__(self, mapping: Mapping, taxonomy: Taxonomy) -> None:
        """Start at zero."""
        self.nodes = NodeScores(mapping, taxonomy)
        self.summed, self.with_outside = Confusion(mapping), Confusion(mapping)
        self.calibration = Calibration()
        self.images = 0
        self._decide = LabelDecision(mapping, taxonomy)
        self._is_evaluated = row_of_label_id(mapping) >= 0
        self._groups = [
            level_groups(mapping, taxonomy, level) for level in range(1, taxonomy.depth + 1)
        ]

    def add(
        self, truth: NDArray[np.uint8], nodes: LabelImage, probabilities: NodeProbabilities
    ) -> NDArray[np.uint8]:
        """Count one image.

        Args:
            truth: (H, W) label ids; ids that are not evaluated are left out.
            nodes: (H, W) decided node ids.
            probabilities: Of every node, on the network's grid.

        Returns:
            (H, W) label ids decided by summed probability.

        Raises:
            ImageError: Truth and labels differ in size.
        """
        self.nodes.add(truth, nodes)
        choice = self._decide(probabilities)
        self.summed.add(truth, choice.label_ids)
        self.with_outside.add(
            truth, np.where(choice.is_outside, OUTSIDE, choice.label_ids.astype(np.int16))
        )
        counted = self._is_evaluated[truth]
        self.calibration.add(choice.probability[counted], (choice.label_ids == truth)[counted])
        self.images += 1
        return choice.label_ids

    def summary(self) -> dict[str, Any]:
        """Return all metrics.

        'nodes': scores of the node labels; 'summed': scores of the label with the largest summed
        probability, which is never out of set; 'summed_with_outside': the same where the sum of
        all leaves outside the set takes part and, where it wins, is an error; 'hierarchy': of the
        node labels; 'calibration': of the summed probability of the chosen label. 'by_category'
        is the first level of 'by_level'.
        """
        summed_levels = [
            level_summary(groups.level, merge_labels(groups, self.summed.counts))
            for groups in self._groups
        ]
        nodes = self.nodes.summary()
        nodes['by_category'] = nodes['by_level'][0]
        with_outside = self.with_outside.summary()
        short = ('miou', 'pixel_accuracy', 'out_of_set', 'miou_void_dropped', 'iou')
        return {
            'images': self.images,
            'pixels': int(self.summed.counts.sum()),
            'summed': {
                **self.summed.summary(),
                'by_level': summed_levels,
                'by_category': summed_levels[0],
            },
            'nodes': nodes,
            'summed_with_outside': {key: with_outside[key] for key in short},
            'hierarchy': self.nodes.hierarchy(),
            'calibration': self.calibration.summary(),
        }
