# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Reading of Open Images annotation files: boxes and tags by image, class names by code."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from tqdm import tqdm

from hiseg_ros.datasets.dataset_labels import read_dataset_labels
from hiseg_ros.datasets.mixtures import RelativeBox
from hiseg_ros.errors import DatasetError

MIN_CONFIDENCE = 0.5
"""Tags below it mean that the class is absent (0), or are guesses."""

_SIDES = ('XMin', 'XMax', 'YMin', 'YMax')


class Classes:
    """Label ids by class name or class code of the annotations."""

    def __init__(self, root: Path, mapping: str) -> None:
        """Read class-descriptions-boxable.csv, if there is one, and the names of the mapping.

        Raises:
            DatasetError: The file of descriptions cannot be read.
            MappingError: The mapping cannot be read.
        """
        labels = read_dataset_labels(mapping)
        self.mapping_name = labels.mapping_name
        self._id_of_name = {one.name.casefold(): one.label_id for one in labels.labels}
        self._name_of_code: dict[str, str] = {}
        self._foreign: dict[str, None] = {}
        path = root / 'class-descriptions-boxable.csv'
        if path.is_file():
            for line, row in _lines(path):
                if len(row) < 2:
                    raise DatasetError(
                        f'Line {line} of {path} is {row}; expected the code of a class and its '
                        'name.'
                    )
                self._name_of_code[row[0]] = row[1]

    def label_id(self, code: str) -> int | None:
        """Return the label id of a class, None where the mapping has no such label."""
        label_id = self._id_of_name.get(self._name_of_code.get(code, code).casefold())
        if label_id is None and len(self._foreign) < 5:
            self._foreign[code] = None
        return label_id

    def examples(self) -> list[str]:
        """Return some classes of the annotations that the mapping lacks."""
        return list(self._foreign)

    def wanted(self) -> list[str]:
        """Return the names of the labels, sorted."""
        return sorted(self._id_of_name)


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the line number and the fields of each line, with a progress bar if it takes long.

    Raises:
        DatasetError: The file is not a CSV file.
    """
    try:
        with path.open(encoding='utf-8-sig', newline='') as file:
            reader = csv.reader(file, strict=True)
            for row in tqdm(reader, f'reading {path.name}', unit=' lines', delay=3, leave=False):
                if row:
                    yield reader.line_num, row
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise DatasetError(
            f'{path} cannot be read ({problem}); expected a CSV file of Open Images: copy it '
            'again.'
        ) from problem


def _records(path: Path, needed: Collection[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the line number and the fields by column of each line after the header.

    Raises:
        DatasetError: A column is missing, or a line has another number of fields.
    """
    columns: list[str] = []
    for line, row in _lines(path):
        if not columns:
            columns = row
            missing = sorted(set(needed) - set(columns))
            if missing:
                raise DatasetError(
                    f'{path} has the columns {columns}; expected also {missing}, as in Open '
                    'Images.'
                )
            continue
        if len(row) != len(columns):
            raise DatasetError(
                f'Line {line} of {path} has {len(row)} fields; expected {len(columns)}: copy the '
                'file again.'
            )
        yield line, dict(zip(columns, row, strict=True))


def read_boxes(
    path: Path, files: Mapping[str, Path], classes: Classes
) -> dict[str, tuple[RelativeBox, ...]]:
    """Return the boxes by image.

    Args:
        path: File of boxes.
        files: By image id; annotations of other images are skipped.
        classes: Label ids of the classes; boxes of other classes are skipped.

    Raises:
        DatasetError: The file cannot be read, lacks a column, or a box leaves its image.
    """
    found: dict[str, list[RelativeBox]] = defaultdict(list)
    for line, row in _records(path, {'ImageID', 'LabelName', *_SIDES}):
        if row['ImageID'] not in files or '1' in (row.get('IsDepiction'), row.get('IsInside')):
            continue
        label_id = classes.label_id(row['LabelName'])
        if label_id is None:
            continue
        x1, x2, y1, y2 = (_number(row[side]) for side in _SIDES)
        if not (0 <= x1 <= x2 <= 1 and 0 <= y1 <= y2 <= 1):
            raise DatasetError(
                f'Line {line} of {path} has the box {[row[side] for side in _SIDES]} of image '
                f'{row["ImageID"]}; expected 0 <= XMin <= XMax <= 1 and 0 <= YMin <= YMax <= 1: '
                'correct the line or delete it.'
            )
        if x1 < x2 and y1 < y2:
            found[row['ImageID']].append(RelativeBox(x1, y1, x2, y2, label_id))
    return {name: tuple(boxes) for name, boxes in found.items()}


def read_tags(
    path: Path, files: Mapping[str, Path], classes: Classes
) -> dict[str, tuple[int, ...]]:
    """Return the label ids of the tags by image.

    Args:
        path: File of image tags.
        files: By image id; annotations of other images are skipped.
        classes: Label ids of the classes; tags of other classes are skipped.

    Raises:
        DatasetError: The file cannot be read, lacks a column, or a confidence is not in [0, 1].
    """
    found: dict[str, set[int]] = defaultdict(set)
    for line, row in _records(path, {'ImageID', 'LabelName', 'Confidence'}):
        if row['ImageID'] not in files:
            continue
        label_id = classes.label_id(row['LabelName'])
        confidence = _number(row['Confidence'])
        if not 0 <= confidence <= 1:
            raise DatasetError(
                f'Line {line} of {path} has the confidence {row["Confidence"]!r}; expected a '
                'number from 0 to 1.'
            )
        if label_id is not None and confidence >= MIN_CONFIDENCE:
            found[row['ImageID']].add(label_id)
    return {name: tuple(sorted(ids)) for name, ids in found.items()}


def _number(text: str) -> float:
    """Return a number, NaN if the text is not a number; NaN is outside every range."""
    try:
        return float(text)
    except ValueError:
        return math.nan
