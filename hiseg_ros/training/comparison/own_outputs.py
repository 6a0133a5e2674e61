# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A network without common classes, measured on a dataset by the outputs of that dataset."""

from __future__ import annotations

import numpy as np

from hiseg_ros.evaluation.segmenter import Segmenter
from hiseg_ros.inference.decisions import DenseDecision
from hiseg_ros.taxonomy import Mapping, Taxonomy
from hiseg_ros.training.comparison.own_labels import PREFIX, output_name
from hiseg_ros.types import EVERYTHING, NodeProbabilities, RgbImage, Segmentation, Wanted


class OwnOutputs:
    """An engine's outputs for one dataset as probabilities on the common tree.

    A label's probability, among the labels of its dataset, is spread evenly over the leaves that
    it allows, so that sums over them are what the network says. A label that is not evaluated says
    only what a pixel is not: its probability stays together, in the first of its leaves, as one
    output that competes with the others.
    """

    def __init__(
        self, engine: Segmenter, dataset: str, mapping: Mapping, taxonomy: Taxonomy
    ) -> None:
        """Take the outputs of a dataset.

        Args:
            engine: Its tree is one of `own_labels`, with outputs for the dataset.
            dataset: Name of the dataset.
            mapping: Its labels on the common tree.
            taxonomy: The common tree.
        """
        self.taxonomy = taxonomy
        self._engine = engine
        self._columns = [
            engine.taxonomy.node_id(output_name(dataset, label.name)) for label in mapping.labels
        ]
        spread = mapping.label_matrix(taxonomy).astype(np.float64)
        for row, label in zip(spread, mapping.labels, strict=True):
            if not label.evaluated:
                row[int(row.argmax()) + 1 :] = 0
        spread /= spread.sum(1, keepdims=True)
        self._nodes = (taxonomy.leaf_matrix() @ spread.T).astype(np.float32)
        self._decision = DenseDecision(taxonomy)

    def segment(self, rgb: RgbImage, wanted: Wanted = EVERYTHING) -> Segmentation:
        """Segment one image; arguments and result as of `Engine.segment`."""
        import torch

        result = self._engine.segment(rgb, Wanted(labels=False, confidence=False))
        own = result.probabilities.values[self._columns].astype(np.float64)
        own /= np.maximum(own.sum(0), np.finfo(np.float64).tiny)
        nodes = np.tensordot(self._nodes, own, 1).astype(np.float32).clip(0, 1)
        size = result.probabilities.image_size
        labels, confidence, values = self._decision(torch.from_numpy(nodes), size, 0.0, wanted)
        return Segmentation(labels, confidence, NodeProbabilities(values, size), result.timings_ms)


def has_own_labels(engine: Segmenter) -> bool:
    """Return whether a network has outputs for each dataset instead of common classes."""
    return engine.taxonomy.name.startswith(PREFIX)


def has_outputs_for(engine: Segmenter, dataset: str, mapping: Mapping) -> bool:
    """Return whether a network without common classes has outputs for a dataset."""
    return all(output_name(dataset, label.name) in engine.taxonomy for label in mapping.labels)
