# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The labels of a dataset as its mapping file lists them, for code that needs no taxonomy."""

from __future__ import annotations

from dataclasses import dataclass

from hiseg_ros.errors import MappingError
from hiseg_ros.resources import named_or_path
from hiseg_ros.taxonomy import without_alias
from hiseg_ros.yaml_file import read_yaml


@dataclass(frozen=True)
class DatasetLabel:
    """One label of a mapping file, without the nodes that it means."""

    label_id: int
    name: str
    evaluated: bool = True
    shape: str = ''
    """Outline of the label in its boxes, such as 'circle'; empty where none is given."""
    published_as: str = ''
    """Name in the files of the publisher; empty where none is given."""


@dataclass(frozen=True)
class DatasetLabels:
    """All labels of a mapping file, in its order."""

    mapping_name: str
    labels: tuple[DatasetLabel, ...]
    unlabeled_ids: tuple[int, ...] = ()

    @property
    def name_of_label_id(self) -> dict[int, str]:
        """The names of the labels by label id."""
        return {label.label_id: label.name for label in self.labels}

    @property
    def known_ids(self) -> frozenset[int]:
        """All ids that a file of bytes may have; an id of -1 is 255 there."""
        ids = (*(label.label_id for label in self.labels), *self.unlabeled_ids)
        return frozenset(label_id % 256 for label_id in ids)


def read_dataset_labels(mapping: str) -> DatasetLabels:
    """Read the labels of a mapping; whether its nodes exist is left to `load_mapping`.

    Args:
        mapping: Name in config/mappings, or path of a YAML file.

    Raises:
        MappingError: The file is missing, or it or its labels have no ids or names.
    """
    path = without_alias(named_or_path(mapping, 'mappings'))
    data = read_yaml(path, 'Mapping', MappingError)
    try:
        return DatasetLabels(
            str(data['name']),
            tuple(
                DatasetLabel(
                    int(row['id']),
                    str(row['name']),
                    bool(row.get('evaluated', True)),
                    str(row.get('shape', '')),
                    str(row.get('published_as', '')),
                )
                for row in data['labels']
            ),
            tuple(int(label_id) for label_id in data.get('unlabeled', [])),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as problem:
        raise MappingError(
            f'Mapping {path} cannot be read ({problem!r}); expected a name and a list of labels '
            'with id, name and nodes.'
        ) from problem
