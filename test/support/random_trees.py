# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Trees for tests: written as nested lists, or grown at random."""

from __future__ import annotations

from typing import Any

import numpy as np

from hiseg_ros.taxonomy import Node, Taxonomy


def named_tree(tree: Any, subclass_root: str | None = None) -> Taxonomy:
    """Return the taxonomy of (name, [children]) pairs; a leaf is its name alone."""
    nodes: list[Node] = []

    def add(item: Any, parent: int | None, level: int) -> None:
        name, children = (item, []) if isinstance(item, str) else item
        node_id = len(nodes)
        color = (node_id, 255 - node_id, 7 * node_id % 256)
        nodes.append(Node(node_id, name, parent, level, color))
        for child in children:
            add(child, node_id, level + 1)

    add(tree, None, 0)
    names = [node.name for node in nodes]
    root = None if subclass_root is None else names.index(subclass_root)
    return Taxonomy('test', '1', tuple(nodes), root)


def random_tree(rng: np.random.Generator, most_leaves: int = 12) -> Taxonomy:
    """Return a tree grown by giving leaves two to four children."""
    tree: list[Any] = ['0', []]
    leaves = [tree]
    wanted = int(rng.integers(2, most_leaves + 1))
    while len(leaves) < wanted:
        grown = leaves.pop(int(rng.integers(len(leaves))))
        grown[1].extend([f'{grown[0]}.{index}', []] for index in range(int(rng.integers(2, 5))))
        leaves.extend(grown[1])
    return named_tree(tree)


def random_leaf_probabilities(
    rng: np.random.Generator, taxonomy: Taxonomy, shape: tuple[int, ...], peak: float = 3.0
) -> np.ndarray:
    """Return (L, *shape) float32 probabilities; a larger peak makes them more certain."""
    logits = rng.normal(0, peak, (len(taxonomy.leaves), *shape))
    values = np.exp(logits - logits.max(0))
    return (values / values.sum(0)).astype(np.float32)


def node_values(taxonomy: Taxonomy, leaf_probabilities: np.ndarray) -> np.ndarray:
    """Return (V, ...) float32 probabilities of all nodes, parents as sums of their leaves."""
    values = np.zeros((len(taxonomy), *leaf_probabilities.shape[1:]), np.float64)
    for row, leaf in enumerate(taxonomy.leaves):
        for node in taxonomy.path(leaf):
            values[node] += leaf_probabilities[row]
    return values.astype(np.float32)
