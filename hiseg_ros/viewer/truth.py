# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Finding the ground truth of a replay, with the names and colours of its label ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hiseg_ros.viewer.cameras import SeenCamera
from hiseg_ros.viewer.source import Source

Color = tuple[int, ...]
"""Red, green, blue and, if it is not opaque, alpha, 0 to 255."""
TRANSPARENT = (0, 0, 0, 0)


@dataclass(frozen=True)
class SeenTruth:
    """Ground truth that is shown."""

    topic: str
    node: str
    """Prefix of the results that it belongs to."""
    labels: tuple[tuple[int, str, Color], ...]
    """Id, name and colour of each label."""


def find_truth(source: Source, cameras: Sequence[SeenCamera]) -> SeenTruth | None:
    """Return the ground truth of a replay, None if there is none.

    Args:
        source: The source that is shown.
        cameras: Its cameras; the ground truth is that of the first one replayed.
    """
    metrics = source.metrics or {}
    topic = metrics.get('bag', {}).get('truth_topic')
    facts = metrics.get('run', {}).get('mapping') or {}
    if not topic or 'labels' not in facts:  # an earlier version did not write them
        return None
    # Imported here, since evaluation imports torch.
    from hiseg_ros.evaluation.album import label_color
    from hiseg_ros.replay.mapping_facts import mapping_of

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
