# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""CamVid in the 11-class split of Kendall et al.: images/<split>, labels/<split>, <split>.txt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hiseg_ros.errors import DatasetError
from hiseg_ros.training.datasets.sample import Sample, read_image, read_label_ids


class CamVid:
    """One split of CamVid, optionally without or with only some of its drives."""

    mapping_name = 'camvid'

    def __init__(
        self,
        root: Path | str,
        split: str = 'train',
        drives: Sequence[str] = (),
        without_drives: Sequence[str] = (),
    ) -> None:
        """Read the list of a split.

        Args:
            root: Folder that holds <split>.txt with one 'image label' pair of paths a line.
            split: 'train' or 'val'.
            drives: Beginnings of file names to keep, such as '0006R0'; empty keeps all.
            without_drives: Beginnings of file names to leave out.

        Raises:
            DatasetError: The list is missing, malformed or empty, or drives are no lists.
        """
        if isinstance(drives, str) or isinstance(without_drives, str):
            raise DatasetError(
                f'CamVid drives are {drives!r} and without_drives {without_drives!r}; expected '
                'lists of names.'
            )
        self.root = Path(root)
        listing = self.root / f'{split}.txt'
        if not listing.is_file():
            raise DatasetError(
                f'{listing} does not exist; expected the CamVid folder with train.txt, val.txt, '
                'images/ and labels/.'
            )
        self._pairs: list[tuple[Path, Path]] = []
        for number, line in enumerate(listing.read_text('utf-8', 'replace').splitlines(), 1):
            parts = line.split()
            if len(parts) != 2:
                raise DatasetError(
                    f'Line {number} of {listing} is {line!r}; expected two paths, image and label.'
                )
            name = Path(parts[0]).name
            if drives and not name.startswith(tuple(drives)):
                continue
            if without_drives and name.startswith(tuple(without_drives)):
                continue
            self._pairs.append((self.root / parts[0], self.root / parts[1]))
        if not self._pairs:
            raise DatasetError(
                f'{listing} leaves no image with drives={list(drives)} and '
                f'without_drives={list(without_drives)}; expected at least one.'
            )

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._pairs)

    def __getitem__(self, index: int) -> Sample:
        """Return image and label ids 0..10, 11 = unlabelled.

        Raises:
            DatasetError: A file is missing or damaged, or the two differ in size.
        """
        image_path, label_path = self._pairs[index]
        image, label_ids = read_image(image_path), read_label_ids(label_path)
        if image.shape[:2] != label_ids.shape:
            raise DatasetError(
                f'{label_path} has size {label_ids.shape}; expected {image.shape[:2]} as its '
                'image.'
            )
        return Sample(image_path.stem, image, label_ids)
