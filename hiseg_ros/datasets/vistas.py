# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Loader of Mapillary Vistas, annotations of version 1.2, in newer and older releases."""

from __future__ import annotations

import json
from pathlib import Path

from hiseg_ros.datasets.dataset_labels import read_dataset_labels
from hiseg_ros.datasets.paired_files import PairedFiles, pair_files
from hiseg_ros.errors import DatasetError

LARGEST_ID = 65

SPLITS = {'train': 'training', 'val': 'validation'}
"""Short names of the splits."""


class Vistas(PairedFiles):
    """One split of Mapillary Vistas.

    <split>/images/<key>.jpg
    <split>/v1.2/labels/<key>.png, or <split>/labels/<key>.png in older releases
    config_v1.2.json, or config.json in older releases
    """

    mapping_name = 'vistas'

    def __init__(self, root: Path | str, split: str = 'training', limit: int = 0) -> None:
        """Find and check the files.

        Args:
            root: Folder that holds the splits and config_v1.2.json.
            split: 'training' or 'validation', for short 'train' or 'val'.
            limit: How many images to take, evenly spread; 0 takes all.

        Raises:
            DatasetError: A folder or file is missing, cut short or of another size than its
                partner, or the configuration lists other labels than the mapping.
        """
        root, split = Path(root), SPLITS.get(split, split)
        newer = (root / split / 'v1.2').is_dir()
        folder = f'{split}/v1.2/labels' if newer else f'{split}/labels'
        for needed in (f'{split}/images', folder):
            if not (root / needed).is_dir():
                raise DatasetError(
                    f'{root / needed} does not exist; expected the Mapillary Vistas folder with '
                    'training/images, training/v1.2/labels, validation/... and config_v1.2.json.'
                )
        configs = [root / 'config_v1.2.json', root / 'config.json']
        check_config(next((path for path in configs if path.is_file()), configs[0]))
        pairs = pair_files(
            root, f'{split}/images/*.jpg', f'{folder}/*.png', 'the Mapillary Vistas folder'
        )
        super().__init__(pairs, limit, LARGEST_ID)


def check_config(path: Path) -> None:
    """Check that the list of labels in the folder is that of the mapping, in the same order.

    Raises:
        DatasetError: The file is missing, has no list of labels, or has other labels.
    """
    try:
        labels = json.loads(path.read_text('utf-8'))['labels']
        found = [str(label['readable']) for label in labels]
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise DatasetError(
            f'{path} is missing or has no list of labels ({problem!r}); expected the '
            'config_v1.2.json of Mapillary Vistas.'
        ) from problem
    names = read_dataset_labels(Vistas.mapping_name).name_of_label_id
    for label_id, name in names.items():
        if label_id >= len(found) or found[label_id].casefold() != name.casefold():
            there = repr(found[label_id]) if label_id < len(found) else 'no label'
            raise DatasetError(
                f'{path} has {there} at place {label_id} of {len(found)}; expected {name!r} as in '
                'version 1.2: take the annotations of v1.2, later versions have other labels.'
            )
    if len(found) != len(names) + 1:
        raise DatasetError(
            f'{path} has {len(found)} labels; expected the {len(names)} of version 1.2 and '
            '"Unlabeled": take the annotations of v1.2.'
        )
