# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""CVAT's own format, "CVAT for images 1.1": an XML file with a mask for each label of an image."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import DatasetError
from hiseg_ros.mining.annotation import Canvas, LabelledImage, known_image, regions_of
from hiseg_ros.mining.labels import LabelSet
from hiseg_ros.output_files import output_file
from hiseg_ros.types import ImageSize

ANNOTATIONS = 'annotations.xml'
LABELS = 'labels.json'


class CvatWriter:
    """Writes annotations.xml image by image; use as a context manager."""

    def __init__(self, folder: Path, labels: LabelSet, name: str, count: int) -> None:
        """Begin the file.

        Args:
            folder: Where it is written, beside labels.json.
            labels: The labels of the task.
            name: Name of the task.
            count: Number of images.

        Raises:
            ConfigError: There is something else than a plain file.
        """
        self._labels, self._number = labels, 0
        rows = [
            {'name': label.name, 'color': label.hex_color, 'type': 'any', 'attributes': []}
            for label in labels.labels
        ]
        output_file(folder / LABELS).write_text(json.dumps(rows, indent=2) + '\n', 'utf-8')
        self._file = output_file(folder / ANNOTATIONS).open('w', encoding='utf-8')
        self._file.write('<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n')
        self._file.write('  <version>1.1</version>\n')
        self._write(_meta(labels, name, count))

    def _write(self, element: ET.Element) -> None:
        ET.indent(element, level=1)
        self._file.write(f'  {ET.tostring(element, encoding="unicode").rstrip()}\n')

    def add(self, image: LabelledImage) -> None:
        """Write an image; its size is that of its labels."""
        height, width = image.size
        element = ET.Element(
            'image',
            {
                'id': str(self._number),
                'name': image.name,
                'width': str(width),
                'height': str(height),
            },
        )
        for region in regions_of(image, self._labels):
            runs, (top, left, rows, columns) = encode_mask(region.mask)
            ET.SubElement(
                element,
                'mask',
                {
                    'label': region.label,
                    'source': 'auto',
                    'occluded': '0',
                    'rle': ', '.join(map(str, runs)),
                    'left': str(left),
                    'top': str(top),
                    'width': str(columns),
                    'height': str(rows),
                    'z_order': '0',
                },
            )
        self._write(element)
        self._number += 1

    def __enter__(self) -> CvatWriter:
        """Return the writer."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Finish the file, unless there was an error."""
        if kind is None:
            self._file.write('</annotations>\n')
        self._file.close()


def _meta(labels: LabelSet, name: str, count: int) -> ET.Element:
    meta = ET.Element('meta')
    task = ET.SubElement(meta, 'task')
    for key, value in (('name', name), ('size', str(count)), ('mode', 'annotation')):
        ET.SubElement(task, key).text = value
    listed = ET.SubElement(task, 'labels')
    for label in labels.labels:
        element = ET.SubElement(listed, 'label')
        for key, value in (('name', label.name), ('color', label.hex_color), ('type', 'any')):
            ET.SubElement(element, key).text = value
        ET.SubElement(element, 'attributes')
    return meta


def encode_mask(mask: NDArray[np.bool_]) -> tuple[list[int], tuple[int, int, int, int]]:
    """Return a mask as CVAT's run lengths.

    Args:
        mask: (H, W) bool with at least one pixel.

    Returns:
        Lengths of the runs of the box that holds all pixels, row by row, the first one of pixels
        that are not in the mask, possibly 0; and the (top, left, height, width) of that box.
    """
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, left = int(rows[0]), int(columns[0])
    box = mask[top : rows[-1] + 1, left : columns[-1] + 1]
    flat = box.ravel()
    ends = np.append(np.flatnonzero(flat[1:] != flat[:-1]) + 1, flat.size)
    runs = np.diff(np.append(0, ends)).tolist()
    return ([0, *runs] if flat[0] else runs), (top, left, box.shape[0], box.shape[1])


def read_cvat(
    data: bytes, file: Path, sizes: Mapping[str, ImageSize], labels: LabelSet
) -> Iterable[tuple[str, NDArray[np.uint8]]]:
    """Yield the labels of each image of an XML file that has any.

    Masks and polygons are painted by z_order, then in the order of the file.

    Args:
        data: Content of the file.
        file: Its path, for messages.
        sizes: Size of each mined image by stem.
        labels: The labels that there are.

    Raises:
        DatasetError: The file is damaged, or has an unknown image or label, a shape that is
            neither mask nor polygon, a torn mask, or an image of another size.
    """
    for element in _parsed(data, file).iter('image'):
        name = element.get('name', '')
        stem = known_image(file, name, sizes)
        canvas = Canvas(file, name, sizes[stem], labels)
        canvas.check_size((_number(canvas, element, 'height'), _number(canvas, element, 'width')))
        shapes = [shape for shape in element if shape.tag != 'tag']
        for shape in sorted(shapes, key=lambda shape: _number(canvas, shape, 'z_order', 0)):
            canvas.paint(shape.get('label', ''), _mask_of(canvas, shape))
        if shapes:
            yield stem, canvas.label_ids


def _parsed(data: bytes, file: Path) -> ET.Element:
    if b'<!DOCTYPE' in data:
        raise DatasetError(
            f'{file} has a document type, in which entities can be defined; expected an export of '
            'CVAT, which has none.'
        )
    try:
        root = ET.fromstring(data)
    except (ET.ParseError, ValueError, LookupError) as problem:
        raise DatasetError(
            f'{file} is no whole XML file ({problem}); expected an export "CVAT for images 1.1": '
            'download it again.'
        ) from problem
    if root.tag != 'annotations' or root.find('image') is None:
        raise DatasetError(
            f'{file} has no images (its root is {root.tag!r}); expected an export "CVAT for '
            'images 1.1", not one of a video.'
        )
    return root


def _number(canvas: Canvas, element: ET.Element, key: str, default: int | None = None) -> int:
    text = element.get(key, '' if default is None else str(default))
    if not text.lstrip('-').isdecimal() or len(text) > 9:
        raise canvas.fault(
            f'has {key}={text[:50]!r} in <{element.tag}>', 'a whole number: export it again'
        )
    return int(text)


def _mask_of(canvas: Canvas, shape: ET.Element) -> NDArray[np.bool_]:
    if shape.tag == 'mask':
        return _decoded(canvas, shape)
    if shape.tag == 'polygon':
        return _polygon(canvas, shape)
    raise canvas.fault(
        f'has a shape {shape.tag!r} with the label {shape.get("label", "")!r}',
        'masks and polygons only, which say what each pixel is: convert or remove it',
    )


def _decoded(canvas: Canvas, shape: ET.Element) -> NDArray[np.bool_]:
    top, left, rows, columns = (
        _number(canvas, shape, key) for key in ('top', 'left', 'height', 'width')
    )
    height, width = canvas.size
    if not (0 <= top < top + rows <= height and 0 <= left < left + columns <= width):
        raise canvas.fault(
            f'has a mask of {rows}x{columns} pixels at row {top} and column {left}',
            f'one inside its {height}x{width} pixels: export it again',
        )
    texts = shape.get('rle', '').split(',')
    try:
        runs = [int(text) for text in texts if len(text) <= 12]
    except ValueError:
        runs = []
    if len(runs) != len(texts) or min(runs) < 0 or sum(runs) != rows * columns:
        total = f'{sum(runs)} pixels' if len(runs) == len(texts) else 'text that is no number'
        raise canvas.fault(
            f'has a torn RLE of the label {shape.get("label", "")!r}: {total}',
            f'{rows * columns} pixels in whole numbers: export it again',
        )
    mask = np.zeros(canvas.size, bool)
    inside = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    mask[top : top + rows, left : left + columns] = inside.reshape(rows, columns)
    return mask


def _polygon(canvas: Canvas, shape: ET.Element) -> NDArray[np.bool_]:
    try:
        corners = [
            (float(x), float(y))
            for x, y in (pair.split(',') for pair in shape.get('points', '').split(';'))
        ]
    except ValueError:
        corners = []
    return canvas.polygon(shape.get('label', ''), corners)
