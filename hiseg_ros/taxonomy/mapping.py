# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Mapping of the labels of a dataset onto a taxonomy: each label is a set of leaves."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from reprlib import repr as short_repr
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import MappingError
from hiseg_ros.resources import named_or_path
from hiseg_ros.taxonomy.schema import key_problems
from hiseg_ros.taxonomy.tree import Taxonomy
from hiseg_ros.yaml_file import read_yaml

LARGEST_LABEL_ID = 2**31 - 1
"""Largest absolute value of a label id: ids are stored as 32-bit integers."""

OPTIONAL_LABEL_KEYS = ('without', 'evaluated', 'counted_as', 'shape', 'published_as')
"""Keys of a label beside id, name and nodes. The last two are for the loader of the dataset: the
outline of the label in its boxes, and its name in the publisher's files."""

_FILE_NAME = re.compile(r'\w[\w .+-]{0,99}')


@dataclass(frozen=True)
class Label:
    """One label of a dataset."""

    label_id: int
    """Value in the dataset's label files."""
    name: str
    leaves: tuple[int, ...]
    """Node ids of the leaves that the label allows, ascending, never empty."""
    evaluated: bool = True
    """False for a label that only says what a pixel is not, such as 'outside all boxes'."""


@dataclass(frozen=True)
class Mapping:
    """All labels of a dataset in one taxonomy."""

    name: str
    labels: tuple[Label, ...]
    unlabeled_ids: tuple[int, ...]
    """Label ids of pixels without a label; they give no gradient and are not evaluated."""
    from_boxes: bool = False
    """Whether pixels get their labels from boxes or image tags instead of outlines."""
    counted_as: tuple[tuple[int, int], ...] = field(default=(), repr=False)
    """Pairs of a label id and the evaluated label id that its pixels count for in a measurement:
    a label of a kind of thing, such as 'palm', counts for the label of the thing, 'vegetation'."""

    @property
    def evaluated_labels(self) -> tuple[Label, ...]:
        """The labels that predictions are compared with."""
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

    An earlier name (a file with the one key `alias_of`) gives the same labels under that name,
    and a FutureWarning, which Python prints once.

    Raises:
        MappingError: The file is missing, a key or a type is wrong, a label id or name occurs
            twice, a name is not a node of the taxonomy, or a label allows no leaf.
    """
    path = named_or_path(name_or_path, 'mappings')
    source = without_alias(path)
    mapping = _read(source, taxonomy)
    if source == path:
        return mapping
    warnings.warn(
        f'Mapping {path.stem} is now called {mapping.name}; expected the new name: change it in '
        'commands and parameter files.',
        FutureWarning,
        stacklevel=2,
    )
    return replace(mapping, name=path.stem)


def without_alias(path: Path) -> Path:
    """Return the file that an alias names, else the file itself.

    An alias has the one key `alias_of`: the name of another mapping in its folder.

    Raises:
        MappingError: The file is missing or cannot be read, or the alias names no file.
    """
    data = read_yaml(path, 'Mapping', MappingError)
    if set(data) != {'alias_of'}:
        return path
    name = data['alias_of']
    if not isinstance(name, str) or not _FILE_NAME.fullmatch(name) or name == path.stem:
        raise MappingError(
            f'Mapping {path} is an alias of {short_repr(name)}; expected the name of another '
            'mapping in its folder.'
        )
    return path.with_name(f'{name}{path.suffix}')


def _read(path: Path, taxonomy: Taxonomy) -> Mapping:
    """Load a mapping from a file; raise as `load_mapping` does."""
    data = read_yaml(path, 'Mapping', MappingError)
    required = {'name', 'labels'}
    known = {'description', 'source', 'unlabeled', 'optional', 'from_boxes'}
    missing = required - set(data)
    unknown = set(map(str, data)) - required - known
    if missing or unknown:
        raise MappingError(
            f'Mapping {path} {key_problems(missing, unknown)}; expected '
            f'{", ".join(sorted(required))} and optionally {", ".join(sorted(known))}.'
        )
    # Files are named after the mapping, so the name must not contain a path.
    if not isinstance(data['name'], str) or not _FILE_NAME.fullmatch(data['name']):
        raise MappingError(
            f'Mapping {path} has the name {short_repr(data["name"])}; expected a text of letters, '
            'digits and . _ + -, at most 100.'
        )
    if not isinstance(data['labels'], list) or not data['labels']:
        raise MappingError(
            f'Mapping {path} has the labels {short_repr(data["labels"])}; expected a list with at '
            'least one label.'
        )
    optional = frozenset(_names(data.get('optional', []), 'optional', f'Mapping {path}'))
    labels = tuple(_parse_label(row, optional, taxonomy, path) for row in data['labels'])
    unlabeled = data.get('unlabeled', [])
    if not isinstance(unlabeled, list) or not all(map(_is_id, unlabeled)):
        raise MappingError(
            f'Mapping {path} has unlabeled: {short_repr(unlabeled)}; expected a list of label ids.'
        )
    _check_once('label ids', [label.label_id for label in labels] + unlabeled, path)
    _check_once('label names', [label.name for label in labels], path)
    from_boxes = data.get('from_boxes', False)
    if not isinstance(from_boxes, bool):
        raise MappingError(
            f'Mapping {path} has from_boxes: {short_repr(from_boxes)}; expected true or false.'
        )
    return Mapping(
        data['name'],
        labels,
        tuple(unlabeled),
        from_boxes,
        _counted_as(data['labels'], labels, path),
    )


def _is_id(value: object) -> bool:
    return type(value) is int and abs(value) <= LARGEST_LABEL_ID


def _names(value: Any, key: str, where: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise MappingError(
            f'{where} has {key}: {short_repr(value)}; expected a list of node names.'
        )
    return value


def _check_once(what: str, values: Sequence[object], path: Path) -> None:
    repeated = [value for value, count in Counter(values).items() if count > 1]
    if repeated:
        raise MappingError(
            f'Mapping {path} has the {what} {short_repr(repeated)} more than once; expected each '
            'once.'
        )


def _parse_label(row: Any, optional: frozenset[str], taxonomy: Taxonomy, path: Path) -> Label:
    known = {'id', 'name', 'nodes', *OPTIONAL_LABEL_KEYS}
    if not isinstance(row, dict) or not {'id', 'name', 'nodes'} <= set(row) <= known:
        raise MappingError(
            f'Mapping {path} has the label {short_repr(row)}; expected the keys id, name and '
            f'nodes, and optionally {", ".join(OPTIONAL_LABEL_KEYS)}.'
        )
    name = row['name']
    if not isinstance(name, str) or not name or not name.isprintable():
        raise MappingError(
            f'Label {short_repr(row["id"])} of mapping {path} has the name {short_repr(name)}; '
            'expected a text of printable characters: put it in quotes.'
        )
    where = f'Label {name!r} of mapping {path}'
    if not _is_id(row['id']):
        raise MappingError(
            f'{where} has the id {short_repr(row["id"])}; expected an integer of 32 bits.'
        )
    evaluated = row.get('evaluated', True)
    if not isinstance(evaluated, bool):
        raise MappingError(
            f'{where} has evaluated: {short_repr(evaluated)}; expected true or false.'
        )
    if 'counted_as' in row and 'evaluated' in row:
        raise MappingError(
            f'{where} has both counted_as and evaluated; expected one of them: pixels of a label '
            'that is counted as another are evaluated there.'
        )
    for key in ('counted_as', 'shape', 'published_as'):
        if not isinstance(row.get(key, ''), str):
            raise MappingError(
                f'{where} has {key}: {short_repr(row[key])}; expected a text: put it in quotes.'
            )
    nodes = _known(_names(row['nodes'], 'nodes', where), where, optional, taxonomy)
    without = _known(_names(row.get('without', []), 'without', where), where, optional, taxonomy)
    allowed = {leaf for node in nodes for leaf in taxonomy.leaves_below(node)}
    for node in without:
        if not allowed.issuperset(taxonomy.leaves_below(node)):
            raise MappingError(
                f'{where} leaves out {taxonomy.nodes[node].name!r}, which does not lie below its '
                'nodes; expected part of them: check nodes and without.'
            )
    allowed -= {leaf for node in without for leaf in taxonomy.leaves_below(node)}
    if not allowed:
        raise MappingError(
            f'{where} allows no leaf of taxonomy {taxonomy.name!r}; expected at least one: check '
            'nodes and without.'
        )
    return Label(row['id'], name, tuple(sorted(allowed)), evaluated and 'counted_as' not in row)


def _counted_as(
    rows: Sequence[Any], labels: Sequence[Label], path: Path
) -> tuple[tuple[int, int], ...]:
    """Return the pairs of label ids of the rows with the key counted_as."""
    evaluated = {label.name: label for label in labels if label.evaluated}
    pairs = []
    for row, label in zip(rows, labels, strict=True):
        if 'counted_as' not in row:
            continue
        other = evaluated.get(row['counted_as'])
        if other is None or not set(label.leaves) <= set(other.leaves):
            raise MappingError(
                f'Label {label.name!r} of mapping {path} has counted_as: '
                f'{short_repr(row["counted_as"])}; expected the name of an evaluated label that '
                'allows all of its leaves.'
            )
        pairs.append((label.label_id, other.label_id))
    return tuple(pairs)


def _known(
    names: Sequence[str], where: str, optional: frozenset[str], taxonomy: Taxonomy
) -> list[int]:
    """Return the ids of the nodes, without optional ones that the taxonomy lacks."""
    foreign = [name for name in names if name not in taxonomy and name not in optional]
    if foreign:
        raise MappingError(
            f'{where} names {foreign[0]!r}; expected a node of taxonomy {taxonomy.name!r}: see '
            f'`hiseg taxonomy show {taxonomy.name}`.'
        )
    return [taxonomy.node_id(name) for name in names if name in taxonomy]
