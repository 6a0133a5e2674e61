# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Boxes of traffic signs: their file, the shape of each type, and the labels they give."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from hiseg_ros.datasets.sample import Box
from hiseg_ros.errors import DatasetError
from hiseg_ros.types import UNLABELED, ImageSize

TYPE_COUNT = 43
OUTSIDE_ALL_BOXES = 43
"""Label id of a pixel in no box: anything but one of the 43 types."""

TRIANGLES_UP = frozenset({11, *range(18, 32)})
TRIANGLE_DOWN = 13
DIAMOND = 12
OCTAGON = 14


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


def sign_shape(label_id: int, height: int, width: int) -> NDArray[np.bool_]:
    """Return the (height, width) bool outline of a sign type that fills its box.

    Shapes by type as in the labels published with IV 2018 (area shares 0.79 circle, 0.50
    triangle and diamond, 0.83 to 0.87 octagon).
    """
    mask = np.zeros((height, width), np.uint8)
    right, bottom = width - 1.0, height - 1.0
    if label_id in TRIANGLES_UP:
        points = [(right / 2, 0.0), (right, bottom), (0.0, bottom)]
    elif label_id == TRIANGLE_DOWN:
        points = [(0.0, 0.0), (right, 0.0), (right / 2, bottom)]
    elif label_id == DIAMOND:
        points = [(right / 2, 0.0), (right, bottom / 2), (right / 2, bottom), (0.0, bottom / 2)]
    elif label_id == OCTAGON:
        cut = 1 - 1 / np.sqrt(2)
        a, b = cut * right, cut * bottom
        points = [(a, 0.0), (right - a, 0.0), (right, b), (right, bottom - b)]
        points += [(right - a, bottom), (a, bottom), (0.0, bottom - b), (0.0, b)]
    else:
        angles = np.linspace(0, 2 * np.pi, 64, endpoint=False)
        points = [
            (right / 2 * (1 + np.cos(angle)), bottom / 2 * (1 + np.sin(angle))) for angle in angles
        ]
    cv2.fillPoly(mask, [np.round(np.array(points)).astype(np.int32)], 1)
    return mask.astype(bool)


def box_label_ids(boxes: tuple[Box, ...], size: ImageSize) -> NDArray[np.uint8]:
    """Return the (H, W) uint8 label ids that boxes give: shape, unlabeled corners, outside."""
    label_ids = np.full(size, OUTSIDE_ALL_BOXES, np.uint8)
    for box in boxes:
        label_ids[box.y1 : box.y2 + 1, box.x1 : box.x2 + 1] = UNLABELED
    for box in boxes:
        region = label_ids[box.y1 : box.y2 + 1, box.x1 : box.x2 + 1]
        region[sign_shape(box.label_id, *region.shape)] = box.label_id
    return label_ids
