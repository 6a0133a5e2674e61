# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Taxonomy files: YAML to tree, and tree to the plain data that is stored with weights."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from reprlib import repr as short_repr
from typing import Any

from hiseg_ros.errors import TaxonomyError
from hiseg_ros.resources import named_or_path
from hiseg_ros.taxonomy.tree import MAX_NODES, Node, Taxonomy
from hiseg_ros.yaml_file import MAX_FILE_BYTES, read_yaml

__all__ = [
    'MAX_FILE_BYTES',
    'dump_taxonomy',
    'key_problems',
    'load_taxonomy',
    'parse_taxonomy',
    'read_yaml',
]

_COLOR = re.compile(r'#([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})')


def load_taxonomy(name_or_path: str | Path) -> Taxonomy:
    """Load a taxonomy by name (config/taxonomies/<name>.yaml) or from a file.

    Raises:
        TaxonomyError: The file is missing or its tree is not valid.
    """
    path = named_or_path(name_or_path, 'taxonomies')
    return parse_taxonomy(read_yaml(path, 'Taxonomy', TaxonomyError), str(path))


def parse_taxonomy(data: Mapping[str, Any], source: str) -> Taxonomy:
    """Build a taxonomy from plain data (see `dump_taxonomy` and config/taxonomies).

    Args:
        data: Keys name, version, tree, and optionally subclass_root.
        source: Origin of the data, for error messages.

    Raises:
        TaxonomyError: A key is missing, unknown or of the wrong type, or the tree is not valid.
    """
    if not isinstance(data, Mapping):
        raise TaxonomyError(
            f'{source} is {short_repr(data)}; expected the keys name, version and tree.'
        )
    _check_keys(data, {'name', 'version', 'tree'}, {'subclass_root', 'description'}, source)
    subclass_name = data.get('subclass_root')
    for key in ('name', 'version', 'subclass_root'):
        value = data.get(key)
        if not isinstance(value, str) and (value is not None or key != 'subclass_root'):
            raise TaxonomyError(
                f'{source} has the {key} {short_repr(value)}; expected a text: put it in quotes.'
            )
    nodes: list[Node] = []
    _add_nodes(data['tree'], None, 0, nodes, source)
    root = next((n.node_id for n in nodes if n.name == subclass_name), None)
    if root is None and subclass_name is not None:
        raise TaxonomyError(
            f'{source} has the subclass_root {subclass_name!r}; expected the name of a node of '
            'its tree.'
        )
    return Taxonomy(data['name'], data['version'], tuple(nodes), root)


def _check_keys(
    data: Mapping[str, Any], required: set[str], optional: set[str], source: str
) -> None:
    missing = required - set(data)
    unknown = set(map(str, data)) - required - optional
    if missing or unknown:
        raise TaxonomyError(
            f'{source} {key_problems(missing, unknown)}; expected {", ".join(sorted(required))} '
            f'and optionally {", ".join(sorted(optional))}.'
        )


def key_problems(missing: set[str], unknown: set[str]) -> str:
    """Return in words which keys are missing or unknown; at least one must be."""
    faults = []
    if missing:
        faults.append(f'lacks the key {", ".join(sorted(missing))}')
    if unknown:
        faults.append(f'has the unknown key {", ".join(sorted(unknown))}')
    return ' and '.join(faults)


def _add_nodes(data: Any, parent: int | None, level: int, nodes: list[Node], source: str) -> None:
    if not isinstance(data, Mapping):
        raise TaxonomyError(
            f'{source} has the node {short_repr(data)}; expected the keys name, color and, for an '
            'inner node, children.'
        )
    # Checked while the tree is built, since YAML aliases may repeat a branch very often.
    if len(nodes) >= MAX_NODES:
        raise TaxonomyError(
            f'{source} has more than {MAX_NODES} nodes; expected 2 to {MAX_NODES}, since a node '
            'id is one byte and 255 means unlabeled.'
        )
    name = data.get('name')
    where = f'A child of node {nodes[parent].name!r}' if parent is not None else 'The root'
    if 'name' in data and not isinstance(name, str):
        raise TaxonomyError(
            f'{where} of {source} has the name {short_repr(name)}; expected a text: put it in '
            'quotes.'
        )
    where = f'Node {name!r} of {source}' if 'name' in data else f'{where} of {source}'
    _check_keys(data, {'name', 'color'}, {'children'}, where)
    color = data['color']
    match = _COLOR.fullmatch(color) if isinstance(color, str) else None
    if match is None:
        raise TaxonomyError(
            f'{where} has the color {short_repr(color)}; expected "#rrggbb" in quotes.'
        )
    red, green, blue = (int(part, 16) for part in match.groups())
    node_id = len(nodes)
    nodes.append(Node(node_id, str(name), parent, level, (red, green, blue)))
    children = data.get('children', [])
    if not isinstance(children, list):
        raise TaxonomyError(
            f'{where} has the children {short_repr(children)}; expected a list of nodes.'
        )
    for child in children:
        _add_nodes(child, node_id, level + 1, nodes, source)


def dump_taxonomy(taxonomy: Taxonomy) -> dict[str, Any]:
    """Return the plain data from which `parse_taxonomy` makes the same tree."""

    def node_data(node_id: int) -> dict[str, Any]:
        node = taxonomy.nodes[node_id]
        red, green, blue = node.color
        data: dict[str, Any] = {'name': node.name, 'color': f'#{red:02x}{green:02x}{blue:02x}'}
        children = taxonomy.children(node_id)
        if children:
            data['children'] = [node_data(child) for child in children]
        return data

    data = {'name': taxonomy.name, 'version': taxonomy.version, 'tree': node_data(0)}
    if taxonomy.subclass_root is not None:
        data['subclass_root'] = taxonomy.nodes[taxonomy.subclass_root].name
    return data
