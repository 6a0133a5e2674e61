# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Taxonomy files: YAML to tree, and tree to the plain data that a weights file carries."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from hiseg_ros.errors import HisegError, TaxonomyError
from hiseg_ros.resources import named_or_path
from hiseg_ros.taxonomy.tree import Node, Taxonomy

MAX_FILE_BYTES = 1_000_000
_COLOR = re.compile(r'#([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})')


def read_yaml(path: Path, what: str, error: type[HisegError]) -> dict[str, Any]:
    """Read a YAML file whose top level is a mapping.

    Args:
        path: The file.
        what: Its kind in words, for messages.
        error: Class of the error to raise.

    Raises:
        HisegError: As `error`: missing, too large, not YAML, or no mapping at the top.
    """
    if not path.is_file():
        raise error(f'{what} {path} does not exist; expected a YAML file: check the path.')
    if path.stat().st_size > MAX_FILE_BYTES:
        raise error(
            f'{what} {path} has {path.stat().st_size} bytes; expected at most {MAX_FILE_BYTES}.'
        )
    try:
        data = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as problem:
        detail = ' '.join(str(problem).split())
        raise error(f'{what} {path} is not valid YAML: {detail}.') from problem
    if not isinstance(data, dict):
        raise error(
            f'{what} {path} holds a {type(data).__name__}; expected keys and values at its top.'
        )
    return data


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
        source: Where the data came from, for messages.

    Raises:
        TaxonomyError: A key is missing, unknown or of the wrong type, or the tree is not valid.
    """
    _check_keys(data, {'name', 'version', 'tree'}, {'subclass_root', 'description'}, source)
    nodes: list[Node] = []
    _add_nodes(data['tree'], None, 0, nodes, source)
    subclass_name = data.get('subclass_root')
    taxonomy = Taxonomy(str(data['name']), str(data['version']), tuple(nodes))
    if subclass_name is None:
        return taxonomy
    root = taxonomy.node_id(str(subclass_name))
    return Taxonomy(taxonomy.name, taxonomy.version, taxonomy.nodes, root)


def _check_keys(
    data: Mapping[str, Any], required: set[str], optional: set[str], source: str
) -> None:
    missing = required - set(data)
    unknown = set(map(str, data)) - required - optional
    if missing or unknown:
        raise TaxonomyError(
            f'{source} lacks the keys {sorted(missing)} and has the unknown keys '
            f'{sorted(unknown)}; expected {sorted(required)} and optionally {sorted(optional)}.'
        )


def _add_nodes(
    data: Any, parent: int | None, level: int, nodes: list[Node], source: str
) -> None:
    if not isinstance(data, Mapping):
        raise TaxonomyError(
            f'{source} has a node {data!r}; expected a mapping with name, color and, for an '
            'inner node, children.'
        )
    name = str(data.get('name', '?'))
    _check_keys(data, {'name', 'color'}, {'children'}, f'Node {name!r} of {source}')
    match = _COLOR.fullmatch(str(data['color']))
    if match is None:
        raise TaxonomyError(
            f'Node {name!r} of {source} has the color {data["color"]!r}; expected "#rrggbb".'
        )
    red, green, blue = (int(part, 16) for part in match.groups())
    node_id = len(nodes)
    nodes.append(Node(node_id, name, parent, level, (red, green, blue)))
    children = data.get('children', [])
    if not isinstance(children, list):
        raise TaxonomyError(
            f'Node {name!r} of {source} has children {children!r}; expected a list of nodes.'
        )
    for child in children:
        _add_nodes(child, node_id, level + 1, nodes, source)


def dump_taxonomy(taxonomy: Taxonomy) -> dict[str, Any]:
    """Return the plain data from which `parse_taxonomy` makes the same tree."""

    def node_data(node_id: int) -> dict[str, Any]:
        node = taxonomy.nodes[node_id]
        data: dict[str, Any] = {'name': node.name, 'color': '#{:02x}{:02x}{:02x}'.format(*node.color)}
        children = taxonomy.children(node_id)
        if children:
            data['children'] = [node_data(child) for child in children]
        return data

    data = {'name': taxonomy.name, 'version': taxonomy.version, 'tree': node_data(0)}
    if taxonomy.subclass_root is not None:
        data['subclass_root'] = taxonomy.nodes[taxonomy.subclass_root].name
    return data
