# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Base of loaders whose images and label files pair up by name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.datasets.encodings import LabelReader, PlainLabels
from hiseg_ros.datasets.file_checks import check_each, spread
from hiseg_ros.datasets.image_files import image_size, is_turned
from hiseg_ros.datasets.sample import Sample, read_image
from hiseg_ros.errors import DatasetError
from hiseg_ros.images.file import visible


@dataclass(frozen=True)
class Pair:
    """An image and its label file."""

    name: str
    image: Path
    labels: Path
    stars: tuple[str, ...] = ()
    """Texts that the * of the patterns stand for."""


class PairedFiles:
    """Images with a label file each."""

    mapping_name = ''

    def __init__(
        self,
        pairs: Sequence[Pair],
        limit: int = 0,
        largest_id: int = 255,
        reader: LabelReader | None = None,
    ) -> None:
        """Take the pairs of files and check each.

        Args:
            pairs: All of the dataset.
            limit: Number of pairs to take, evenly spread; 0 takes all.
            largest_id: Largest label id but 255 that the files of this dataset have.
            reader: Reads the label files; None for one byte a pixel.

        Raises:
            DatasetError: The limit is not a number of images, a file is missing or cut short, or
                the two of a pair differ in size.
        """
        self._largest_id = largest_id
        self._reader = reader or PlainLabels()
        self._pairs = spread(pairs, limit)
        check_each(self._pairs, self._check)

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
        image, label_ids = read_image(pair.image), self._reader.read(pair.labels)
        if image.shape[:2] != label_ids.shape:
            raise DatasetError(_differ(pair, label_ids.shape, image.shape[:2]))
        self._check_ids(pair, label_ids)
        return Sample(pair.name, image, label_ids)

    def _check_ids(self, pair: Pair, label_ids: NDArray[np.uint8]) -> None:
        """Raise a DatasetError for a label id that the dataset does not have."""
        wrong = label_ids[(label_ids > self._largest_id) & (label_ids != 255)]
        if wrong.size:
            raise DatasetError(
                f'{pair.labels} has the label id {wrong.min()}; expected 0 to {self._largest_id}, '
                f'or 255, as in mapping {self.mapping_name!r}: take the label files of this '
                'release.'
            )

    def _check(self, pair: Pair) -> None:
        image, labels = image_size(pair.image), self._reader.size(pair.labels)
        if labels is not None and image != labels:
            raise DatasetError(_differ(pair, labels, image))


def pair_files(
    root: Path,
    images: str,
    labels: str,
    what: str,
    *,
    more_images: Sequence[str] = (),
    stars: str = '',
) -> list[Pair]:
    """Return images with their label files, sorted by path.

    Args:
        root: Folder of the dataset.
        images: Path of the images below it; each * stands for any text but a slash.
        labels: Path of the label files, with as many *.
        what: The folder in words, for error messages.
        more_images: Further paths of images, such as those with another ending.
        stars: Regular expression of the text of the last *; files with another are left alone.

    Raises:
        DatasetError: There is no image, or a file lacks its partner.
    """
    if images.count('*') != labels.count('*') or '**' in images + labels:
        raise DatasetError(
            f'Images {images!r} and label files {labels!r} of {root} have other numbers of *; '
            'expected as many in both, each for the same text.'
        )
    image_files, label_files = _by_stars(root, images, stars), _by_stars(root, labels, stars)
    for pattern in more_images:
        image_files |= _by_stars(root, pattern, stars)
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
            expected = root / filled(pattern, alone[0])
            raise DatasetError(
                f'{expected} is missing, the partner of {found[alone[0]]} ({len(alone)} of '
                f'{len(found)} files have none); expected pairs: complete {what} or remove what '
                'is left over.'
            )
    return [
        Pair('_'.join(texts), image_files[texts], label_files[texts], texts)
        for texts in sorted(image_files)
    ]


def _by_stars(root: Path, pattern: str, last: str = '') -> dict[tuple[str, ...], Path]:
    """Return the files that match a pattern, by the texts that its stars match.

    Raises:
        DatasetError: Two files differ only in the Unicode form of their names.
    """
    found: dict[tuple[str, ...], Path] = {}
    for path in visible(root.glob(pattern)):
        stars = texts_of_stars(pattern, path.relative_to(root).as_posix())
        if stars is not None and (not last or re.fullmatch(last, stars[-1])):
            # Systems write the same accented name in two forms (NFC and NFD).
            stars = tuple(unicodedata.normalize('NFC', star) for star in stars)
            if stars in found:
                raise DatasetError(
                    f'{found[stars]} and {path} have the same name in two Unicode forms; expected '
                    'one of them: remove the other.'
                )
            found[stars] = path
    return found


def texts_of_stars(pattern: str, path: str) -> tuple[str, ...] | None:
    """Return the texts that the stars of a pattern stand for in a path; None if it differs."""
    shape = '([^/]*)'.join(re.escape(part) for part in pattern.split('*'))
    match = re.fullmatch(shape, path)
    return match.groups() if match else None


def filled(pattern: str, stars: Sequence[str]) -> str:
    """Return a pattern with texts in place of its stars."""
    parts = pattern.split('*')
    return parts[0] + ''.join(star + part for star, part in zip(stars, parts[1:], strict=True))


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
