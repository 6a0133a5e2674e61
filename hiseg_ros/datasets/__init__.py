# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Datasets in the folders in which their publishers ship them, and drawn scenes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from collections.abc import Mapping as MappingABC
from pathlib import Path
from typing import Any

from hiseg_ros.datasets.camvid import CamVid
from hiseg_ros.datasets.cityscapes import Cityscapes
from hiseg_ros.datasets.drawn import DrawnScenes, drawn_mapping
from hiseg_ros.datasets.gtsdb import Gtsdb
from hiseg_ros.datasets.paired_files import LabelledFolder
from hiseg_ros.datasets.sample import SegmentationDataset
from hiseg_ros.datasets.vistas import Vistas
from hiseg_ros.datasets.weak import WeakImages
from hiseg_ros.errors import ConfigError
from hiseg_ros.taxonomy import Mapping, Taxonomy, load_mapping

LOADERS: dict[str, Callable[..., SegmentationDataset]] = {
    'camvid': CamVid,
    'cityscapes': Cityscapes,
    'vistas': Vistas,
    'gtsdb': Gtsdb,
    'weak': WeakImages,
    'folder': LabelledFolder,
    'drawn': DrawnScenes,
}
"""By kind: what reads a dataset; the first argument is its folder, the others are options."""


def mapping_of(
    kind: str, taxonomy: Taxonomy, options: MappingABC[str, Any] | None = None
) -> Mapping:
    """Return what the labels of a dataset mean in a taxonomy.

    Args:
        kind: One of LOADERS.
        taxonomy: The tree.
        options: Arguments of the loader; `mapping` names another mapping than the kind's own,
            and a kind without one of its own needs it.

    Raises:
        ConfigError: There is no such kind, or it needs a mapping and none is given.
        MappingError: The mapping does not fit the taxonomy.
        TaxonomyError: The taxonomy lacks a leaf that is drawn.
    """
    own = getattr(_loader(kind), 'mapping_name', '')
    name = (options or {}).get('mapping', own)
    if not isinstance(name, str) or not name:
        raise ConfigError(
            f'A dataset of kind {kind!r} has the mapping {name!r}; expected the option mapping '
            'with a name in config/mappings or the path of a YAML file.'
        )
    return drawn_mapping(taxonomy) if kind == 'drawn' else load_mapping(name, taxonomy)


def open_dataset(
    kind: str, root: Path | str, options: MappingABC[str, Any] | None = None
) -> SegmentationDataset:
    """Open a dataset, which checks its folder.

    Args:
        kind: One of LOADERS.
        root: Its folder.
        options: Further arguments of its loader, by name.

    Raises:
        ConfigError: There is no such kind, or it has no such options.
        DatasetError: A folder or a file is missing or wrong.
    """
    loader, given = _loader(kind), dict(options or {})
    parameters = list(inspect.signature(loader).parameters)[1:]
    try:
        inspect.signature(loader).bind(root, **given)
    except TypeError as problem:
        raise ConfigError(
            f'Dataset {root} of kind {kind} has options {given} ({problem}); expected some of '
            f'{parameters}.'
        ) from problem
    return loader(root, **given)


def _loader(kind: str) -> Callable[..., SegmentationDataset]:
    if kind not in LOADERS:
        raise ConfigError(f'The kind of dataset is {kind!r}; expected one of {list(LOADERS)}.')
    return LOADERS[kind]
