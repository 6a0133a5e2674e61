# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Where the decision of a flat network may go: a tree of its own over the planes of its output."""

from __future__ import annotations

from dataclasses import dataclass

from hiseg_ros.taxonomy import Taxonomy

MAX_PLANES = 256
"""A place in the walk is one byte."""


@dataclass(frozen=True)
class WalkNode:
    """One place that a decision may reach."""

    plane: int
    """Of the network's output, where its probability stands."""
    parent: int | None
    """Plane of the place above; None for the root."""
    node_id: int
    """The taxonomy's node that a pixel is labelled with there."""


def check_walk(walk: tuple[WalkNode, ...], taxonomy: Taxonomy) -> None:
    """Check that a walk can be followed and stays in a tree; an empty one is not checked.

    Raises:
        ValueError: It does not begin at the root, a plane occurs twice or is out of range, a
            parent comes later or never, or a node is not of the tree or not below its parent's.
    """
    if not walk:
        return
    if walk[0] != WalkNode(0, None, 0):
        raise ValueError(f'the walk begins with {walk[0]}; expected the root in plane 0')
    node_of_plane = {0: 0}
    for place in walk[1:]:
        plane, parent, node_id = place.plane, place.parent, place.node_id
        if not all(type(number) is int for number in (plane, parent, node_id)):
            raise ValueError(f'the walk has {place}; expected whole numbers')
        is_own = plane == node_id or plane >= len(taxonomy)
        if not (0 <= plane < MAX_PLANES and 0 <= node_id < len(taxonomy) and is_own):
            raise ValueError(f'the walk has {place}; expected a node and a plane of its own')
        if plane in node_of_plane or parent not in node_of_plane:
            raise ValueError(f'the walk has {place}; expected each plane once, parents first')
        if node_of_plane[parent] not in taxonomy.path(node_id):
            raise ValueError(f'the walk has {place}; expected a node at or below its parent')
        node_of_plane[plane] = node_id
