# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What a data set's labels mean in a taxonomy: each label is a set of leaves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import MappingError
from hiseg_ros.resources import named_or_path
from hiseg_ros.taxonomy.schema import read_yaml
from hiseg_ros.taxonomy.tree import Taxonomy


@dataclass(frozen=True)
class Label:
    """One label of a data set."""

    label_id: int
    """Value in the data set's label files."""
    name: str
    leaves: tuple[int, ...]
    """Node ids of the leaves that the label allows, ascending, never empty."""
    evaluated: bool = True
    """False for a label that only teaches what a pixel is not, such as 'outside all boxes'."""


@dataclass(frozen=True)
class Mapping:
    """All labels of a data set in one taxonomy."""

    name: str
    labels: tuple[Label, ...]
    unlabeled_ids: tuple[int, ...]
    """Label ids that say nothing about a pixel; they give no gradient and are not evaluated."""

    @property
    def evaluated_labels(self) -> tuple[Label, ...]:
        """The labels that a prediction can be right or wrong about."""
        return tuple(label for label in self.labels if label.evaluated)

    def label_matrix(self, taxonomy: Taxonomy) -> NDArray[np.bool_]:
        """Return the (labels, L) bool matrix: does label i allow leaf l."""
        matrix = np.zeros((len(self.labels), len(taxonomy.leaves)), np.bool_)
        for row, label in enumerate(self.labels):
            matrix[row, [taxonomy.leaf_index_of_node_id[leaf] for leaf in label.leaves]] = True
        return matrix

    def index_of_label_id(self, size: int) -> NDArray[np.int64]:
        """Return the (size,) table from label id to position in `labels`; -1 where unlabeled.

        Raises:
            MappingError: A label id does not fit the table.
        """
        table = np.full(size, -1, np.int64)
        for row, label in enumerate(self.labels):
            if not 0 <= label.label_id < size:
                raise MappingError(
                    f'Label {label.name!r} of mapping {self.name!r} has id {label.label_id}; '
                    f'expected 0 to {size - 1}.'
                )
            table[label.label_id] = row
        return table

    def label_id_of_node_id(self, taxonomy: Taxonomy) -> NDArray[np.int64]:
        """Return the (256,) table from node id to label id.

        A node counts for the evaluated label that allows every leaf below it; where no label or
        more than one does, the entry is -1.
        """
        table = np.full(256, -1, np.int64)
        for node in taxonomy.nodes:
            below = set(taxonomy.leaves_below(node.node_id))
            owners = [
                label.label_id for label in self.evaluated_labels if below <= set(label.leaves)
            ]
            if len(owners) == 1:
                table[node.node_id] = owners[0]
        return table


def load_mapping(name_or_path: str | Path, taxonomy: Taxonomy) -> Mapping:
    """Load a mapping by name (config/mappings/<name>.yaml) or from a file.

    Raises:
        MappingError: The file is missing, a key or a type is wrong, a label id occurs twice, or a
            name is not a node of the taxonomy.
    """
    path = named_or_path(name_or_path, 'mappings')
    data = read_yaml(path, 'Mapping', MappingError)
    known = {'name', 'description', 'source', 'labels', 'unlabeled', 'optional'}
    missing = {'name', 'labels'} - set(data)
    if missing or set(data) - known:
        raise MappingError(
            f'Mapping {path} lacks the keys {sorted(missing)} and has the unknown keys '
            f'{sorted(map(str, set(data) - known))}; expected some of {sorted(known)}.'
        )
    if not isinstance(data['labels'], list) or not data['labels']:
        raise MappingError(f'Mapping {path} has no list of labels; expected at least one label.')
    optional = frozenset(map(str, data.get('optional', [])))
    labels = tuple(_parse_label(row, optional, taxonomy, path) for row in data['labels'])
    unlabeled = tuple(int(value) for value in data.get('unlabeled', []))
    ids = [label.label_id for label in labels] + list(unlabeled)
    repeated = sorted({value for value in ids if ids.count(value) > 1})
    if repeated:
        raise MappingError(
            f'Mapping {path} names the label ids {repeated} more than once; expected each once.'
        )
    return Mapping(str(data['name']), labels, unlabeled)


def _parse_label(
    row: Any, optional: frozenset[str], taxonomy: Taxonomy, path: Path
) -> Label:
    known = {'id', 'name', 'nodes', 'without', 'evaluated'}
    if not isinstance(row, dict) or not {'id', 'name', 'nodes'} <= set(row) <= known:
        raise MappingError(
            f'Mapping {path} has a label {row!r}; expected the keys id, name, nodes and '
            'optionally without and evaluated.'
        )
    name = str(row['name'])
    if not isinstance(row['id'], int) or isinstance(row['id'], bool):
        raise MappingError(
            f'Label {name!r} of mapping {path} has the id {row["id"]!r}; expected an integer.'
        )
    allowed = _leaves_of(row['nodes'], name, optional, taxonomy, path)
    allowed -= _leaves_of(row.get('without', []), name, optional, taxonomy, path)
    if not allowed:
        raise MappingError(
            f'Label {name!r} of mapping {path} allows no leaf of taxonomy {taxonomy.name!r}; '
            'expected at least one: check nodes and without.'
        )
    return Label(row['id'], name, tuple(sorted(allowed)), bool(row.get('evaluated', True)))


def _leaves_of(
    names: Any, label: str, optional: frozenset[str], taxonomy: Taxonomy, path: Path
) -> set[int]:
    if not isinstance(names, list):
        raise MappingError(
            f'Label {label!r} of mapping {path} has nodes {names!r}; expected a list of names.'
        )
    leaves: set[int] = set()
    for name in map(str, names):
        if name in taxonomy:
            leaves.update(taxonomy.leaves_below(taxonomy.node_id(name)))
        elif name not in optional:
            raise MappingError(
                f'Label {label!r} of mapping {path} names {name!r}; expected a node of taxonomy '
                f'{taxonomy.name!r}: see `hiseg taxonomy show {taxonomy.name}`.'
            )
    return leaves
