# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The names of a mapping's labels, for loaders whose files hold names; no taxonomy needed."""

from __future__ import annotations

from hiseg_ros.errors import MappingError
from hiseg_ros.resources import named_or_path
from hiseg_ros.yaml_file import read_yaml


def label_names(mapping: str) -> tuple[str, dict[int, str]]:
    """Return the name of a mapping and its label names by label id.

    Args:
        mapping: Name in config/mappings, or path of a YAML file.

    Raises:
        MappingError: The file is missing, or it or its labels have no ids or names.
    """
    path = named_or_path(mapping, 'mappings')
    data = read_yaml(path, 'Mapping', MappingError)
    try:
        return str(data['name']), {int(row['id']): str(row['name']) for row in data['labels']}
    except (KeyError, TypeError, ValueError) as problem:
        raise MappingError(
            f'Mapping {path} cannot be read ({problem!r}); expected a name and a list of labels '
            'with id, name and nodes.'
        ) from problem
