# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The labelled source of an adaptation: drawn scenes, or a published dataset on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.datasets.opening import mapping_of, open_dataset
from hiseg_ros.datasets.registry import DATASETS, Measure, dataset_entry
from hiseg_ros.errors import ConfigError
from hiseg_ros.taxonomy import Mapping, Taxonomy
from hiseg_ros.types import RgbImage

DRAWN = 'drawn'
SCENES = 60
"""Drawn scenes to learn from."""
CHECKED_SCENES = 16
"""Drawn scenes, of other seeds, to measure on."""
SCENE_SIZE = (384, 768)

MOST_CHECKED = 48
"""Images of a dataset that are measured on, evenly spread."""

DRAWN_WEIGHT, REAL_WEIGHT = 0.3, 1.0
"""Factor on the source's loss: drawn streets hold the tree in place and should not be imitated.
The shipped weights were trained with this one."""


@dataclass(frozen=True)
class SourceSet:
    """Labelled images to keep hold of, in two parts that share none."""

    kind: str
    """One of hiseg_ros.datasets.DATASETS."""
    root: str
    learnt: dict[str, Any] = field(default_factory=dict)
    """Loader options of the part that is learnt from."""
    checked: dict[str, Any] = field(default_factory=dict)
    """Loader options of the part that is measured on."""
    most: int = MOST_CHECKED
    """Images that are measured on."""
    weight: float = REAL_WEIGHT
    """Factor on its loss."""

    def as_json(self) -> dict[str, Any]:
        """Return the set as plain values."""
        return {**asdict(self), 'root': str(Path(self.root).resolve())}

    def mapping(self, taxonomy: Taxonomy) -> Mapping:
        """Return what the labels mean.

        Raises:
            MappingError: They do not fit the tree.
        """
        return mapping_of(self.kind, taxonomy, self.checked)

    def samples(self) -> Iterator[tuple[RgbImage, NDArray[np.uint8]]]:
        """Yield the images that are measured on, with label ids.

        Raises:
            DatasetError: A file is missing or wrong.
        """
        dataset = open_dataset(self.kind, self.root, self.checked)
        count = min(self.most, len(dataset))
        for place in range(count):
            sample = dataset[place * len(dataset) // count]
            yield sample.image, sample.label_ids

    @property
    def label(self) -> str:
        """Name for people."""
        return 'drawn scenes' if self.kind == DRAWN else f'{self.kind} in {self.root}'


def drawn_source(cache: Path) -> SourceSet:
    """Return scenes that this package draws, kept in a folder.

    Those that are measured on are among those of `hiseg evaluate --dataset drawn --split val`.

    Args:
        cache: The folder.
    """
    options = {'size': list(SCENE_SIZE)}
    splits = DATASETS[DRAWN].splits
    return SourceSet(
        DRAWN,
        str(cache / DRAWN),
        {**options, 'first_seed': splits['train']['first_seed'], 'count': SCENES},
        {**options, 'first_seed': splits['val']['first_seed'], 'count': CHECKED_SCENES},
        CHECKED_SCENES,
        DRAWN_WEIGHT,
    )


def source_kinds() -> list[str]:
    """Return the datasets that can be a source: with labels for pixels and a split kept out."""
    return [
        name
        for name, entry in DATASETS.items()
        if entry.measure is Measure.PIXELS and entry.kept_out and entry.mapping
    ]


def dataset_source(kind: str, root: Path) -> SourceSet:
    """Return a dataset on this machine: its training split and the one that is kept out.

    Raises:
        ConfigError: It has no such splits.
    """
    if kind not in source_kinds():
        raise ConfigError(
            f'A source of kind {kind!r} is given; expected one of {", ".join(source_kinds())}, '
            'which have labels for pixels and a split that training leaves out.'
        )
    entry = dataset_entry(kind)
    return SourceSet(
        kind, str(root), dict(entry.splits['train']), dict(entry.splits[entry.kept_out])
    )
