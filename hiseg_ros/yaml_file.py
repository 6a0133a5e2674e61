# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Safe reading of YAML files: no tags, no code, and limits on size and aliases."""

from __future__ import annotations

import os
from collections.abc import Hashable
from pathlib import Path
from reprlib import repr as short_repr
from typing import Any

import yaml

from hiseg_ros.errors import HisegError

MAX_FILE_BYTES = 1_000_000
"""Largest size of a file written by a person."""

MAX_VALUES = 20_000
"""Largest number of keys and values in a file, aliases expanded: a few lines of nested aliases
would otherwise fill any memory."""

MAX_NUMBER_LENGTH = 100
"""Most characters of a number: the time to read one grows with the square of its length."""

_NUMBERS = ('tag:yaml.org,2002:int', 'tag:yaml.org,2002:float')


class _Loader(yaml.SafeLoader):
    """Safe loader that refuses duplicate keys instead of taking the last."""

    def __init__(self, stream: str, max_values: int) -> None:
        super().__init__(stream)
        self._max_values = max_values
        self._composed = 0
        self._values: dict[yaml.Node, int] = {}
        """Number of values of each complete node, aliases expanded."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node:
        is_alias = self.check_event(yaml.AliasEvent)
        self._composed += 1
        node = super().compose_node(parent, index)
        assert node is not None  # types-PyYAML says otherwise
        if is_alias and node not in self._values:
            raise _refused('an alias refers to a node that contains it', node)
        if not is_alias:
            self._values[node] = self._size(node)
        if max(self._composed, self._values[node]) > self._max_values:
            raise _refused(f'there are more than {self._max_values} values', node)
        return node

    def _size(self, node: yaml.Node) -> int:
        if isinstance(node, yaml.SequenceNode):
            return 1 + sum(self._values[item] for item in node.value)
        if isinstance(node, yaml.MappingNode):
            return 1 + sum(self._values[item] for pair in node.value for item in pair)
        if node.tag in _NUMBERS and len(node.value) > MAX_NUMBER_LENGTH:
            raise _refused(f'a number has more than {MAX_NUMBER_LENGTH} characters', node)
        return 1

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == 'tag:yaml.org,2002:merge':
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                continue  # refused below
            if key in seen:
                raise _refused(f'the key {short_repr(key)} occurs twice', node)
            seen.add(key)
        return super().construct_mapping(node, deep)


def _refused(problem: str, node: yaml.Node) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def read_yaml(
    path: Path,
    what: str,
    error: type[HisegError],
    max_bytes: int = MAX_FILE_BYTES,
    max_values: int = MAX_VALUES,
) -> dict[str, Any]:
    """Read a YAML file whose top level is a mapping.

    Args:
        path: The file.
        what: Kind of the file in words, for error messages.
        error: Class of the error to raise.
        max_bytes: Largest size of the file.
        max_values: Largest number of values, aliases expanded.

    Raises:
        HisegError: Of class `error`: the file is missing, too large, not YAML, or its top level
            is not a mapping.
    """
    if not os.path.isfile(path):  # Path.is_file raises on a name that is too long
        raise error(
            f'{what} {path} does not exist; expected a YAML file{_beside(path)}: check the name.'
        )
    try:
        size = path.stat().st_size
        if size > max_bytes:
            raise error(f'{what} {path} has {size} bytes; expected at most {max_bytes}.')
        data = _Loader(path.read_text(encoding='utf-8'), max_values).get_single_data()
    except (OSError, yaml.YAMLError, ValueError, RecursionError) as problem:
        detail = ' '.join(str(problem).split())
        raise error(f'{what} {path} cannot be read as YAML: {detail}.') from problem
    if not isinstance(data, dict):
        raise error(
            f'{what} {path} holds a {type(data).__name__}; expected keys and values at the top '
            'level.'
        )
    return data


def _beside(path: Path) -> str:
    """Return in words which files are in the folder of a missing one."""
    try:
        names = sorted(other.stem for other in path.parent.glob('*.yaml'))
    except (OSError, ValueError):
        return ''
    return f' (its folder has {", ".join(names)})' if names else ''
