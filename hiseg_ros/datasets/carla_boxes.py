# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Loader of boxes in images of CARLA: boxes.csv beside the folders of its splits."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.datasets.file_checks import check_each, spread
from hiseg_ros.datasets.image_files import IMAGE_ENDINGS, image_size
from hiseg_ros.datasets.sample import Box, Sample, read_image
from hiseg_ros.errors import DatasetError
from hiseg_ros.images.file import visible
from hiseg_ros.types import UNLABELED, ImageSize

CLASSES = ('vehicle', 'traffic_light', 'bike', 'motobike', 'traffic_sign')
"""Classes of boxes.csv; the position is the label id."""

OUTSIDE_ALL_BOXES = len(CLASSES)
COLUMNS = ('split', 'image', 'class', 'xmin', 'ymin', 'xmax', 'ymax')
"""The last two are the first column and row after the box."""
RIM = 10
"""A tenth of a box's sides is left unlabeled at each of them: there is background."""


class CarlaBoxes:
    """<split>/<image>.webp (or .jpg, .png) and boxes.csv, a box a line.

    The inner part of a box has the box's label and its rim is unlabeled; where boxes overlap, the
    smaller one is in front. Images without a box are left out.
    """

    mapping_name = 'carla_boxes'

    def __init__(self, root: Path | str, split: str = 'train', limit: int = 0) -> None:
        """Read boxes.csv and check the images.

        Args:
            root: Folder that holds boxes.csv.
            split: Value of the column split, and the folder of the images.
            limit: How many images to take, evenly spread; 0 takes all.

        Raises:
            DatasetError: boxes.csv or an image is missing or malformed, a box leaves its image,
                or no image is left.
        """
        self.root = Path(root)
        self._boxes = read_boxes(self.root / 'boxes.csv', split)
        self._files = {
            path.stem: path
            for path in visible(self.root.glob(f'{split}/*'))
            if path.suffix.lower() in IMAGE_ENDINGS
        }
        if not self._boxes:
            raise DatasetError(
                f'{self.root / "boxes.csv"} has no box of split {split!r}; expected at least one: '
                "the splits are 'train' and 'test'."
            )
        self._names = spread(sorted(self._boxes), limit)
        check_each(self._names, self._check)

    def _path(self, name: str) -> Path:
        if name not in self._files:
            raise DatasetError(
                f'boxes.csv in {self.root} names the image {name}, which is in none of the '
                'folders; expected it in the folder of its split: copy the images again.'
            )
        return self._files[name]

    def _check(self, name: str) -> None:
        """Check the image of some boxes.

        Raises:
            DatasetError: It is missing or cut short, or a box leaves it.
        """
        path = self._path(name)
        height, width = image_size(path)
        for box in self._boxes[name]:
            if box.x2 >= width or box.y2 >= height:
                raise DatasetError(
                    f'{path} has {height} x {width} pixels, but boxes.csv has a box to row '
                    f'{box.y2} and column {box.x2} in it; expected the images that it was made '
                    'for.'
                )

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._names)

    def boxes(self, index: int) -> tuple[Box, ...]:
        """Return the boxes of an image without reading it."""
        return self._boxes[self._names[index]]

    def __getitem__(self, index: int) -> Sample:
        """Return image, label ids (0..4 class, 5 outside all boxes, 255 unlabeled) and boxes.

        Raises:
            DatasetError: The image is missing or damaged.
        """
        name = self._names[index]
        image, boxes = read_image(self._path(name)), self.boxes(index)
        return Sample(name, image, filled_boxes(boxes, (image.shape[0], image.shape[1])), boxes)


def filled_boxes(boxes: Sequence[Box], size: ImageSize) -> NDArray[np.uint8]:
    """Return the (H, W) uint8 label ids that boxes give, smaller boxes in front."""
    label_ids = np.full(size, OUTSIDE_ALL_BOXES, np.uint8)
    for box in boxes:
        label_ids[box.y1 : box.y2 + 1, box.x1 : box.x2 + 1] = UNLABELED
    largest_first = sorted(boxes, key=lambda b: -(b.x2 - b.x1 + 1) * (b.y2 - b.y1 + 1))
    for box in largest_first:
        x, y = (box.x2 - box.x1 + 1) // RIM, (box.y2 - box.y1 + 1) // RIM
        label_ids[box.y1 + y : box.y2 + 1 - y, box.x1 + x : box.x2 + 1 - x] = box.label_id
    return label_ids


def read_boxes(path: Path, split: str) -> dict[str, tuple[Box, ...]]:
    """Read the boxes of a split, by image.

    Raises:
        DatasetError: The file is missing, lacks a column, or a line is malformed.
    """
    if not path.is_file():
        raise DatasetError(
            f'{path} does not exist; expected the folder with boxes.csv and its images.'
        )
    found: dict[str, list[Box]] = defaultdict(list)
    with path.open(encoding='utf-8-sig', newline='', errors='replace') as file:
        reader = csv.DictReader(file)
        if not set(COLUMNS) <= set(reader.fieldnames or ()):
            raise DatasetError(
                f'{path} has the columns {list(reader.fieldnames or ())}; expected '
                f'{list(COLUMNS)}.'
            )
        for row in reader:
            if row['split'] == split:
                found[str(row['image'])].append(_box(row, path, reader.line_num))
    return {name: tuple(boxes) for name, boxes in found.items()}


def _box(row: dict[str, str], path: Path, line: int) -> Box:
    """Return the box of a line.

    Raises:
        DatasetError: Its class is unknown, or its corners are none.
    """
    try:
        x1, y1, x2, y2 = (int(row[key]) for key in COLUMNS[3:])
        label_id = CLASSES.index(row['class'])
    except (TypeError, ValueError):
        x1, y1, x2, y2, label_id = 0, 0, 0, 0, 0
    if not (0 <= x1 < x2 and 0 <= y1 < y2):
        raise DatasetError(
            f'Line {line} of {path} has the box {[row[key] for key in COLUMNS[2:]]}; expected one '
            f'of the classes {list(CLASSES)} and whole numbers 0 <= xmin < xmax, '
            '0 <= ymin < ymax.'
        )
    return Box(x1, y1, x2 - 1, y2 - 1, label_id)
