# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What annotation files have in common: the images they speak of, and regions painted on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from hiseg_ros.errors import DatasetError
from hiseg_ros.mining.labels import LabelSet
from hiseg_ros.types import UNLABELED, ImageSize

MAX_BYTES = 2**30
"""Largest annotation file that is read, unpacked."""


FARTHEST = 100_000.0
"""Largest coordinate of a polygon's corner in pixels."""


@dataclass(frozen=True)
class LabelledImage:
    """An image with its labels, as it goes to the tools."""

    name: str
    """File name of the image, without folder."""
    label_ids: NDArray[np.uint8]
    """(H, W); ids without a label are unlabeled."""

    @property
    def size(self) -> ImageSize:
        """(H, W) in pixels."""
        return self.label_ids.shape[0], self.label_ids.shape[1]


@dataclass(frozen=True)
class Region:
    """Pixels with one label."""

    label: str
    mask: NDArray[np.bool_]
    """(H, W)."""


def regions_of(image: LabelledImage, labels: LabelSet) -> Iterable[Region]:
    """Yield the pixels of each label that the image has, in the order of the labels."""
    present = set(np.flatnonzero(np.bincount(image.label_ids.ravel(), minlength=256)).tolist())
    for label in labels.labels:
        if label.label_id in present:
            yield Region(label.name, image.label_ids == label.label_id)


class Canvas:
    """Label ids of one image, painted region by region, the later over the earlier."""

    def __init__(self, file: Path, image: str, size: ImageSize, labels: LabelSet) -> None:
        """Begin with an unlabeled image.

        Args:
            file: The annotation file, for messages.
            image: Name of the image, for messages.
            size: (H, W) in pixels.
            labels: The labels that there are.
        """
        self._file, self._image, self._labels = file, image, labels
        self.size = size
        self.label_ids = np.full(size, UNLABELED, np.uint8)

    def check_size(self, found: ImageSize) -> None:
        """Check the size that the file gives.

        Raises:
            DatasetError: It is another.
        """
        if found != self.size:
            raise self.fault(
                f'has {found[0]}x{found[1]} pixels (height x width)',
                f'{self.size[0]}x{self.size[1]} as its image: annotate the images that were '
                'mined, in their own size',
            )

    def label_id(self, name: str) -> int:
        """Return the id of a label.

        Raises:
            DatasetError: There is no such label.
        """
        if name not in self._labels.id_of_name:
            raise self.fault(
                f'has the label {name!r}',
                f'one of mapping {self._labels.name!r} ({self._labels.names}): rename it in the '
                'tool, or map it before the export',
            )
        return self._labels.id_of_name[name]

    def paint(self, name: str, mask: NDArray[np.bool_]) -> None:
        """Give the pixels of a (H, W) mask a label.

        Raises:
            DatasetError: There is no such label.
        """
        self.label_ids[mask] = self.label_id(name)

    def polygon(self, name: str, corners: Sequence[tuple[float, float]]) -> NDArray[np.bool_]:
        """Return (H, W) bool: the inside of a polygon.

        Args:
            name: Its label, for messages.
            corners: Column and row of each corner in pixels.

        Raises:
            DatasetError: There are fewer than three corners, or one is far outside.
        """
        # Also false for NaN.
        is_near = all(abs(value) <= FARTHEST for corner in corners for value in corner)
        if len(corners) < 3 or not is_near:
            raise self.fault(
                f'has a polygon of the label {name!r} with {len(corners)} usable corners',
                'at least three near the image: draw it again',
            )
        image = Image.new('1', self.size[::-1])
        ImageDraw.Draw(image).polygon(list(corners), fill=1)
        return np.array(image, bool)

    def fault(self, found: str, expected: str) -> DatasetError:
        """Return an error about this image: what was found, and what was expected."""
        return DatasetError(f'Image {self._image} of {self._file} {found}; expected {expected}.')


def known_image(file: Path, name: str, sizes: Mapping[str, ImageSize]) -> str:
    """Return the stem of a mined image by the name that an annotation file gives it.

    Tools put folders in front of names.

    Args:
        file: The annotation file, for messages.
        name: As it says.
        sizes: Size of each mined image by stem.

    Raises:
        DatasetError: No image of that name was mined.
    """
    stem = PurePosixPath(name.replace('\\', '/')).stem
    if stem not in sizes:
        raise DatasetError(
            f'{file} has the image {name!r}; expected one of the {len(sizes)} mined images: '
            'export the task that has them.'
        )
    return stem
