# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Loader of Cityscapes as published: leftImg8bit and gtFine with one folder per city."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hiseg_ros.datasets.file_checks import check_names
from hiseg_ros.datasets.paired_files import PairedFiles, pair_files
from hiseg_ros.errors import DatasetError
from hiseg_ros.images.file import visible

LARGEST_ID = 33
"""Largest labelId. License plates have the id -1 and are not in the label files: the tool that
drew them leaves out negative ids, so a plate has the label of its vehicle."""

LABEL_FOLDERS = {'fine': 'gtFine', 'coarse': 'gtCoarse'}


class Cityscapes(PairedFiles):
    """One split of Cityscapes, optionally of some of its cities.

    leftImg8bit/<split>/<city>/<city>_<seq>_<frame>_leftImg8bit.png
    gtFine/<split>/<city>/<city>_<seq>_<frame>_gtFine_labelIds.png
    """

    mapping_name = 'cityscapes'

    def __init__(
        self,
        root: Path | str,
        split: str = 'train',
        cities: Sequence[str] = (),
        without_cities: Sequence[str] = (),
        labels: str = 'fine',
        limit: int = 0,
    ) -> None:
        """Find and check the files.

        Args:
            root: Folder that holds leftImg8bit and gtFine.
            split: 'train', 'val', or, with coarse labels, also 'train_extra'.
            cities: Cities to keep; empty keeps all.
            without_cities: Cities to leave out.
            labels: 'fine' or 'coarse' (gtCoarse).
            limit: How many images to take, evenly spread; 0 takes all.

        Raises:
            DatasetError: A folder or file is missing, cut short or of another size than its
                partner, or an option names a city that does not exist.
        """
        root = Path(root)
        if labels not in LABEL_FOLDERS:
            raise DatasetError(f"Cityscapes labels are {labels!r}; expected 'fine' or 'coarse'.")
        keep = check_names(cities, 'Cityscapes cities')
        leave = check_names(without_cities, 'Cityscapes without_cities')
        truth = LABEL_FOLDERS[labels]
        for folder in (f'leftImg8bit/{split}', f'{truth}/{split}'):
            if not (root / folder).is_dir():
                there = sorted(path.name for path in (root / folder).parent.glob('*'))
                raise DatasetError(
                    f'{root / folder} does not exist (beside it: {there}); expected the folder '
                    f'with leftImg8bit/<split> and {truth}/<split> of Cityscapes.'
                )
        # Of both folders, so that a city without images or without labels is noticed.
        halves = [root / 'leftImg8bit' / split, root / truth / split]
        there = sorted({path.name for half in halves for path in visible(half.iterdir())})
        unknown = sorted(set(keep + leave) - set(there))
        if unknown:
            raise DatasetError(
                f'Cityscapes cities {unknown} are not in {root / "leftImg8bit" / split}; expected '
                f'some of {there}.'
            )
        pairs = [
            pair
            for city in there
            if city not in leave and (not keep or city in keep)
            for pair in pair_files(
                root,
                f'leftImg8bit/{split}/{city}/*_leftImg8bit.png',
                f'{truth}/{split}/{city}/*_{truth}_labelIds.png',
                'the Cityscapes folder',
            )
        ]
        if not pairs:
            raise DatasetError(
                f'{root / "leftImg8bit" / split} leaves no image with cities={keep} and '
                f'without_cities={leave}; expected at least one.'
            )
        super().__init__(pairs, limit, LARGEST_ID)
