# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Scores against ground truth, per frame and over all: in its labels and at every tree level."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.evaluation.confusion import Confusion, mean
from hiseg_ros.evaluation.hierarchy import NodeCounts
from hiseg_ros.evaluation.levels import level_groups, merge_labels, merge_nodes
from hiseg_ros.evaluation.pixels import PixelScores
from hiseg_ros.evaluation.train_ids import TrainIdNotes, TrainIdWatch
from hiseg_ros.replay.truth import Truth, check_label_ids
from hiseg_ros.taxonomy import Mapping, Taxonomy
from hiseg_ros.types import Segmentation


class TruthScores:
    """Scores frames against their ground truth."""

    def __init__(
        self, mapping: Mapping, taxonomy: Taxonomy, watch: TrainIdNotes | None = None
    ) -> None:
        """Start at zero.

        Args:
            mapping: Mapping of the label ids.
            taxonomy: Tree of the labels.
            watch: In place of the check for trainIds, where only a part of the frames is seen.
        """
        self.mapping, self._taxonomy = mapping, taxonomy
        self.frames_without = 0
        self._all = PixelScores(mapping, taxonomy)
        self.watch: TrainIdWatch | TrainIdNotes = watch or TrainIdWatch(mapping)
        self._groups = [
            level_groups(mapping, taxonomy, level) for level in range(1, taxonomy.depth + 1)
        ]

    def add(self, truth: Truth | None, segmentation: Segmentation) -> dict[str, Any] | None:
        """Score one frame; return its metrics, None without ground truth.

        Raises:
            BagError: The ground truth has a label id that the mapping does not know.
            DatasetError: It has trainIds of Cityscapes instead of labelIds.
            ImageError: The ground truth differs from the image in size.
        """
        if truth is None:
            self.frames_without += 1
            return None
        check_label_ids(truth.label_ids, self.mapping, 'the recording')
        self.watch.add(truth.label_ids)
        predicted = self._all.add(truth.label_ids, segmentation.labels, segmentation.probabilities)
        one = NodeCounts(self.mapping, self._taxonomy)
        one.add(truth.label_ids, segmentation.labels)
        summed = Confusion(self.mapping)
        summed.add(truth.label_ids, predicted)
        return {
            'nodes': _metrics(one.confusion()),
            'nodes_by_level': [
                _metrics(merge_nodes(groups, one.counts, self._taxonomy))
                for groups in self._groups
            ],
            'summed': _metrics(summed),
        }

    def summary(self) -> dict[str, Any]:
        """Return the metrics of `PixelScores.summary`, with a confusion matrix at every level.

        Raises:
            DatasetError: The ground truth has trainIds of Cityscapes instead of labelIds.
        """
        self.watch.finish()
        scores = self._all.summary()
        node_counts, summed_counts = self._all.nodes.counts.counts, self._all.summed.counts
        for row, groups in zip(scores['nodes']['by_level'], self._groups, strict=True):
            merged = merge_nodes(groups, node_counts, self._taxonomy)
            row['confusion'] = merged.summary()['confusion']
        for row, groups in zip(scores['summed']['by_level'], self._groups, strict=True):
            row['confusion'] = merge_labels(groups, summed_counts).summary()['confusion']
        for part in ('nodes', 'summed'):
            del scores[part]['by_category']  # the first of the levels
        return {
            'mapping': self.mapping.name,
            'frames_with_truth': scores.pop('images'),
            'frames_without_truth': self.frames_without,
            **scores,
        }

    def take_confidence(self) -> NDArray[np.float64]:
        """Return the (bins,) sums of confidence and set them to zero.

        Sums of floats depend on their order: frame by frame, they can be added in that of a whole
        replay later.
        """
        calibration = self._all.calibration
        taken, calibration.confidence = (
            calibration.confidence,
            np.zeros_like(calibration.confidence),
        )
        return taken

    def add_confidence(self, sums: NDArray[np.float64]) -> None:
        """Add what `take_confidence` gave for one frame."""
        self._all.calibration.confidence += sums

    def note_train_ids(self, is_alike: bool) -> None:
        """Count one of the first frames of a part, see `TrainIdNotes.are_alike`.

        Raises:
            DatasetError: The ground truth has trainIds of Cityscapes instead of labelIds.
        """
        if isinstance(self.watch, TrainIdWatch):
            self.watch.note(is_alike)

    def state(self) -> dict[str, Any]:
        """Return the state that a resumed run starts from."""
        calibration = self._all.calibration
        return {
            'frames': self._all.images,
            'frames_without': self.frames_without,
            'nodes': self._all.nodes.counts.counts,
            'summed': self._all.summed.counts,
            'with_outside': self._all.with_outside.counts,
            'calibration': [calibration.pixels, calibration.right, calibration.confidence],
        }

    def load(self, state: dict[str, Any]) -> None:
        """Continue from a state."""
        scores, calibration = self._all, self._all.calibration
        scores.images, self.frames_without = state['frames'], state['frames_without']
        scores.nodes.counts.counts = state['nodes']
        scores.summed.counts = state['summed']
        scores.with_outside.counts = state['with_outside']
        calibration.pixels, calibration.right, calibration.confidence = state['calibration']

    def add_state(self, state: dict[str, Any], *, confidence: bool = True) -> None:
        """Add the counts of another state.

        Args:
            state: As returned by `state`.
            confidence: Whether to add the sums of confidence too.
        """
        whole, places = self.state(), (0, 1, 2) if confidence else (0, 1)
        for key in ('frames', 'frames_without', 'nodes', 'summed', 'with_outside'):
            whole[key] = whole[key] + state[key]
        for place in places:
            whole['calibration'][place] = whole['calibration'][place] + state['calibration'][place]
        self.load(whole)


def _metrics(confusion: Confusion) -> dict[str, float | None]:
    """Return a frame's metrics; its mIoU is over the labels in its ground truth."""
    counts = confusion.counts
    is_true = counts.sum(1) > 0
    miou = mean(confusion.iou()[is_true])
    total = int(counts.sum())
    return {
        'miou': None if np.isnan(miou) else round(miou, 6),
        'pixel_accuracy': round(int(np.trace(counts)) / total, 6) if total else None,
    }
