# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""How the probabilities of a flat network's classes lie on the nodes of a taxonomy.

Two readings of one distribution. For everybody who reads probabilities, a class gives its mass in
equal parts to the leaves that it may mean, so parents are the sums of their children and every
level sums to 1. For the decision, the mass stays whole at the node of the class: a node has the
mass of all classes at or below it, and a class whose node has others below it competes with these
as one more child. Where the two readings of a node differ, the decision has a plane of its own.
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
    """The planes of a wrapped file as sums of class probabilities."""

    weights: NDArray[np.float64]
    """(P, C): plane = sum of weight times class; the first V planes are the nodes."""
    walk: tuple[WalkNode, ...]
    """Where the decision may go: every end of it is one class."""
    plane_of_class: tuple[int, ...]
    """(C,): the plane that holds a class alone and whole."""


def flat_planes(classes: Sequence[FlatClass], taxonomy: Taxonomy) -> FlatPlanes:
    """Lay the classes of a flat network on a taxonomy.

    Args:
        classes: At least two, each with a node of its own.
        taxonomy: The tree.

    Raises:
        ConfigError: The walk needs more planes than there are ids.
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
            f'{taxonomy.name!r}; expected at most {MAX_PLANES}: give classes nodes that do not '
            'lie below each other.'
        )
    check_walk(tuple(walk), taxonomy)
    return FlatPlanes(np.array(weights), tuple(walk), tuple(plane_of_class))


def _spread(classes: Sequence[FlatClass], taxonomy: Taxonomy) -> NDArray[np.float64]:
    """Return the (V, C) share of each class in each node, its mass in equal parts on leaves.

    These are the leaves of its node that its label allows, but for those of classes further down;
    where nothing is left, all that lie below its node.
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
    # What is all of a class is exactly that, whatever the parts' rounding.
    return np.where(np.isclose(sums, 1, atol=1e-9), 1.0, sums)
