# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Loader of the German Traffic Sign Detection Benchmark: boxes of 43 sign types."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.datasets.file_checks import check_each, spread
from hiseg_ros.datasets.image_files import IMAGE_ENDINGS, image_size, read_ids
from hiseg_ros.datasets.sample import Box, Sample, read_image
from hiseg_ros.datasets.sign_boxes import box_label_ids, read_boxes
from hiseg_ros.datasets.sign_types import OUTSIDE_ALL_BOXES, TYPE_COUNT
from hiseg_ros.errors import DatasetError
from hiseg_ros.images.file import visible
from hiseg_ros.types import UNLABELED, ImageSize

TEST_NUMBERS = range(600, 900)
"""Images of the benchmark's own test set, which FullIJCNN2013 holds beside the others."""

PARTS = ('train', 'held_out', 'all', 'test')
MASK_FOLDERS = {'fine': 'gtFine', 'coarse': 'gtCoarse'}
FIRST_MASK_ID = 2000
"""The published masks hold this plus the class, 0 elsewhere."""


class Gtsdb:
    """GTSDB: FullIJCNN2013/*.ppm with gt.txt, or gt.txt with images/*.webp (or .jpg, .png).

    Every box of the 43 types is annotated, so a pixel outside all boxes is none of them. Inside a
    box the shape of the type is labelled and the corners are unlabeled.
    """

    mapping_name = 'gtsdb'

    def __init__(
        self,
        root: Path | str,
        part: str = 'all',
        held_out_every: int = 5,
        labels: str = 'boxes',
        negatives: bool = False,
        limit: int = 0,
    ) -> None:
        """Read gt.txt and check the images.

        Args:
            root: Folder that holds gt.txt, or the folder around FullIJCNN2013.
            part: 'train' and 'held_out', which are 'all' of the benchmark's training images, or
                'test', its own test images, numbers 600 to 899.
            held_out_every: Images whose number is a multiple of this are held out.
            labels: 'boxes' draws the shape of each type into its box; 'fine' and 'coarse' take
                the published masks in gtFine and gtCoarse.
            negatives: Take the images without any box too.
            limit: How many images to take, evenly spread; 0 takes all.

        Raises:
            DatasetError: gt.txt or an image is missing or malformed, a box leaves its image, an
                option cannot be used, or no image is left.
        """
        self.root = _folder_of(Path(root))
        boxes = read_boxes(self.root / 'gt.txt')
        if part not in PARTS:
            raise DatasetError(
                f"GTSDB part is {part!r}; expected 'train', 'held_out', 'all' or 'test'."
            )
        if not isinstance(held_out_every, int) or held_out_every < 1:
            raise DatasetError(
                f'GTSDB held_out_every is {held_out_every}; expected a positive number.'
            )
        if labels not in ('boxes', *MASK_FOLDERS):
            raise DatasetError(
                f"GTSDB labels are {labels!r}; expected 'boxes', 'fine' or 'coarse'."
            )
        self._mask_folder = MASK_FOLDERS.get(labels)
        self._files = self._image_files()
        candidates = set(boxes) | (set(self._files) if negatives else set())
        self._names = spread(
            sorted(name for name in candidates if _is_in(int(name), part, held_out_every)), limit
        )
        if not self._names:
            raise DatasetError(
                f'{self.root} has no image in part {part!r}; expected at least one.'
            )
        self._boxes = {name: tuple(boxes.get(name, ())) for name in self._names}
        check_each(self._names, self._check)

    def _image_files(self) -> dict[str, Path]:
        """Return the images by number as written, the publisher's format first."""
        found = [
            *visible(self.root.glob('*.ppm')),
            *(
                path
                for path in visible(self.root.glob('images/*'))
                if path.suffix in IMAGE_ENDINGS
            ),
        ]
        return {path.stem: path for path in reversed(found) if path.stem.isdecimal()}

    def _path(self, name: str) -> Path:
        return self._files.get(name, self.root / f'{name}.ppm')

    def _mask_path(self, name: str) -> Path:
        return self.root / str(self._mask_folder) / f'{name}_labelIds.png'

    def _check(self, name: str) -> None:
        """Check the files of an image.

        Raises:
            DatasetError: A file is missing or cut short, a box leaves the image, or the mask has
                another size.
        """
        path, (height, width) = self._path(name), image_size(self._path(name))
        for box in self._boxes[name]:
            if box.x2 >= width or box.y2 >= height:
                raise DatasetError(
                    f'{path} has {height} x {width} pixels, but gt.txt has a box to row {box.y2} '
                    f'and column {box.x2} in it; expected the images that gt.txt was made for.'
                )
        if self._mask_folder and image_size(self._mask_path(name)) != (height, width):
            raise DatasetError(
                f'{self._mask_path(name)} has size {image_size(self._mask_path(name))}; '
                f'expected {(height, width)} as its image.'
            )

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._names)

    def boxes(self, index: int) -> tuple[Box, ...]:
        """Return the boxes of an image without reading it."""
        return self._boxes[self._names[index]]

    def __getitem__(self, index: int) -> Sample:
        """Return image, label ids (0..42 type, 43 outside all boxes, 255 unlabeled) and boxes.

        Raises:
            DatasetError: The image or its mask is missing or damaged.
        """
        name = self._names[index]
        image, boxes = read_image(self._path(name)), self.boxes(index)
        size = (image.shape[0], image.shape[1])
        if self._mask_folder:
            label_ids = mask_label_ids(self._mask_path(name), boxes, size)
        else:
            label_ids = box_label_ids(boxes, size)
        return Sample(name, image, label_ids, boxes)


def _folder_of(root: Path) -> Path:
    """Return the folder with gt.txt: the root or the publisher's folder in it."""
    places = [root, root / 'FullIJCNN2013', root / 'TrainIJCNN2013']
    return next((place for place in places if (place / 'gt.txt').is_file()), root)


def _is_in(number: int, part: str, held_out_every: int) -> bool:
    if part == 'test' or number in TEST_NUMBERS:
        return part == 'test' and number in TEST_NUMBERS
    return part == 'all' or (number % held_out_every == 0) == (part == 'held_out')


def mask_label_ids(path: Path, boxes: Sequence[Box], size: ImageSize) -> NDArray[np.uint8]:
    """Return the (H, W) uint8 label ids of a published mask, with boxes to tell what 0 means.

    Raises:
        DatasetError: The mask is missing, damaged, or has other values or another size.
    """
    mask = read_ids(path)
    if mask.shape != size:
        raise DatasetError(f'{path} has size {mask.shape}; expected {size} as its image.')
    types = mask.astype(np.int64) - FIRST_MASK_ID
    wrong = mask[(mask != 0) & ((types < 0) | (types >= TYPE_COUNT))]
    if wrong.size:
        raise DatasetError(
            f'{path} has the value {wrong.min()}; expected 0 or {FIRST_MASK_ID} to '
            f'{FIRST_MASK_ID + TYPE_COUNT - 1}: take the masks published for GTSDB.'
        )
    label_ids = np.full(size, OUTSIDE_ALL_BOXES, np.uint8)
    for box in boxes:
        label_ids[box.y1 : box.y2 + 1, box.x1 : box.x2 + 1] = UNLABELED
    return np.where(mask != 0, types, label_ids).astype(np.uint8)
