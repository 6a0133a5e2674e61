# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Label Studio: a labelling configuration, tasks with brush masks as predictions, and exports."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import DatasetError
from hiseg_ros.mining.annotation import Canvas, LabelledImage, known_image, regions_of
from hiseg_ros.mining.brush import decode_brush, encode_brush
from hiseg_ros.mining.labels import LabelSet
from hiseg_ros.output_files import output_file
from hiseg_ros.types import ImageSize

CONFIG, TASKS = 'config.xml', 'tasks.json'
TAG, IMAGE = 'tag', 'image'

LOCAL_FILES = '/data/local-files/?d='
"""Where Label Studio serves files of its own machine, by their path below its document root."""


class LabelStudioWriter:
    """Writes config.xml and tasks.json image by image; use as a context manager."""

    def __init__(self, folder: Path, labels: LabelSet, model: str, prefix: str) -> None:
        """Begin the files.

        Args:
            folder: Where they are written.
            labels: The labels of the project.
            model: Name of the network that made the labels.
            prefix: What stands in front of the file name in an image's address.

        Raises:
            ConfigError: There is something else than a plain file.
        """
        self._labels, self._model, self._prefix, self._number = labels, model, prefix, 0
        view = ET.Element('View')
        ET.SubElement(view, 'Image', {'name': IMAGE, 'value': '$image', 'zoom': 'true'})
        brush = ET.SubElement(view, 'BrushLabels', {'name': TAG, 'toName': IMAGE})
        for label in labels.labels:
            ET.SubElement(brush, 'Label', {'value': label.name, 'background': label.hex_color})
        ET.indent(view)
        text = ET.tostring(view, encoding='unicode')
        output_file(folder / CONFIG).write_text(f'{text}\n', 'utf-8')
        self._file = output_file(folder / TASKS).open('w', encoding='utf-8')
        self._file.write('[')

    def add(self, image: LabelledImage) -> None:
        """Write a task with its prediction."""
        height, width = image.size
        results = [
            {
                'id': f'{self._number}_{self._labels.id_of_name[region.label]}',
                'from_name': TAG,
                'to_name': IMAGE,
                'type': 'brushlabels',
                'image_rotation': 0,
                'original_width': width,
                'original_height': height,
                'value': {
                    'format': 'rle',
                    'rle': encode_brush(region.mask),
                    'brushlabels': [region.label],
                },
            }
            for region in regions_of(image, self._labels)
        ]
        task = {
            'data': {'image': f'{self._prefix}{image.name}', 'name': image.name},
            'predictions': [{'model_version': self._model, 'result': results}],
        }
        self._file.write(',\n' if self._number else '\n')
        self._file.write(json.dumps(task, separators=(',', ':')))
        self._number += 1

    def __enter__(self) -> LabelStudioWriter:
        """Return the writer."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Finish the files."""
        if kind is None:
            self._file.write('\n]\n')
        self._file.close()


def read_label_studio(
    data: bytes, file: Path, sizes: Mapping[str, ImageSize], labels: LabelSet
) -> Iterable[tuple[str, NDArray[np.uint8]]]:
    """Yield the labels of each image of a JSON export that has an annotation.

    The last annotation of a task that was not cancelled counts; predictions are no annotations.

    Args:
        data: Content of the file.
        file: Its path, for messages.
        sizes: Size of each mined image by stem.
        labels: The labels that there are.

    Raises:
        DatasetError: The file is damaged or another kind of export, or has an unknown image or
            label, a region that is neither brush nor polygon, a torn mask, or an image of another
            size.
    """
    for task in _tasks(data, file):
        name = _image_name(task, file)
        stem = known_image(file, name, sizes)
        canvas = Canvas(file, name, sizes[stem], labels)
        annotations = [one for one in task['annotations'] if not one.get('was_cancelled')]
        regions = annotations[-1].get('result', []) if annotations else []
        regions = [region for region in regions if isinstance(region, dict) and 'value' in region]
        for region in regions:
            _paint(canvas, region)
        if regions:
            yield stem, canvas.label_ids


def _tasks(data: bytes, file: Path) -> Sequence[dict[str, Any]]:
    try:
        tasks = json.loads(data)
    except (ValueError, RecursionError) as problem:
        raise DatasetError(
            f'{file} is no whole JSON file ({problem}); expected a JSON export of Label Studio: '
            'download it again.'
        ) from problem
    is_export = isinstance(tasks, list) and all(
        isinstance(task, dict)
        and isinstance(task.get('data'), dict)
        and isinstance(task.get('annotations'), list)
        and all(isinstance(one, dict) for one in task['annotations'])
        for task in tasks
    )
    if not is_export:
        raise DatasetError(
            f'{file} has no tasks with data and annotations; expected the export "JSON" of Label '
            'Studio, not "JSON-MIN" or the tasks that were imported.'
        )
    return tasks


def _image_name(task: Mapping[str, Any], file: Path) -> str:
    given = task['data'].get('name') or task['data'].get('image')
    if not isinstance(given, str):
        raise DatasetError(
            f'{file} has a task without an image; expected the key image in the data of each: '
            'export the project that the mined tasks were imported to.'
        )
    address = urlsplit(given)
    return PurePosixPath(parse_qs(address.query).get('d', [address.path])[0]).name


def _paint(canvas: Canvas, region: Mapping[str, Any]) -> None:
    value, kind = region['value'], str(region.get('type', '')).lower()
    if kind not in ('brushlabels', 'polygonlabels') or not isinstance(value, dict):
        raise canvas.fault(
            f'has a region of the kind {kind!r}',
            'brush masks and polygons only, which say what each pixel is: remove it or draw it '
            'again',
        )
    names = value.get(kind)
    if not isinstance(names, list) or len(names) != 1:
        raise canvas.fault(f'has a region with the labels {names!r}', 'one label for each region')
    canvas.check_size((_whole(region, 'original_height'), _whole(region, 'original_width')))
    name = str(names[0])
    if kind == 'polygonlabels':
        canvas.paint(name, _polygon(canvas, name, value.get('points')))
        return
    if value.get('format') != 'rle' or not isinstance(value.get('rle'), list):
        raise canvas.fault(
            f'has a mask of the label {name!r} in the format {value.get("format")!r}',
            'the format \'rle\': take the export "JSON"',
        )
    try:
        mask = decode_brush(value['rle'], canvas.size)
    except DatasetError as problem:
        raise canvas.fault(
            f'{problem}, of the label {name!r}', 'a whole one: export it again'
        ) from problem
    canvas.paint(name, mask)


def _whole(region: Mapping[str, Any], key: str) -> int:
    value = region.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _polygon(canvas: Canvas, name: str, points: Any) -> NDArray[np.bool_]:
    """Return the inside of a polygon whose corners are in percent of the image."""
    height, width = canvas.size
    try:
        corners = [(float(x) * width / 100, float(y) * height / 100) for x, y in points]
    except (TypeError, ValueError):
        corners = []
    return canvas.polygon(name, corners)
