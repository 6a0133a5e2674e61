# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Images with a label file each: paired by name, checked when the folder is opened."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from hiseg_ros.datasets.dataset_labels import label_names
from hiseg_ros.datasets.image_files import image_size
from hiseg_ros.datasets.sample import Sample, read_image, read_label_ids
from hiseg_ros.errors import DatasetError

_Item = TypeVar('_Item')


@dataclass(frozen=True)
class Pair:
    """An image and its label file."""

    name: str
    image: Path
    labels: Path


class PairedFiles:
    """Images with a one-byte label file each."""

    mapping_name = ''

    def __init__(self, pairs: Sequence[Pair], limit: int = 0, largest_id: int = 255) -> None:
        """Take the pairs of files, after a look at each.

        Args:
            pairs: All of the dataset.
            limit: How many to take, evenly spread; 0 takes all.
            largest_id: Largest label id but 255 that the files of this dataset have.

        Raises:
            DatasetError: The limit is no number of images, a file is missing or cut short, or
                the two of a pair differ in size.
        """
        self._largest_id = largest_id
        self._pairs = spread(pairs, limit)
        check_each(self._pairs, _check)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._pairs)

    def __getitem__(self, index: int) -> Sample:
        """Return an image and its label ids.

        Raises:
            DatasetError: A file is missing or damaged, the two differ in size, or a label id is
                none that this kind of dataset has.
        """
        pair = self._pairs[index]
        image, label_ids = read_image(pair.image), read_label_ids(pair.labels)
        if image.shape[:2] != label_ids.shape:
            raise DatasetError(_differ(pair, label_ids.shape, image.shape[:2]))
        wrong = label_ids[(label_ids > self._largest_id) & (label_ids != 255)]
        if wrong.size:
            raise DatasetError(
                f'{pair.labels} has the label id {wrong.min()}; expected 0 to {self._largest_id}, '
                f'or 255, as in mapping {self.mapping_name!r}: take the label files of this '
                'release.'
            )
        return Sample(pair.name, image, label_ids)


class LabelledFolder(PairedFiles):
    """A folder whose images and one-byte label files pair up by name."""

    def __init__(
        self,
        root: Path | str,
        mapping: str,
        images: str = 'images/*.jpg',
        labels: str = 'labels/*.png',
        limit: int = 0,
    ) -> None:
        """Find and check the files.

        Args:
            root: The folder.
            mapping: Name in config/mappings, or path of a YAML file: what the label ids mean.
            images: Path of the images in the folder; a * stands for any text but a slash.
            labels: Path of the label files, with as many *: an image's label file is the one
                whose stars stand for the same texts.
            limit: How many images to take, evenly spread; 0 takes all.

        Raises:
            DatasetError: A file lacks its partner, is cut short or has another size than its
                partner, or there is none at all.
            MappingError: The mapping cannot be read.
        """
        self.mapping_name, _ = label_names(mapping)
        super().__init__(pair_files(Path(root), images, labels, 'the folder'), limit)


def pair_files(root: Path, images: str, labels: str, what: str) -> list[Pair]:
    """Return images with their label files, sorted by path.

    Args:
        root: Folder of the dataset.
        images: Path of the images below it; each * stands for any text but a slash.
        labels: Path of the label files, with as many *.
        what: The folder in words, for messages.

    Raises:
        DatasetError: There is no image, or a file lacks its partner.
    """
    if images.count('*') != labels.count('*') or '**' in images + labels:
        raise DatasetError(
            f'Images {images!r} and label files {labels!r} of {root} have other numbers of *; '
            'expected as many in both, each for the same text.'
        )
    image_files, label_files = _by_stars(root, images), _by_stars(root, labels)
    if not image_files:
        raise DatasetError(
            f'{root} has no file {images}; expected {what} with {images} and {labels}.'
        )
    for found, others, pattern in (
        (image_files, label_files, labels),
        (label_files, image_files, images),
    ):
        alone = sorted(set(found) - set(others))
        if alone:
            expected = root / _filled(pattern, alone[0])
            raise DatasetError(
                f'{expected} is missing, the partner of {found[alone[0]]} ({len(alone)} of '
                f'{len(found)} files have none); expected pairs: complete {what} or remove what '
                'is left over.'
            )
    return [
        Pair('_'.join(stars), image_files[stars], label_files[stars])
        for stars in sorted(image_files)
    ]


def _by_stars(root: Path, pattern: str) -> dict[tuple[str, ...], Path]:
    """Return the files of a pattern by the texts that its stars stand for."""
    shape = re.compile('([^/]*)'.join(re.escape(part) for part in pattern.split('*')))
    found = {}
    for path in root.glob(pattern):
        match = shape.fullmatch(path.relative_to(root).as_posix())
        if match:
            found[match.groups()] = path
    return found


def _filled(pattern: str, stars: Sequence[str]) -> str:
    parts = pattern.split('*')
    return parts[0] + ''.join(star + part for star, part in zip(stars, parts[1:], strict=True))


def spread(items: Sequence[_Item], limit: int) -> list[_Item]:
    """Return at most `limit` items, evenly spread and in order; 0 returns all.

    Raises:
        DatasetError: The limit is not a number of items.
    """
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 0:
        raise DatasetError(f'The limit of a dataset is {limit!r}; expected 0 or a number.')
    if not limit or limit >= len(items):
        return list(items)
    return [items[place * len(items) // limit] for place in range(limit)]


def check_each(items: Sequence[_Item], look: Callable[[_Item], None]) -> None:
    """Look at the files of every item, with a progress bar if it takes long.

    Args:
        items: What to look at.
        look: Raises a DatasetError for an item whose files cannot be used.

    Raises:
        DatasetError: As raised for the first such item.
    """
    # Threads: the time goes into waiting for the disk.
    with ThreadPoolExecutor(8) as pool:
        looks = [pool.submit(look, item) for item in items]
        try:
            for done in tqdm(looks, 'checking files', unit='file', delay=3, leave=False):
                done.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _check(pair: Pair) -> None:
    image, labels = image_size(pair.image), image_size(pair.labels)
    if image != labels:
        raise DatasetError(_differ(pair, labels, image))


def _differ(pair: Pair, labels: Sequence[int], image: Sequence[int]) -> str:
    return (
        f'{pair.labels} has size {tuple(labels)}; expected {tuple(image)} as its image '
        f'{pair.image}: take both from the same release.'
    )


def check_names(value: object, what: str) -> list[str]:
    """Return an option that is a list of names.

    Raises:
        DatasetError: It is something else.
    """
    if isinstance(value, list | tuple) and all(isinstance(name, str) for name in value):
        return list(value)
    raise DatasetError(f'{what} are {value!r}; expected lists of names.')
