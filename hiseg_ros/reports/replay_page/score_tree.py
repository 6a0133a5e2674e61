# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Metrics by node as trees that can be unfolded: IoU of merged labels, and flicker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hiseg_ros.evaluation.album import label_color
from hiseg_ros.evaluation.levels import LevelGroups, level_groups
from hiseg_ros.reports.replay_page.layers import hex_color
from hiseg_ros.taxonomy import Mapping, Taxonomy

MIN_SHARE = 0.0001
"""Least share of the steady pixels for a branch to have a line."""


@dataclass(frozen=True)
class Branch:
    """One line of the tree, and the lines below it."""

    name: str
    color: str | None
    """'#rrggbb'."""
    level: int | None
    """Level of the node; None for a label of the ground truth."""
    values: Sequence[float | None]
    """Metrics in [0, 1]; None where there are no pixels."""
    weight: int
    """Pixels that the metrics are computed over."""
    children: Sequence[Branch] = ()


def iou_tree(scores: dict[str, Any], mapping: Mapping, taxonomy: Taxonomy) -> tuple[Branch, ...]:
    """Return IoU of node labels and of the summed decision, from the first level to the labels.

    A group with one label is shown as the label; a group that the next level does not split is
    shown once.

    Args:
        scores: The scores in metrics.json.
        mapping: Mapping of the ground truth.
        taxonomy: The label tree.
    """
    levels = [level_groups(mapping, taxonomy, level) for level in range(1, taxonomy.depth + 1)]
    return _groups(scores, levels, 0, range(len(mapping.evaluated_labels)), mapping, taxonomy)


def _groups(
    scores: dict[str, Any],
    levels: Sequence[LevelGroups],
    depth: int,
    labels: Sequence[int],
    mapping: Mapping,
    taxonomy: Taxonomy,
) -> tuple[Branch, ...]:
    """Return the branches that a level splits some labels into."""
    if depth == len(levels):
        return tuple(_label(scores, label, mapping, taxonomy) for label in labels)
    parts: dict[int, list[int]] = {}
    for label in labels:
        parts.setdefault(int(levels[depth].group_of_label[label]), []).append(label)
    branches = []
    for group, members in parts.items():
        if len(members) == 1:
            branches.append(_label(scores, members[0], mapping, taxonomy))
            continue
        below = _groups(scores, levels, depth + 1, members, mapping, taxonomy)
        if len(below) == 1:
            below = tuple(below[0].children)
        name = levels[depth].mapping.labels[group].name
        is_node = name in taxonomy
        rows = [scores[way]['by_level'][depth] for way in ('nodes', 'summed')]
        branches.append(
            Branch(
                name,
                hex_color(taxonomy.nodes[taxonomy.node_id(name)].color) if is_node else None,
                depth + 1,
                [row['iou'][name] for row in rows],
                rows[0]['pixels'][name],
                below,
            )
        )
    return tuple(branches)


def _label(scores: dict[str, Any], row: int, mapping: Mapping, taxonomy: Taxonomy) -> Branch:
    label = mapping.evaluated_labels[row]
    values = [scores[way]['iou'][label.name] for way in ('nodes', 'summed')]
    pixels = scores['nodes']['pixels'][label.name]
    return Branch(label.name, hex_color(label_color(label, taxonomy)), None, values, pixels)


def flicker_tree(stability: dict[str, Any], taxonomy: Taxonomy) -> tuple[Branch, ...]:
    """Return the share of steady pixels whose label changed, by node and its descendants together.

    A node with a single line below it is replaced by that line.

    Args:
        stability: The stability of a camera in metrics.json.
        taxonomy: The label tree.
    """
    steady, changed = [0] * len(taxonomy), [0] * len(taxonomy)
    for row in stability['by_node']:
        for node_id in taxonomy.path(row['node_id']):
            steady[node_id] += row['steady_pixels']
            changed[node_id] += round(row['steady_pixels'] * row['flicker'])
    least = max(1.0, MIN_SHARE * steady[0])

    def branch(node_id: int) -> Branch:
        below = [branch(child) for child in taxonomy.children(node_id) if steady[child] >= least]
        if len(below) == 1 and below[0].weight > (1 - MIN_SHARE) * steady[node_id]:
            return below[0]
        node = taxonomy.nodes[node_id]
        return Branch(
            node.name, hex_color(node.color), node.level, [changed[node_id] / steady[node_id]],
            steady[node_id], below,
        )  # fmt: skip

    top = [branch(child) for child in taxonomy.children(0) if steady[child] >= least]
    return tuple(sorted(top, key=lambda one: -one.weight))
