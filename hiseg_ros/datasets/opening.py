# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Open a dataset of the registry by name, with checked options, and load its mapping."""

from __future__ import annotations

import inspect
from collections.abc import Mapping as MappingABC
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiseg_ros.datasets.layout import read_layout
from hiseg_ros.datasets.registry import dataset_entry
from hiseg_ros.errors import ConfigError
from hiseg_ros.taxonomy import Mapping, Taxonomy, load_mapping

if TYPE_CHECKING:
    from hiseg_ros.datasets.sample import SegmentationDataset


def mapping_of(
    kind: str, taxonomy: Taxonomy, options: MappingABC[str, Any] | None = None
) -> Mapping:
    """Return what the labels of a dataset mean in a taxonomy.

    Args:
        kind: Name of the dataset, one of DATASETS.
        taxonomy: The tree.
        options: Options of the dataset; `mapping` names another mapping than the dataset's own,
            a layout brings its own.

    Raises:
        ConfigError: There is no such dataset, it needs a mapping and none is given, or its layout
            cannot be read.
        MappingError: The mapping does not fit the taxonomy.
    """
    entry, given = dataset_entry(kind), options or {}
    own = entry.mapping
    if entry.layout_option and given.get(entry.layout_option):
        own = read_layout(str(given[entry.layout_option])).mapping
    name = given.get('mapping', own)
    if not isinstance(name, str) or not name:
        raise ConfigError(
            f'A dataset of kind {kind!r} has the mapping {name!r}; expected the option mapping '
            'with a name in config/mappings or the path of a YAML file.'
        )
    return load_mapping(name, taxonomy)


def open_dataset(
    kind: str, root: Path | str, options: MappingABC[str, Any] | None = None
) -> SegmentationDataset:
    """Open a dataset; its loader checks the folder.

    Args:
        kind: Name of the dataset, one of DATASETS.
        root: Folder of the dataset.
        options: Further arguments of its loader, by name.

    Raises:
        ConfigError: There is no such dataset, or it has no such options.
        DatasetError: A folder or a file is missing or wrong.
    """
    loader, given = dataset_entry(kind).load_loader(), dict(options or {})
    parameters = list(inspect.signature(loader).parameters)[1:]
    try:
        inspect.signature(loader).bind(root, **given)
    except TypeError as problem:
        raise ConfigError(
            f'Dataset {root} of kind {kind} has options {given} ({problem}); expected some of '
            f'{parameters}.'
        ) from problem
    return loader(root, **given)
