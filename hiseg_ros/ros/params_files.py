# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Parameter files that were given to a node and hold nothing for it, as after a typing error."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hiseg_ros.errors import ConfigError
from hiseg_ros.yaml_file import read_yaml

VALUES = 'ros__parameters'
OPTION = '--params-file'


def unused_files(arguments: Sequence[str], node: str) -> list[str]:
    """Return a sentence for each parameter file of the command line without values for a node.

    rcl ignores such a file, and the node would run with defaults.

    Args:
        arguments: The command line.
        node: Fully qualified name of the node, such as '/segmentation'.
    """
    faults = []
    for option, value in zip(arguments, arguments[1:], strict=False):
        if option != OPTION:
            continue
        try:
            names = list(nodes_of(read_yaml(Path(value), 'Parameter file', ConfigError)))
        except ConfigError:
            continue  # rcl has read it, by rules of its own
        if not any(re.fullmatch(pattern_of(name), node) for name in names):
            said = ', '.join(names) or 'no node'
            faults.append(
                f'The parameter file {value} has values for {said}; expected {node}, the name of '
                'this node: correct the name in the file, then start the node again.'
            )
    return faults


def nodes_of(content: Any, above: str = '') -> Iterator[str]:
    """Yield the names, with wildcards, of the nodes that a parameter file has values for."""
    for key, value in content.items():
        if key == VALUES:
            yield above or '/'
        elif isinstance(value, dict):
            yield from nodes_of(value, f'{above}/{str(key).strip("/")}')


def pattern_of(name: str) -> str:
    """Return a node's name with wildcards as a regular expression."""
    steps = {'**': r'(/[^/]+)*', '*': '/[^/]+'}
    return ''.join(steps.get(word, '/' + re.escape(word)) for word in name.strip('/').split('/'))
