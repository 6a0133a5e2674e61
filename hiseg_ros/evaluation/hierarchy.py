# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Hierarchical metrics: how deep into the tree decided nodes are right."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.evaluation.confusion import Confusion, check_same_size, row_of_label_id
from hiseg_ros.taxonomy import Label, Mapping, Taxonomy
from hiseg_ros.types import LabelImage


class NodeCounts:
    """Counts of decided nodes by true label, from which all scores of nodes follow."""

    def __init__(self, mapping: Mapping, taxonomy: Taxonomy) -> None:
        """Start at zero."""
        self.mapping, self.taxonomy = mapping, taxonomy
        self.counts = np.zeros((len(mapping.evaluated_labels), 256), np.int64)
        """(N, 256) pixels by evaluated label and node id."""
        self._row = row_of_label_id(mapping)

    def add(self, truth: NDArray[np.uint8], nodes: LabelImage) -> None:
        """Count one image.

        Args:
            truth: (H, W) label ids; ids that are not evaluated are left out.
            nodes: (H, W) decided node ids.

        Raises:
            ImageError: The two differ in size.
        """
        check_same_size(truth, nodes)
        rows = self._row[truth]
        valid = rows >= 0
        flat = rows[valid] * 256 + nodes[valid]
        counted = np.bincount(flat, minlength=self.counts.size)
        self.counts += counted.reshape(self.counts.shape)

    def confusion(self) -> Confusion:
        """Return the confusion of labels, a node counting for the label it lies below."""
        count = len(self.counts)
        label_id = self.mapping.label_id_of_node_id(self.taxonomy)
        column = np.where(label_id < 0, count, row_of_label_id(self.mapping)[label_id])
        merged = np.zeros((count, count + 1), np.int64)
        np.add.at(merged, (np.arange(count)[:, None], column[None]), self.counts)
        return Confusion(self.mapping, merged)

    def summary(self) -> dict[str, object]:
        """Return the hierarchical scores, in [0, 1].

        A label is the nodes that cover its leaves exactly; the truth of a pixel is the one of
        them that the decided node agrees with deepest. What a node says below its truth is
        unknown and counts neither way. The root, which is always right, is left out.

        'relative_depth': mean level of the deepest common ancestor of node and truth, over the
        truth's level. 'precision', 'recall', 'f1': shared ancestors (the nodes themselves
        included) over all of the decided node's, over all of the truth's, and their harmonic
        mean. 'by_level': share of pixels that are right down to a level, or down to their truth
        where that lies higher, and share of pixels whose truth reaches that deep.
        """
        shared, truth, decided = agreement(self.mapping, self.taxonomy)
        counts = self.counts[:, : len(self.taxonomy)].copy()
        # Pixels without a node (255) count as the root.
        counts[:, 0] += self.counts[:, len(self.taxonomy) :].sum(1)
        total = max(1, int(self.counts.sum()))
        relative = shared / np.maximum(truth, 1)
        relative[truth == 0] = 1.0  # a label that allows everything is always right
        common = float((counts * shared).sum())
        precision = common / max(1.0, float((counts * decided).sum()))
        recall = common / max(1.0, float((counts * truth).sum()))
        return {
            'relative_depth': float((counts * relative).sum() / total),
            'precision': precision,
            'recall': recall,
            'f1': 2 * precision * recall / (precision + recall) if common else 0.0,
            'by_level': [
                {
                    'level': level,
                    'right': float((counts * (shared >= np.minimum(level, truth))).sum() / total),
                    'known': float((counts * (truth >= level)).sum() / total),
                }
                for level in range(1, self.taxonomy.depth + 1)
            ],
        }


def cover(label: Label, taxonomy: Taxonomy) -> tuple[int, ...]:
    """Return the highest nodes that together have exactly the label's leaves, in order."""
    leaves = set(label.leaves)
    inside = {
        node.node_id
        for node in taxonomy.nodes
        if leaves.issuperset(taxonomy.leaves_below(node.node_id))
    }
    return tuple(node_id for node_id in sorted(inside) if taxonomy.parent(node_id) not in inside)


def agreement(
    mapping: Mapping, taxonomy: Taxonomy
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return levels of (evaluated label, decided node), each (N, V).

    The first is the level of the deepest common ancestor of the node and the label's nearest
    node, the second that of the label's nearest node, the third that of the decided node, cut at
    the label's nearest node where it lies below it. Nearest is the node whose share of common
    levels is largest; of equals the highest, then the first.
    """
    size = (len(mapping.evaluated_labels), len(taxonomy))
    shared, truth, decided = (np.zeros(size, np.int64) for _ in range(3))
    paths = [taxonomy.path(node.node_id) for node in taxonomy.nodes]
    for row, label in enumerate(mapping.evaluated_labels):
        candidates = cover(label, taxonomy)
        for node in taxonomy.nodes:
            best: tuple[float, int, int] = (-1.0, 0, 0)
            for candidate in candidates:
                depth = taxonomy.level(candidate)
                common = len(set(paths[candidate]) & set(paths[node.node_id])) - 1
                score = common / depth if depth else 1.0
                if (score, -depth) > (best[0], -best[1]):
                    best = (score, depth, common)
            _, depth, common = best
            shared[row, node.node_id], truth[row, node.node_id] = common, depth
            decided[row, node.node_id] = common if common == depth else node.level
    return shared, truth, decided
