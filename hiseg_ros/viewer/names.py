# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Entities that are no topics: what they are called."""

from __future__ import annotations

import rerun as rr

TIMELINE = 'stamp'
"""The one timeline: the stamps of the camera's images."""

TIMES, FRAMES = 'times', 'frames'
"""Groups of the statistics: milliseconds, and frames so far."""

BY_LEVEL = 'by level'
"""Group of the metrics at each level of the tree."""


def most_probable_path(node: str, level: int) -> str:
    """Return where the most probable node of a level is shown."""
    return f'{node}/level_{level}/most_probable'


def node_path(node: str, name: str) -> str:
    """Return where the probability of one node of the tree is shown."""
    return f'{node}/probabilities/{rr.escape_entity_path_part(name)}'


def metric_path(node: str, name: str) -> str:
    """Return where a metric of a replay is shown; its name may have a group before a slash."""
    words = [rr.escape_entity_path_part(word) for word in name.split('/')]
    return '/'.join([node, 'figures', *words])
