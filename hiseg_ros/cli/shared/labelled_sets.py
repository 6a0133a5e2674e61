# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The datasets that `hiseg evaluate` measures on: their splits, mappings and samples."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import ConfigError, DatasetError
from hiseg_ros.taxonomy import Mapping, Taxonomy

SPLITS: dict[str, dict[str, dict[str, Any]]] = {
    'camvid': {word: {'split': word} for word in ('train', 'val', 'test')},
    'cityscapes': {word: {'split': word} for word in ('train', 'val', 'test')},
    'vistas': {
        'train': {'split': 'training'},
        'training': {'split': 'training'},
        'val': {'split': 'validation'},
        'validation': {'split': 'validation'},
    },
    'gtsdb': {
        'val': {'part': 'held_out'},
        **{word: {'part': word} for word in ('held_out', 'train', 'all', 'test')},
    },
    'drawn': {'train': {'first_seed': 0}, 'val': {'first_seed': 900_000}},
}
"""By dataset: the words for its splits and what its loader calls them."""

DRAWN_SIZE, DRAWN_COUNT = (384, 768), 50


def dataset_of(options: argparse.Namespace) -> Any:
    """Return the dataset that the options name, its folder checked.

    Raises:
        ConfigError: The options do not fit the kind of dataset.
        DatasetError: The folder lacks something.
    """
    from hiseg_ros.datasets import open_dataset

    kind = options.dataset
    if options.drive and kind != 'camvid':
        raise ConfigError(f'--drive is given for {kind}; expected it for camvid only.')
    if kind == 'folder':
        if not options.mapping:
            raise ConfigError('--dataset folder needs --mapping: what the label ids mean.')
        return open_dataset(kind, options.root, {'mapping': options.mapping})
    if options.split not in SPLITS[kind]:
        raise ConfigError(
            f'--split is {options.split!r}; expected one of {", ".join(SPLITS[kind])} for {kind}.'
        )
    arguments = dict(SPLITS[kind][options.split])
    if kind == 'camvid':
        arguments['drives'] = options.drive
    if kind == 'drawn':
        arguments |= {'count': options.limit or DRAWN_COUNT, 'size': DRAWN_SIZE}
    return open_dataset(kind, options.root, arguments)


def mapping_of_options(options: argparse.Namespace, taxonomy: Taxonomy) -> Mapping:
    """Return what the label ids mean: the mapping that the options name, or the kind's own."""
    from hiseg_ros.datasets import mapping_of

    given = {'mapping': options.mapping} if options.mapping else None
    return mapping_of(options.dataset, taxonomy, given)


def samples_of(dataset: Any, options: argparse.Namespace, names: list[str]) -> Iterator[Any]:
    """Yield the wanted samples with a progress bar; the name of each is added to `names`."""
    from tqdm import tqdm

    count = min(options.limit or len(dataset), len(dataset))
    for index in tqdm(range(count), 'evaluating', unit='image'):
        sample = dataset[index]
        names.append(sample.name)
        yield sample


def check_label_ids(name: str, label_ids: NDArray[np.uint8], mapping: Mapping) -> None:
    """Refuse labels that the mapping does not know.

    Raises:
        DatasetError: A label id is neither a label nor unlabeled.
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
