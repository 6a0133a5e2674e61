# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Drawn scenes as files of any layout in config/layouts: names, encoding and label ids."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hiseg_ros.datasets.dataset_labels import read_dataset_labels
from hiseg_ros.datasets.drawn_formats import (
    DrawnFormat,
    encoded,
    label_ids_of_leaves,
    save_file,
)
from hiseg_ros.datasets.encodings import draw_polygons
from hiseg_ros.datasets.layout import Encoding, Layout, read_layout
from hiseg_ros.datasets.layout_files import drawn_paths, names_file
from hiseg_ros.datasets.scenes import DrawnScene
from hiseg_ros.errors import ConfigError

SIZE = (512, 1024)
"""(height, width) of scenes where a dataset has images of many sizes."""

INSTANCE = 7
"""Value of the second channel of 16-bit labels: any, it is no label."""


def layout_format(name: str) -> DrawnFormat:
    """Return how drawn scenes are written in a layout.

    Args:
        name: Name in config/layouts.

    Raises:
        ConfigError: The layout cannot be read, or does not say how to name drawn scenes.
    """
    layout = read_layout(name)
    if layout.drawn is None:
        raise ConfigError(f'Layout {name!r} has no key drawing; expected names for drawn scenes.')
    return DrawnFormat(
        layout.size or SIZE,
        layout.drawn.seed,
        partial(_write_scene, layout),
        partial(_write_lists, layout),
    )


def _write_scene(
    layout: Layout, folder: Path, split: str, number: int, scene: DrawnScene
) -> list[str]:
    """Write the files of a scene; return its line of the list, the splits' or the segments'."""
    image, labels, name = drawn_paths(layout, split, number)
    save_file(folder / image, encoded(Path(image).suffix, scene.rgb[..., ::-1]))
    label_ids = label_ids_of_leaves(layout.mapping, layout.void)[scene.labels]
    content, segments = _WRITERS[layout.encoding](layout, label_ids)
    save_file(folder / labels, content)
    if segments:
        return [json.dumps({'file_name': Path(labels).name, 'segments_info': segments})]
    return [f'{split} {name}'] if names_file(layout, split) else []


def _write_lists(layout: Layout, folder: Path, lines: list[str]) -> None:
    place = layout.places[0]
    if place.segments:
        content = {'annotations': [json.loads(line) for line in lines]}
        save_file(folder / place.segments, json.dumps(content).encode())
    if place.label_list:
        labels = read_dataset_labels(layout.mapping)
        names = {label.label_id: label.published_as for label in labels.labels}
        entries = [
            {'name': names.get(label_id, f'void--{label_id}')}
            for label_id in sorted(labels.known_ids)
        ]
        save_file(folder / place.label_list, json.dumps({'labels': entries}).encode())
    if place.names:
        listed: dict[str, list[str]] = defaultdict(list)
        for line in lines:
            split, name = line.split()
            listed[split].append(f'{name}\n')
        for split, several in listed.items():
            save_file(folder / names_file(layout, split), ''.join(several).encode())


def _bytes(_layout: Layout, label_ids: NDArray[np.uint8]) -> tuple[bytes, list[Any]]:
    return encoded('.png', label_ids), []


def _palette(layout: Layout, label_ids: NDArray[np.uint8]) -> tuple[bytes, list[Any]]:
    image, file = Image.fromarray(label_ids), BytesIO()
    image.putpalette(_colours_of_ids(layout).tobytes())
    image.save(file, 'PNG')
    return file.getvalue(), []


def _channel16(_layout: Layout, label_ids: NDArray[np.uint8]) -> tuple[bytes, list[Any]]:
    planes = np.zeros((*label_ids.shape, 3), np.uint16)
    planes[..., 2] = label_ids  # red, for OpenCV the last
    planes[..., 1] = INSTANCE
    return encoded('.png', planes), []


def _colours(layout: Layout, label_ids: NDArray[np.uint8]) -> tuple[bytes, list[Any]]:
    return encoded('.png', _colours_of_ids(layout)[label_ids][..., ::-1]), []


def _panoptic(layout: Layout, label_ids: NDArray[np.uint8]) -> tuple[bytes, list[Any]]:
    """Return an image with one segment for each label, and the list of the segments."""
    present = [label for label in np.unique(label_ids).tolist() if label != layout.void]
    segments = [{'id': 1000 * (label + 1), 'category_id': label} for label in present]
    codes = np.zeros(256, np.uint32)
    codes[present] = [segment['id'] for segment in segments]
    code = codes[label_ids]
    planes = np.stack([code >> 16, code >> 8 & 255, code & 255], -1)
    return encoded('.png', planes.astype(np.uint8)), segments


def _polygons(layout: Layout, label_ids: NDArray[np.uint8]) -> tuple[bytes, list[Any]]:
    """Return the outlines of all regions; a region in the hole of another comes after it."""
    names = {
        label.label_id: label.published_as or label.name
        for label in read_dataset_labels(layout.mapping).labels
    }
    names |= {label_id: name for name, label_id in layout.void_names.items()}
    outlines = sorted(
        (
            (label_id, [(int(x), int(y)) for x, y in outline[:, 0]])
            for label_id in np.unique(label_ids).tolist()
            if label_id != layout.void
            for outline in _outer_outlines(label_ids == label_id)
        ),
        key=lambda one: -cv2.contourArea(np.array(one[1])),
    )
    polygons = [
        (label_id, (corners * 3)[: max(3, len(corners))]) for label_id, corners in outlines
    ]
    # Regions one pixel wide are not always filled; those pixels get polygons of their own.
    drawn = draw_polygons(label_ids.shape, polygons, layout.void)
    for row, column in np.argwhere(drawn != label_ids).tolist():
        polygons.append((int(label_ids[row, column]), [(column, row)] * 3))
    objects = [
        {'label': names[label_id], 'polygon': corners, 'deleted': 0}
        for label_id, corners in polygons
    ]
    height, width = label_ids.shape
    content = {'imgHeight': height, 'imgWidth': width, 'objects': objects}
    return json.dumps(content).encode(), []


def _outer_outlines(mask: NDArray[np.bool_]) -> list[NDArray[Any]]:
    """Return the outlines of all regions of a mask, (N, 1, 2) columns and rows, without holes."""
    outlines, tree = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    # Those with a parent are holes.
    return [outline for outline, links in zip(outlines, tree[0], strict=True) if links[3] < 0]


_WRITERS: dict[Encoding, Callable[[Layout, NDArray[np.uint8]], tuple[bytes, list[Any]]]] = {
    Encoding.BYTES: _bytes,
    Encoding.PALETTE: _palette,
    Encoding.CHANNEL16: _channel16,
    Encoding.COLOURS: _colours,
    Encoding.PANOPTIC: _panoptic,
    Encoding.POLYGONS: _polygons,
}


def _colours_of_ids(layout: Layout) -> NDArray[np.uint8]:
    """Return (256, 3) colours: the first of the layout for each id, else any, different ones."""
    if layout.colours is None:
        numbers = np.arange(256) * 37
        return np.stack([numbers, numbers // 3, 255 - numbers], -1).astype(np.uint8)
    table = np.zeros((256, 3), np.uint8)
    for label_id, colours in layout.colours.items():
        table[label_id] = colours[0]
    return table
