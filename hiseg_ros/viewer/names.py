# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Names of the timeline, and of entities that have no topic."""

from __future__ import annotations

import rerun as rr

TIMELINE = 'stamp'
"""The only timeline: the stamps of the camera's images."""

TIMES, FRAMES = 'times', 'frames'
"""Groups of the statistics: times in milliseconds, and counts of frames so far."""

BY_LEVEL = 'by level'
"""Group of the metrics at each level of the tree."""


def most_probable_path(node: str, level: int) -> str:
    """Return the path of the most probable nodes of a level."""
    return f'{node}/level_{level}/most_probable'


def node_path(node: str, name: str) -> str:
    """Return the path of the probability of one node of the tree."""
    return f'{node}/probabilities/{rr.escape_entity_path_part(name)}'


def metric_path(node: str, name: str) -> str:
    """Return the path of a metric of a replay's frames; the name may be 'group/name'."""
    words = [rr.escape_entity_path_part(word) for word in name.split('/')]
    return '/'.join([node, 'figures', *words])
