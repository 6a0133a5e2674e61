# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The labels that a classical method tells apart, and what they mean in the tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.decision.tables import DecisionTables
from hiseg_ros.errors import ConfigError
from hiseg_ros.taxonomy import Mapping, Taxonomy

Planes = NDArray[np.float32]
"""(K, h, w) float32 in [0, 1]: the probability of every label, summing to 1 over the labels."""


@dataclass(frozen=True)
class MethodLabel:
    """One label: a set of leaves."""

    name: str
    leaves: tuple[int, ...]
    """Node ids, ascending, never empty."""


class LabelSet:
    """Labels without common leaves, and tables between them and the nodes of a tree."""

    def __init__(self, labels: Sequence[MethodLabel], taxonomy: Taxonomy) -> None:
        """Make the tables.

        Raises:
            ConfigError: There are fewer than two labels, or two of them share a leaf.
        """
        if len(labels) < 2:
            raise ConfigError(
                f'A classical method has the labels {[label.name for label in labels]}; expected '
                'at least two to tell apart: check the mapping of the dataset.'
            )
        owner: dict[int, str] = {}
        for label in labels:
            for leaf in label.leaves:
                if leaf in owner:
                    raise ConfigError(
                        f'Labels {owner[leaf]!r} and {label.name!r} both allow '
                        f'{taxonomy.nodes[leaf].name!r}; expected labels without common leaves '
                        'for a classical method: use another mapping.'
                    )
                owner[leaf] = label.name
        self.labels, self.taxonomy = tuple(labels), taxonomy
        columns = {leaf: column for column, leaf in enumerate(taxonomy.leaves)}
        allows = np.zeros((len(labels), len(taxonomy.leaves)), np.float32)
        for row, label in enumerate(labels):
            allows[row, [columns[leaf] for leaf in label.leaves]] = 1
        self._leaves = list(taxonomy.leaves)
        self._allows = allows
        shares = (allows / allows.sum(1, keepdims=True)).T
        self._spread = (taxonomy.leaf_matrix().astype(np.float32) @ shares).astype(np.float32)
        self.tables = _stopping(taxonomy, labels)

    def __len__(self) -> int:
        """Return the number of labels K."""
        return len(self.labels)

    @staticmethod
    def of(mapping: Mapping, taxonomy: Taxonomy) -> LabelSet:
        """Return the evaluated labels of a mapping.

        Raises:
            ConfigError: As the constructor.
        """
        labels = [MethodLabel(label.name, label.leaves) for label in mapping.evaluated_labels]
        return LabelSet(labels, taxonomy)

    def to_nodes(self, planes: Planes) -> NDArray[np.float32]:
        """Return (V, h, w) node probabilities; a label's is shared evenly by its leaves."""
        flat = self._spread @ planes.reshape(len(self), -1)
        return np.ascontiguousarray(flat.reshape(-1, *planes.shape[1:]), np.float32)

    def from_nodes(self, values: NDArray[np.float32]) -> Planes:
        """Return (K, h, w) label probabilities of (V, h, w) node probabilities."""
        return np.tensordot(self._allows, values[self._leaves], 1).astype(np.float32)


def _stopping(taxonomy: Taxonomy, labels: Sequence[MethodLabel]) -> DecisionTables:
    """Return the tree's tables with an end at each node that lies within a single label.

    What a label does not tell apart is not decided: a sign of any type stays a sign.
    """
    whole = DecisionTables.of(taxonomy)
    sets = [set(label.leaves) for label in labels]
    lists = [
        ()
        if any(set(taxonomy.leaves_below(node.node_id)) <= one for one in sets)
        else taxonomy.children(node.node_id)
        for node in taxonomy.nodes
    ]
    start = np.cumsum([0, *map(len, lists)], dtype=np.int32)
    children = np.array([child for row in lists for child in row], np.int32)
    return DecisionTables(start, children, whole.common)
