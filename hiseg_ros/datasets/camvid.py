# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Loader of CamVid in the 11-class split of Kendall et al."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hiseg_ros.datasets.file_checks import check_names
from hiseg_ros.datasets.paired_files import Pair, PairedFiles
from hiseg_ros.errors import DatasetError
from hiseg_ros.images.file import in_any_form

LARGEST_ID = 11


class CamVid(PairedFiles):
    """One split of CamVid, optionally of some of its drives.

    <split>.txt: an image and a label file on each line
    images/<split>/*.jpg, labels/<split>/*.png
    """

    mapping_name = 'camvid'

    def __init__(
        self,
        root: Path | str,
        split: str = 'train',
        drives: Sequence[str] = (),
        without_drives: Sequence[str] = (),
        limit: int = 0,
    ) -> None:
        """Read the list of a split and check its files.

        Args:
            root: Folder that holds <split>.txt with one 'image label' pair of paths a line.
            split: 'train' or 'val'.
            drives: Prefixes of file names to keep, such as '0006R0'; empty keeps all.
            without_drives: Prefixes of file names to leave out.
            limit: How many images to take, evenly spread; 0 takes all.

        Raises:
            DatasetError: The list is missing, malformed or empty, drives are no lists, or a file
                is missing, cut short or of another size than its partner.
        """
        keep = tuple(check_names(drives, 'CamVid drives'))
        leave = tuple(check_names(without_drives, 'CamVid without_drives'))
        root = Path(root)
        listing = root / f'{split}.txt'
        if not listing.is_file():
            raise DatasetError(
                f'{listing} does not exist; expected the CamVid folder with train.txt, val.txt, '
                'images/ and labels/.'
            )
        pairs: list[Pair] = []
        for number, line in enumerate(listing.read_text('utf-8-sig', 'replace').splitlines(), 1):
            parts = line.split()
            if len(parts) != 2:
                raise DatasetError(
                    f'Line {number} of {listing} is {line!r}; expected two paths, image and label.'
                )
            name = Path(parts[0]).name
            if (not keep or name.startswith(keep)) and not name.startswith(leave):
                image, labels = (in_any_form(root / part) for part in parts)
                pairs.append(Pair(Path(name).stem, image, labels))
        if not pairs:
            raise DatasetError(
                f'{listing} leaves no image with drives={list(keep)} and '
                f'without_drives={list(leave)}; expected at least one.'
            )
        super().__init__(pairs, limit, LARGEST_ID)
