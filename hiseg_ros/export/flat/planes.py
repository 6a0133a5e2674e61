# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Maps the class probabilities of a flat network to planes: nodes of a taxonomy, and more.

There are two mappings. In the node probabilities that are published, a class is spread in equal
parts over the leaves of its label, so parents are the sums of their children and every level sums
to 1. For the decision, a class stays whole at its node: a node has the sum of all classes at or
below it, and a class whose node has other classes below it competes with these as one more child.
Where the two differ for a node, the decision has an additional plane.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.decision.plane_walk import MAX_PLANES, WalkNode, check_walk
from hiseg_ros.errors import ConfigError
from hiseg_ros.export.flat.classes import FlatClass
from hiseg_ros.taxonomy import Taxonomy


@dataclass(frozen=True)
class FlatPlanes:
    """The planes of a wrapped file as weighted sums of class probabilities."""

    weights: NDArray[np.float64]
    """(P, C): plane = sum of weight times class; the first V planes are the nodes."""
    walk: tuple[WalkNode, ...]
    """Decision tree, whose leaves are the classes."""
    plane_of_class: tuple[int, ...]
    """(C,): the plane that is equal to a class."""


def flat_planes(classes: Sequence[FlatClass], taxonomy: Taxonomy) -> FlatPlanes:
    """Return the planes of a flat network on a taxonomy.

    Args:
        classes: At least two, each with another node.
        taxonomy: The tree.

    Raises:
        ConfigError: More than MAX_PLANES planes are needed.
    """
    weights = [row for row in _spread(classes, taxonomy)]
    class_of_node = {one.node_id: index for index, one in enumerate(classes)}
    reached = sorted({node for one in classes for node in taxonomy.path(one.node_id)})

    def plane_with(row: NDArray[np.float64], node: int | None = None) -> int:
        if node is not None and np.array_equal(weights[node], row):
            return node
        weights.append(row)
        return len(weights) - 1

    unit = np.eye(len(classes))
    plane_of_node: dict[int, int] = {}
    plane_of_class = [0] * len(classes)
    walk: list[WalkNode] = []
    for node in reached:
        below = taxonomy.nodes_below(node)
        inside = [class_of_node[other] for other in below if other in class_of_node]
        plane = plane_of_node[node] = plane_with(unit[inside].sum(0), node)
        parent = taxonomy.parent(node)
        walk.append(WalkNode(plane, None if parent is None else plane_of_node[parent], node))
        if inside == [class_of_node.get(node)]:
            plane_of_class[inside[0]] = plane
    # Last among the children: on a tie the finer answer wins.
    for node in reached:
        index = class_of_node.get(node)
        if index is not None and any(other in reached for other in taxonomy.children(node)):
            plane_of_class[index] = plane_with(unit[index])
            walk.append(WalkNode(plane_of_class[index], plane_of_node[node], node))
    if len(weights) > MAX_PLANES:
        raise ConfigError(
            f'The {len(classes)} classes need {len(weights)} planes on taxonomy '
            f'{taxonomy.name!r}; expected at most {MAX_PLANES}: choose nodes that are not below '
            'each other.'
        )
    check_walk(tuple(walk), taxonomy)
    return FlatPlanes(np.array(weights), tuple(walk), tuple(plane_of_class))


def _spread(classes: Sequence[FlatClass], taxonomy: Taxonomy) -> NDArray[np.float64]:
    """Return the (V, C) share of each class in each node, spread in equal parts over leaves.

    These are the leaves of its node and of its label, without those of classes further down; if
    none is left, all leaves below its node.
    """
    nodes = {one.node_id for one in classes}
    leaf_index = taxonomy.leaf_index_of_node_id
    shares = np.zeros((len(leaf_index), len(classes)))
    for column, one in enumerate(classes):
        below = set(taxonomy.leaves_below(one.node_id))
        finer = {
            leaf
            for node in nodes & set(taxonomy.nodes_below(one.node_id)) - {one.node_id}
            for leaf in taxonomy.leaves_below(node)
        }
        allowed = below & set(one.leaves) or below
        own = sorted(allowed - finer or allowed)
        shares[[leaf_index[leaf] for leaf in own], column] = 1 / len(own)
    sums = taxonomy.leaf_matrix() @ shares
    # Shares of 1 are exact, whatever the rounding of their parts.
    return np.where(np.isclose(sums, 1, atol=1e-9), 1.0, sums)
