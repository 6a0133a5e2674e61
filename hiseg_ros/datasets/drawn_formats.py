# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Drawn scenes in the formats of published datasets: file names, encodings and label ids."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hiseg_ros.datasets.dataset_labels import read_dataset_labels
from hiseg_ros.datasets.scenes import LEAF_NAMES, SIGN_TYPES, DrawnScene
from hiseg_ros.datasets.vistas import SPLITS as VISTAS_SPLITS
from hiseg_ros.errors import DatasetError
from hiseg_ros.output_files import output_file
from hiseg_ros.taxonomy import load_mapping, load_taxonomy
from hiseg_ros.types import UNLABELED, ImageSize

MIN_BOX_SIDE = 2
"""Smallest width and height of a box in gt.txt, whose last column and row are inclusive."""


def _write_cityscapes(folder: Path, split: str, number: int, scene: DrawnScene) -> list[str]:
    name = f'drawn_{number:06d}_000019'  # Cityscapes labels the 20th frame of each sequence
    path = folder / f'leftImg8bit/{split}/drawn/{name}_leftImg8bit.png'
    label_file = folder / f'gtFine/{split}/drawn/{name}_gtFine_labelIds.png'
    save_file(path, encoded('.png', scene.rgb[..., ::-1]))
    save_file(label_file, encoded('.png', label_ids_of_leaves('cityscapes', 0)[scene.labels]))
    return []


def _write_vistas(folder: Path, split: str, number: int, scene: DrawnScene) -> list[str]:
    name, split = f'drawn_{number:06d}', VISTAS_SPLITS[split]
    save_file(folder / f'{split}/images/{name}.jpg', encoded('.jpg', scene.rgb[..., ::-1]))
    labels = Image.fromarray(label_ids_of_leaves('vistas', len(vistas_labels()) - 1)[scene.labels])
    labels.putpalette(np.array([label['color'] for label in vistas_labels()], np.uint8).tobytes())
    path = folder / f'{split}/v1.2/labels/{name}.png'
    path.parent.mkdir(parents=True, exist_ok=True)
    labels.save(path)
    return []


def _write_gtsdb(folder: Path, _split: str, number: int, scene: DrawnScene) -> list[str]:
    height, width = scene.labels.shape
    header = f'P6\n{width} {height}\n255\n'.encode()
    save_file(folder / f'FullIJCNN2013/{number:05d}.ppm', header + scene.rgb.tobytes())
    return [
        f'{number:05d}.ppm;{box.x1};{box.y1};{box.x2 - 1};{box.y2 - 1};'
        f'{SIGN_TYPES.index(box.name)}\n'
        for box in scene.boxes
        if min(box.x2 - box.x1, box.y2 - box.y1) >= MIN_BOX_SIDE
    ]


def _no_list(_folder: Path, _lines: list[str]) -> None:
    pass


def _write_vistas_config(folder: Path, _lines: list[str]) -> None:
    config = {
        'version': '1.2',
        'mapping': 'public',
        'folder_structure': {
            'images': '{split:}/images/{image_id:}.jpg',
            'labels': '{split:}/v1.2/labels/{image_id:}.png',
        },
        'labels': vistas_labels(),
    }
    save_file(folder / 'config_v1.2.json', json.dumps(config, indent=2).encode())


def _write_gtsdb_boxes(folder: Path, lines: list[str]) -> None:
    if not lines:
        raise DatasetError(
            f'The scenes in {folder} show no sign of the 43 types; expected at least one: draw '
            'more scenes or larger ones.'
        )
    save_file(folder / 'FullIJCNN2013' / 'gt.txt', ''.join(lines).encode())


@dataclass(frozen=True)
class DrawnFormat:
    """Writes scenes as files of a dataset."""

    size: ImageSize
    """(height, width) in pixels where no other is asked for: as in the dataset, or close."""
    seed: int
    """Part of the seed of every scene, different in every format: formats share no scene."""
    write_scene: Callable[[Path, str, int, DrawnScene], list[str]]
    """Called with folder, split, number and scene; returns lines for the list of the dataset."""
    write_list: Callable[[Path, list[str]], None]
    """Called with the folder and the lines of all scenes in order, when all are written."""


CITYSCAPES = DrawnFormat((1024, 2048), 0, _write_cityscapes, _no_list)
VISTAS = DrawnFormat((1536, 2048), 1, _write_vistas, _write_vistas_config)
GTSDB = DrawnFormat((800, 1360), 2, _write_gtsdb, _write_gtsdb_boxes)


@cache
def label_ids_of_leaves(mapping_name: str, void: int) -> NDArray[np.uint8]:
    """Return the (256,) table from drawn leaf to the label id that allows it.

    Args:
        mapping_name: A mapping in config/mappings.
        void: Label id of leaves without a label, and of pixels without a leaf.
    """
    taxonomy = load_taxonomy('street')
    label_id_of_node = load_mapping(mapping_name, taxonomy).label_id_of_node_id(taxonomy)
    table = np.full(UNLABELED + 1, void, np.uint8)
    for leaf, name in enumerate(LEAF_NAMES):
        label_id = label_id_of_node[taxonomy.node_id(name)]
        table[leaf] = label_id if label_id >= 0 else void
    return table


@cache
def vistas_labels() -> tuple[dict[str, object], ...]:
    """Return the entries of config_v1.2.json: the 65 labels in their order and "Unlabeled"."""
    taxonomy = load_taxonomy('street')
    entries: list[dict[str, object]] = [
        {
            'name': label.published_as,
            'readable': label.name,
            'color': list(taxonomy.nodes[taxonomy.node_id(label.name)].color),
            'instances': False,
            'evaluate': True,
        }
        for label in read_dataset_labels('vistas').labels
    ]
    void = {'name': 'void--unlabeled', 'readable': 'Unlabeled', 'color': [0, 0, 0]}
    return (*entries, {**void, 'instances': False, 'evaluate': False})


def encoded(ending: str, image: NDArray[Any]) -> bytes:
    """Return the bytes of a file of one channel, or of three with blue first, 8 or 16 bits."""
    written, data = cv2.imencode(ending, np.ascontiguousarray(image))
    if not written:
        raise DatasetError(f'A drawn scene cannot be encoded as {ending}.')
    return data.tobytes()


def save_file(path: Path, content: bytes) -> None:
    """Write a file, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    output_file(path).write_bytes(content)
