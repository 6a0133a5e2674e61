# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Labelled datasets of the command line: loader options, mapping and samples."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.cli.shared.engines import ahead
from hiseg_ros.datasets.registry import DATASETS, dataset_entry
from hiseg_ros.errors import ConfigError, DatasetError
from hiseg_ros.taxonomy import Mapping, Taxonomy


def dataset_of(options: argparse.Namespace) -> Any:
    """Return the dataset that the options name; its loader checks the folder.

    Raises:
        ConfigError: The options do not fit the dataset.
        DatasetError: The folder lacks something.
    """
    from hiseg_ros.datasets import open_dataset

    return open_dataset(options.dataset, options.root, loader_options(options))


def loader_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return the options of the loader that --split, --drive, --mapping and --limit mean.

    Raises:
        ConfigError: The options do not fit the dataset.
    """
    kind, entry = options.dataset, dataset_entry(options.dataset)
    if options.drive and not entry.drives:
        with_drives = [name for name, other in DATASETS.items() if other.drives]
        raise ConfigError(
            f'--drive is given for {kind}; expected it for {", ".join(with_drives)} only.'
        )
    layout = getattr(options, 'layout', None)
    if layout and not entry.layout_option:
        with_layouts = [name for name, other in DATASETS.items() if other.layout_option]
        raise ConfigError(
            f'--layout is given for {kind}; expected it for {", ".join(with_layouts)} only.'
        )
    if not entry.mapping and not options.mapping and not layout:
        raise ConfigError(
            f'--dataset {kind} needs --mapping: what the label ids mean'
            f'{", or --layout" if entry.layout_option else ""}.'
        )
    if entry.splits and options.split not in entry.splits:
        raise ConfigError(
            f'--split is {options.split!r}; expected one of {", ".join(entry.splits)} for {kind}.'
        )
    arguments = dict(entry.splits[options.split]) if entry.splits else {}
    if layout:
        arguments |= {entry.layout_option: layout, 'split': options.split}
    elif not entry.mapping:
        arguments['mapping'] = options.mapping
    if entry.drives:
        arguments[entry.drives.keep] = options.drive
    if entry.count_option and options.limit:
        arguments[entry.count_option] = options.limit
    return arguments


def mapping_of_options(options: argparse.Namespace, taxonomy: Taxonomy) -> Mapping:
    """Return what the label ids mean: the mapping of --mapping, or the dataset's own."""
    from hiseg_ros.datasets import mapping_of

    given = {'mapping': options.mapping, 'layout': getattr(options, 'layout', None)}
    return mapping_of(options.dataset, taxonomy, {key: one for key, one in given.items() if one})


def samples_of(
    dataset: Any, options: argparse.Namespace, names: list[str], engine: Any = None
) -> Iterator[Any]:
    """Yield the wanted samples with a progress bar; the name of each is added to `names`.

    Args:
        dataset: An opened dataset.
        options: With --limit.
        names: Receives the names.
        engine: What segments the images in this order, if anything does.
    """
    from tqdm import tqdm

    count = min(options.limit or len(dataset), len(dataset))
    samples = ahead(engine, (dataset[index] for index in range(count)), lambda one: one.image)
    for sample in tqdm(samples, 'evaluating', unit='image', total=count):
        names.append(sample.name)
        yield sample


def check_label_ids(name: str, label_ids: NDArray[np.uint8], mapping: Mapping) -> None:
    """Check that the mapping has all label ids of an image.

    Raises:
        DatasetError: The mapping lacks a label id.
    """
    known = {label.label_id for label in mapping.labels}
    # An id of -1 is 255 in a file of bytes.
    known |= {label_id % 256 for label_id in mapping.unlabeled_ids}
    present = np.flatnonzero(np.bincount(label_ids.ravel(), minlength=256)).tolist()
    foreign = sorted(set(present) - known)
    if foreign:
        raise DatasetError(
            f'The labels of {name} have the id {foreign[0]}; expected an id of mapping '
            f'{mapping.name!r}: check the label file or name another --mapping.'
        )
