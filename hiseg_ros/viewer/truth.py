# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The ground truth that a replay was scored against, with the names of its own label ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hiseg_ros.viewer.cameras import SeenCamera
from hiseg_ros.viewer.source import Source

Color = tuple[int, ...]
"""Red, green, blue and, where it is not opaque, alpha, 0 to 255."""
TRANSPARENT = (0, 0, 0, 0)


@dataclass(frozen=True)
class SeenTruth:
    """A topic with label ids."""

    topic: str
    node: str
    """Below which the results that it belongs to are found."""
    labels: tuple[tuple[int, str, Color], ...]
    """Id, name and colour of each label."""


def find_truth(source: Source, cameras: Sequence[SeenCamera]) -> SeenTruth | None:
    """Return the ground truth of a replay, None where it has none.

    Args:
        source: What is looked at.
        cameras: Its cameras; the ground truth is of the first that was replayed.
    """
    metrics = source.metrics or {}
    topic = metrics.get('bag', {}).get('truth_topic')
    facts = metrics.get('run', {}).get('mapping') or {}
    if not topic or 'labels' not in facts:  # an earlier version did not keep them
        return None
    # Not before: these rooms cost torch.
    from hiseg_ros.evaluation.album import label_color
    from hiseg_ros.replay.label_set import mapping_of

    first = metrics['cameras'][0]['node']
    for camera in cameras:
        if camera.node == first:
            mapping = mapping_of(facts)
            named: list[tuple[int, str, Color]] = [
                (label.label_id, label.name, label_color(label, camera.taxonomy))
                for label in mapping.labels
            ]
            named += [(number, 'unlabeled', TRANSPARENT) for number in mapping.unlabeled_ids]
            return SeenTruth(topic, first, tuple(named))
    return None
