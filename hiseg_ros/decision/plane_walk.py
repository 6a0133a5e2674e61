# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Decision tree of a wrapped flat network, over the planes of its output."""

from __future__ import annotations

from dataclasses import dataclass

from hiseg_ros.taxonomy import Taxonomy

MAX_PLANES = 256
"""A plane's number is stored in one byte."""


@dataclass(frozen=True)
class WalkNode:
    """One node of the decision tree."""

    plane: int
    """Plane of the network's output with its probability."""
    parent: int | None
    """Plane of the parent; None for the root."""
    node_id: int
    """Node of the taxonomy with which pixels are labelled where the decision ends here."""


def check_walk(walk: tuple[WalkNode, ...], taxonomy: Taxonomy) -> None:
    """Check that a decision tree is valid and follows the taxonomy; an empty one is accepted.

    Args:
        walk: Nodes of the decision tree, parents before their children.
        taxonomy: The tree of the labels.

    Raises:
        ValueError: The first node is not the root, a plane occurs twice or is out of range, a
            parent is missing or comes later, or a node is not in the taxonomy or not at or below
            its parent's.
    """
    if not walk:
        return
    if walk[0] != WalkNode(0, None, 0):
        raise ValueError(f'the walk begins with {walk[0]}; expected the root in plane 0')
    node_of_plane = {0: 0}
    for place in walk[1:]:
        plane, parent, node_id = place.plane, place.parent, place.node_id
        if not all(type(number) is int for number in (plane, parent, node_id)):
            raise ValueError(f'the walk has {place}; expected integers')
        is_own = plane == node_id or plane >= len(taxonomy)
        if not (0 <= plane < MAX_PLANES and 0 <= node_id < len(taxonomy) and is_own):
            raise ValueError(f'the walk has {place}; expected a node and a plane of its own')
        if plane in node_of_plane or parent not in node_of_plane:
            raise ValueError(f'the walk has {place}; expected each plane once, parents first')
        if node_of_plane[parent] not in taxonomy.path(node_id):
            raise ValueError(f'the walk has {place}; expected a node at or below its parent')
        node_of_plane[plane] = node_id
