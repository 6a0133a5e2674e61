# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Labels of a dataset merged to the nodes of one level of the taxonomy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.evaluation.confusion import Confusion
from hiseg_ros.taxonomy import Label, Mapping, Taxonomy


@dataclass(frozen=True)
class LevelGroups:
    """The evaluated labels of a mapping, grouped by the node of a level that they lie below."""

    level: int
    mapping: Mapping
    """One label per group; its id is the group's index."""
    group_of_label: NDArray[np.int64]
    """(evaluated labels,) index of each label's group."""


def level_groups(mapping: Mapping, taxonomy: Taxonomy, level: int) -> LevelGroups:
    """Return the groups of a level, in the order of their first labels.

    Labels whose leaves all lie below one node of the level are merged to it; a label that spans
    several of its nodes cannot be merged and stays a group of its own, under its own name. A
    group allows every leaf of its node but those of labels in other groups.

    Raises:
        TaxonomyError: The level is negative.
    """
    labels = mapping.evaluated_labels
    keys: dict[tuple[str, int], list[int]] = {}
    for index, label in enumerate(labels):
        above = {taxonomy.ancestor_at_level(leaf, level) for leaf in label.leaves}
        key = ('node', above.pop()) if len(above) == 1 else ('label', index)
        keys.setdefault(key, []).append(index)
    groups: list[Label] = []
    group_of_label = np.zeros(len(labels), np.int64)
    node_names = {taxonomy.nodes[number].name for kind, number in keys if kind == 'node'}
    for group, ((kind, number), members) in enumerate(keys.items()):
        group_of_label[members] = group
        if kind == 'node':
            name = taxonomy.nodes[number].name
            others = {
                leaf
                for index, label in enumerate(labels)
                if index not in members
                for leaf in label.leaves
            }
            leaves = set(taxonomy.leaves_below(number)) - others
            leaves |= {leaf for index in members for leaf in labels[index].leaves}
        else:
            name, leaves = labels[number].name, set(labels[number].leaves)
            name += ' (label)' if name in node_names else ''
        groups.append(Label(group, name, tuple(sorted(leaves))))
    return LevelGroups(level, Mapping(mapping.name, tuple(groups), ()), group_of_label)


def merge_labels(groups: LevelGroups, counts: NDArray[np.int64]) -> Confusion:
    """Return the confusion of groups from that of labels.

    Args:
        groups: Which label belongs where.
        counts: (N, N + 1) pixels by true and predicted label; the last column is out of set.
    """
    count = len(groups.mapping.labels)
    columns = np.append(groups.group_of_label, count)
    return Confusion(groups.mapping, _merged(counts, groups.group_of_label, columns, count))


def merge_nodes(
    groups: LevelGroups, node_counts: NDArray[np.int64], taxonomy: Taxonomy
) -> Confusion:
    """Return the confusion of groups from counts of decided nodes.

    Args:
        groups: Which label belongs where.
        node_counts: (N, 256) pixels by true label and decided node id.
        taxonomy: The tree of the nodes.
    """
    count = len(groups.mapping.labels)
    columns = groups.mapping.label_id_of_node_id(taxonomy)
    columns = np.where(columns < 0, count, columns)
    return Confusion(groups.mapping, _merged(node_counts, groups.group_of_label, columns, count))


def _merged(
    counts: NDArray[np.int64], rows: NDArray[np.int64], columns: NDArray[np.int64], groups: int
) -> NDArray[np.int64]:
    merged = np.zeros((groups, groups + 1), np.int64)
    np.add.at(merged, (rows[:, None], columns[None]), counts)
    return merged


def level_summary(level: int, confusion: Confusion) -> dict[str, object]:
    """Return the scores of a level, in [0, 1]."""
    kept = ('miou', 'pixel_accuracy', 'mean_class_accuracy', 'out_of_set', 'iou', 'pixels')
    summary = confusion.summary()
    return {
        'level': level,
        'groups': len(confusion.labels),
        **{key: summary[key] for key in kept},
    }
