# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Reading of gt.txt, the boxes of GTSDB, and the label ids that boxes give to pixels."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.datasets.sample import Box
from hiseg_ros.datasets.sign_types import OUTSIDE_ALL_BOXES, TYPE_COUNT, sign_shape
from hiseg_ros.errors import DatasetError
from hiseg_ros.types import UNLABELED, ImageSize


def read_boxes(path: Path) -> dict[str, list[Box]]:
    """Read gt.txt: file;x1;y1;x2;y2;class, one box a line; return boxes by file stem.

    Raises:
        DatasetError: The file is missing, or a line or a box is malformed.
    """
    if not path.is_file():
        raise DatasetError(
            f'{path} does not exist; expected the GTSDB folder with gt.txt and its images.'
        )
    boxes: dict[str, list[Box]] = defaultdict(list)
    for number, line in enumerate(path.read_text('utf-8', 'replace').splitlines(), 1):
        parts = line.strip().split(';')
        try:
            stem = Path(parts[0]).stem
            x1, y1, x2, y2, label_id = (int(part) for part in parts[1:])
            int(stem)
        except ValueError as problem:
            raise DatasetError(
                f'Line {number} of {path} is {line!r}; expected file;x1;y1;x2;y2;class.'
            ) from problem
        if not (0 <= x1 < x2 and 0 <= y1 < y2 and 0 <= label_id < TYPE_COUNT):
            raise DatasetError(
                f'Line {number} of {path} is {line!r}; expected 0 <= x1 < x2, 0 <= y1 < y2 and a '
                f'class from 0 to {TYPE_COUNT - 1}.'
            )
        boxes[stem].append(Box(x1, y1, x2, y2, label_id))
    return dict(boxes)


def box_label_ids(boxes: tuple[Box, ...], size: ImageSize) -> NDArray[np.uint8]:
    """Return the (H, W) uint8 label ids that boxes give: shape, unlabeled corners, outside."""
    label_ids = np.full(size, OUTSIDE_ALL_BOXES, np.uint8)
    for box in boxes:
        label_ids[box.y1 : box.y2 + 1, box.x1 : box.x2 + 1] = UNLABELED
    for box in boxes:
        region = label_ids[box.y1 : box.y2 + 1, box.x1 : box.x2 + 1]
        region[sign_shape(box.label_id, *region.shape)] = box.label_id
    return label_ids
