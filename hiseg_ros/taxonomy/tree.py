# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The taxonomy: nodes, levels, leaves, and tables to convert label images."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from reprlib import repr as short_repr

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import TaxonomyError
from hiseg_ros.types import UNLABELED

MAX_NODES = 255
"""Node ids fit one byte beside 255 = unlabeled."""


MAX_NAME = 100
"""Characters of a name; names become messages, titles and lines of a terminal."""


@dataclass(frozen=True)
class Node:
    """One class of the tree."""

    node_id: int
    name: str
    parent: int | None
    """Node id of the parent, None for the root."""
    level: int
    """Distance from the root; the root is 0."""
    color: tuple[int, int, int]
    """(red, green, blue), 0..255."""


@dataclass(frozen=True)
class Taxonomy:
    """A tree of classes; node ids are positions in preorder, the root is 0."""

    name: str
    version: str
    nodes: tuple[Node, ...]
    subclass_root: int | None = None
    """Node whose regions get one subclass vote each (traffic signs), if any."""

    def __post_init__(self) -> None:
        """Check the tree.

        Raises:
            TaxonomyError: Too few or too many nodes, a name that is empty or that two nodes have,
                a colour that is none or that two nodes have, nodes out of preorder, an inner node
                with a single child, or a subclass root that is no inner node.
        """
        if not 2 <= len(self.nodes) <= MAX_NODES:
            raise TaxonomyError(
                f'Taxonomy {self.name!r} has {len(self.nodes)} nodes; expected 2 to {MAX_NODES}, '
                'since a node id is one byte and 255 means unlabeled.'
            )
        for what, text in (('name', self.name), ('version', self.version)):
            if not _is_word(text):
                raise TaxonomyError(
                    f'A taxonomy has the {what} {short_repr(text)}; expected a word of printable '
                    f'characters, at most {MAX_NAME}.'
                )
        self._check_preorder()
        self._check_unique('name', [node.name for node in self.nodes])
        self._check_unique('color', [node.color for node in self.nodes])
        for node in self.nodes:
            if not _is_word(node.name):
                raise TaxonomyError(
                    f'Node {node.node_id} of taxonomy {self.name!r} has the name '
                    f'{short_repr(node.name)}; expected a word of printable characters, at most '
                    f'{MAX_NAME}.'
                )
            if len(node.color) != 3 or not all(0 <= value <= 255 for value in node.color):
                raise TaxonomyError(
                    f'Node {node.name!r} of taxonomy {self.name!r} has the color {node.color}; '
                    'expected red, green and blue from 0 to 255.'
                )
            if len(self.children(node.node_id)) == 1:
                raise TaxonomyError(
                    f'Node {node.name!r} of taxonomy {self.name!r} has one child; expected none '
                    'or at least two, since one child leaves nothing to decide: merge them.'
                )
        if self.subclass_root is not None and self.subclass_root not in self.inner:
            raise TaxonomyError(
                f'Taxonomy {self.name!r} has the subclass root {self.subclass_root}; expected the '
                'id of a node with children, or none.'
            )

    def _check_preorder(self) -> None:
        path: list[int] = []
        for index, node in enumerate(self.nodes):
            while path and path[-1] != node.parent:
                path.pop()
            is_root = index == 0 and node.parent is None
            if node.node_id != index or not (is_root or path) or node.level != len(path):
                raise TaxonomyError(
                    f'Node {node.name!r} of taxonomy {self.name!r} has id {node.node_id}, parent '
                    f'{node.parent} and level {node.level} at position {index}; expected nodes in '
                    'preorder: the root first, then each branch in one piece, with ids counted '
                    'from 0 and levels one below the parent.'
                )
            path.append(index)

    def _check_unique(self, what: str, values: Sequence[object]) -> None:
        seen: dict[object, str] = {}
        for node, value in zip(self.nodes, values, strict=True):
            if value in seen:
                raise TaxonomyError(
                    f'Nodes {seen[value]!r} and {node.name!r} of taxonomy {self.name!r} have the '
                    f'same {what} {value!r}; expected a different one for each node.'
                )
            seen[value] = node.name

    def __len__(self) -> int:
        """Return the number of nodes V."""
        return len(self.nodes)

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) over names, parents and subclass root in order; not over colours."""
        rows = [[node.name, node.parent] for node in self.nodes]
        root = None if self.subclass_root is None else self.nodes[self.subclass_root].name
        text = json.dumps({'nodes': rows, 'subclass_root': root}, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @cached_property
    def _children(self) -> tuple[tuple[int, ...], ...]:
        lists: list[list[int]] = [[] for _ in self.nodes]
        for node in self.nodes[1:]:
            assert node.parent is not None  # checked above
            lists[node.parent].append(node.node_id)
        return tuple(tuple(children) for children in lists)

    @cached_property
    def _id_of_name(self) -> dict[str, int]:
        return {node.name: node.node_id for node in self.nodes}

    @cached_property
    def leaves(self) -> tuple[int, ...]:
        """Node ids of the leaves in order; position = leaf index."""
        return tuple(n.node_id for n in self.nodes if not self._children[n.node_id])

    @cached_property
    def inner(self) -> tuple[int, ...]:
        """Node ids of the inner nodes in order, root first."""
        return tuple(n.node_id for n in self.nodes if self._children[n.node_id])

    @property
    def classifiers(self) -> tuple[int, ...]:
        """Inner nodes: each has one classifier over its children."""
        return self.inner

    @cached_property
    def depth(self) -> int:
        """Largest level of any node."""
        return max(node.level for node in self.nodes)

    def node_id(self, name: str) -> int:
        """Return the id of a node by its name.

        Raises:
            TaxonomyError: No node has that name.
        """
        if name not in self._id_of_name:
            raise TaxonomyError(
                f'Taxonomy {self.name!r} has no node {name!r}; expected one of its '
                f'{len(self)} names: see `hiseg taxonomy show {self.name}`.'
            )
        return self._id_of_name[name]

    def __contains__(self, name: object) -> bool:
        """Return whether a node has that name."""
        return name in self._id_of_name

    def children(self, node_id: int) -> tuple[int, ...]:
        """Return the ids of a node's children in order."""
        return self._children[node_id]

    def parent(self, node_id: int) -> int | None:
        """Return the id of a node's parent, None for the root."""
        return self.nodes[node_id].parent

    def level(self, node_id: int) -> int:
        """Return a node's distance from the root."""
        return self.nodes[node_id].level

    def is_leaf(self, node_id: int) -> bool:
        """Return whether a node has no children."""
        return not self._children[node_id]

    def path(self, node_id: int) -> tuple[int, ...]:
        """Return the ids from the root to the node, both included."""
        path = [node_id]
        while (parent := self.nodes[path[-1]].parent) is not None:
            path.append(parent)
        return tuple(reversed(path))

    @cached_property
    def _leaves_below(self) -> tuple[tuple[int, ...], ...]:
        below: list[list[int]] = [[] for _ in self.nodes]
        for leaf in self.leaves:
            for ancestor in self.path(leaf):
                below[ancestor].append(leaf)
        return tuple(tuple(leaves) for leaves in below)

    def leaves_below(self, node_id: int) -> tuple[int, ...]:
        """Return the node ids of the leaves below a node; a leaf is below itself."""
        return self._leaves_below[node_id]

    def nodes_below(self, node_id: int) -> tuple[int, ...]:
        """Return the ids of a node and of everything below it."""
        return tuple(n.node_id for n in self.nodes if node_id in self.path(n.node_id))

    def ancestor_at_level(self, node_id: int, level: int) -> int:
        """Return the ancestor at a level, or the node itself where it lies higher.

        Raises:
            TaxonomyError: The level is negative.
        """
        _check_level(level)
        path = self.path(node_id)
        return path[min(level, len(path) - 1)]

    def level_nodes(self, level: int) -> tuple[int, ...]:
        """Return the nodes of a level and the leaves above it: their probabilities sum to 1.

        Below the deepest level these are the leaves.

        Raises:
            TaxonomyError: The level is negative.
        """
        _check_level(level)
        return tuple(
            n.node_id
            for n in self.nodes
            if n.level == level or (n.level < level and self.is_leaf(n.node_id))
        )

    def node_id_at_level(self, level: int) -> NDArray[np.uint8]:
        """Return the (256,) uint8 table that cuts a label image at a level; 255 stays 255.

        Raises:
            TaxonomyError: The level is negative.
        """
        table = np.full(256, UNLABELED, np.uint8)
        for node in self.nodes:
            table[node.node_id] = self.ancestor_at_level(node.node_id, level)
        return table

    @cached_property
    def leaf_index_of_node_id(self) -> dict[int, int]:
        """Position among the leaves by node id."""
        return {leaf: index for index, leaf in enumerate(self.leaves)}

    def leaf_matrix(self) -> NDArray[np.bool_]:
        """Return the (V, L) bool matrix: is leaf l below (or equal to) node v."""
        matrix = np.zeros((len(self), len(self.leaves)), np.bool_)
        for node in self.nodes:
            for leaf in self._leaves_below[node.node_id]:
                matrix[node.node_id, self.leaf_index_of_node_id[leaf]] = True
        return matrix

    @cached_property
    def palette(self) -> NDArray[np.uint8]:
        """(256, 3) uint8 RGB by node id; black where there is no node."""
        palette = np.zeros((256, 3), np.uint8)
        for node in self.nodes:
            palette[node.node_id] = node.color
        return palette


def _is_word(text: str) -> bool:
    return bool(text.strip()) and len(text) <= MAX_NAME and text.isprintable()


def _check_level(level: int) -> None:
    if level < 0:
        raise TaxonomyError(f'Level {level} was asked for; expected 0 (the root) or more.')
