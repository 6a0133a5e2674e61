# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Base of loaders whose images and label files pair up by name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hiseg_ros.datasets.file_checks import check_each, spread
from hiseg_ros.datasets.image_files import image_size, is_turned
from hiseg_ros.datasets.sample import Sample, read_image, read_label_ids
from hiseg_ros.errors import DatasetError
from hiseg_ros.images.file import visible


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
        """Take the pairs of files and check each.

        Args:
            pairs: All of the dataset.
            limit: Number of pairs to take, evenly spread; 0 takes all.
            largest_id: Largest label id but 255 that the files of this dataset have.

        Raises:
            DatasetError: The limit is not a number of images, a file is missing or cut short, or
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
                unknown to the dataset.
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


def pair_files(root: Path, images: str, labels: str, what: str) -> list[Pair]:
    """Return images with their label files, sorted by path.

    Args:
        root: Folder of the dataset.
        images: Path of the images below it; each * stands for any text but a slash.
        labels: Path of the label files, with as many *.
        what: The folder in words, for error messages.

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
    """Return the files that match a pattern, by the texts that its stars match.

    Raises:
        DatasetError: Two files differ only in the Unicode form of their names.
    """
    shape = re.compile('([^/]*)'.join(re.escape(part) for part in pattern.split('*')))
    found: dict[tuple[str, ...], Path] = {}
    for path in visible(root.glob(pattern)):
        match = shape.fullmatch(path.relative_to(root).as_posix())
        if match:
            # Systems write the same accented name in two forms (NFC and NFD).
            stars = tuple(unicodedata.normalize('NFC', star) for star in match.groups())
            if stars in found:
                raise DatasetError(
                    f'{found[stars]} and {path} have the same name in two Unicode forms; expected '
                    'one of them: remove the other.'
                )
            found[stars] = path
    return found


def _filled(pattern: str, stars: Sequence[str]) -> str:
    parts = pattern.split('*')
    return parts[0] + ''.join(star + part for star, part in zip(stars, parts[1:], strict=True))


def _check(pair: Pair) -> None:
    image, labels = image_size(pair.image), image_size(pair.labels)
    if image != labels:
        raise DatasetError(_differ(pair, labels, image))


def _differ(pair: Pair, labels: Sequence[int], image: Sequence[int]) -> str:
    if tuple(labels) == tuple(image)[::-1] and is_turned(pair.image):
        return (
            f'{pair.labels} has size {tuple(labels)}; expected {tuple(image)}, since the EXIF '
            f'orientation of {pair.image} turns the image by a quarter and the labels were drawn '
            'on the unturned one: turn the label file as well, or remove the orientation.'
        )
    return (
        f'{pair.labels} has size {tuple(labels)}; expected {tuple(image)} as its image '
        f'{pair.image}: take both from the same release.'
    )
