# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""CVAT's format "Segmentation mask 1.1": a ZIP file with colour images and a list of colours."""

from __future__ import annotations

import io
import lzma
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hiseg_ros.errors import DatasetError
from hiseg_ros.mining.annotation import MAX_BYTES, Canvas, LabelledImage, known_image
from hiseg_ros.mining.labels import BACKGROUND, LabelSet
from hiseg_ros.output_files import output_file
from hiseg_ros.types import UNLABELED, ImageSize

ARCHIVE = 'segmentation_mask.zip'
COLOURS, CLASSES, OBJECTS = 'labelmap.txt', 'SegmentationClass/', 'SegmentationObject/'
LIST = 'ImageSets/Segmentation/default.txt'

TORN = (zipfile.BadZipFile, zlib.error, lzma.LZMAError)
"""What the unpackers raise for damaged data, beside OSError and EOFError."""

SHOWN = 3
"""Number of wrong colours that an error names."""


class MaskArchiveWriter:
    """Writes segmentation_mask.zip image by image; use as a context manager."""

    def __init__(self, folder: Path, labels: LabelSet) -> None:
        """Begin the file.

        Raises:
            ConfigError: There is something else than a plain file.
        """
        self._labels, self._stems = labels, list[str]()
        self._objects = np.zeros((256, 3), np.uint8)
        for number, label in enumerate(labels.labels, start=1):
            self._objects[label.label_id] = object_color(number)
        self._zip = zipfile.ZipFile(output_file(folder / ARCHIVE), 'w', zipfile.ZIP_STORED)
        rows = ['# label:color_rgb:parts:actions', f'{BACKGROUND}:0,0,0::']
        rows += [
            f'{written_name(label.name)}:{",".join(map(str, label.color))}::'
            for label in labels.labels
        ]
        self._add(COLOURS, ('\n'.join(rows) + '\n').encode())

    def _add(self, name: str, data: bytes) -> None:
        # A fixed date: the same labels give the same bytes.
        self._zip.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data)

    def add(self, image: LabelledImage) -> None:
        """Write the labels of an image as two colour images, of classes and of objects.

        Each label is one object: a segmentation tells no objects of a class apart.
        """
        stem = PurePosixPath(image.name).stem
        for folder, palette in ((CLASSES, self._labels.palette), (OBJECTS, self._objects)):
            colours = np.ascontiguousarray(palette[image.label_ids][..., ::-1])
            _, data = cv2.imencode('.png', colours)
            self._add(f'{folder}{stem}.png', data.tobytes())
        self._stems.append(stem)

    def __enter__(self) -> MaskArchiveWriter:
        """Return the writer."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Finish the file."""
        if kind is None:
            self._add(LIST, ''.join(f'{stem}\n' for stem in self._stems).encode())
        self._zip.close()


def object_color(number: int) -> tuple[int, int, int]:
    """Return red, green, blue of an object by its number, as in Pascal VOC: 0 is black.

    The bits of the number go in turn to the highest free bits of the three.
    """
    channels = [0, 0, 0]
    for place in range(8):
        for channel in range(3):
            channels[channel] |= (number >> (3 * place + channel) & 1) << (7 - place)
    return channels[0], channels[1], channels[2]


def written_name(name: str) -> str:
    """Return a label's name as it stands in the list of colours, where a colon ends it."""
    return name.replace(':', '_').replace('#', '_')


def read_masks(
    archive: zipfile.ZipFile, file: Path, sizes: Mapping[str, ImageSize], labels: LabelSet
) -> Iterable[tuple[str, NDArray[np.uint8]]]:
    """Yield the labels of each image of an archive that has any.

    Args:
        archive: The open archive.
        file: Its path, for messages.
        sizes: Size of each mined image by stem.
        labels: The labels that there are.

    Raises:
        DatasetError: A file of the archive is damaged or too large, or has an unknown image,
            label or colour, or another size than its image.
    """
    names = [name for name in archive.namelist() if CLASSES in name and name.endswith('.png')]
    table, foreign = _tables(archive, file, labels)
    for name in sorted(names):
        stem = known_image(file, name, sizes)
        canvas = Canvas(file, name, sizes[stem], labels)
        colours = _image(read_entry(archive, file, name), canvas)
        packed = colours[..., 0].astype(np.int64) << 16
        packed |= colours[..., 1].astype(np.int64) << 8
        packed |= colours[..., 2]
        found, places = np.unique(packed, return_inverse=True)
        wrong = [colour for colour in found.tolist() if colour not in table]
        for colour in wrong:
            if colour in foreign:
                canvas.label_id(foreign[colour])  # raises
        if wrong:
            raise canvas.fault(
                f'has the colour {", ".join(f"#{colour:06x}" for colour in wrong[:SHOWN])}',
                f'only colours of {COLOURS} beside it: export it again',
            )
        ids = np.array([table[colour] for colour in found.tolist()], np.uint8)
        label_ids = ids[places].reshape(canvas.size)
        if (label_ids != UNLABELED).any():
            yield stem, label_ids


def read_entry(archive: zipfile.ZipFile, file: Path, name: str) -> bytes:
    """Return the content of a file of an archive.

    Raises:
        DatasetError: It is too large or damaged.
    """
    size = archive.getinfo(name).file_size
    if size > MAX_BYTES:
        raise DatasetError(
            f'{name} of {file} has {size} bytes unpacked; expected at most {MAX_BYTES}: export '
            'fewer images at a time.'
        )
    try:
        return archive.read(name)
    except (*TORN, OSError, EOFError, ValueError, RuntimeError) as problem:
        raise DatasetError(
            f'{name} of {file} cannot be unpacked ({problem}); expected a whole archive without a '
            'password: download it again.'
        ) from problem


def _tables(
    archive: zipfile.ZipFile, file: Path, labels: LabelSet
) -> tuple[dict[int, int], dict[int, str]]:
    """Return the label id of each packed colour of the archive's list, and unknown labels.

    A task may have more labels than were mined; they matter where an image has them.
    """
    (name,) = [name for name in archive.namelist() if PurePosixPath(name).name == COLOURS][:1]
    id_of_name = {written_name(label.name): label.label_id for label in labels.labels}
    id_of_name[BACKGROUND] = UNLABELED
    table: dict[int, int] = {}
    foreign: dict[int, str] = {}
    text = read_entry(archive, file, name).decode('utf-8', 'replace')
    for line in text.splitlines():
        if not line.strip() or line.startswith('#'):
            continue
        label, _, rest = line.partition(':')
        values = rest.split(':')[0].split(',')
        if len(values) != 3 or not all(v.strip().isdecimal() and int(v) < 256 for v in values):
            raise DatasetError(
                f'{name} of {file} has the line {line[:80]!r}; expected name:red,green,blue:: '
                'with numbers from 0 to 255: export it again.'
            )
        red, green, blue = map(int, values)
        colour = red << 16 | green << 8 | blue
        if label in id_of_name:
            table[colour] = id_of_name[label]
        else:
            foreign[colour] = label
    return table, foreign


def _image(data: bytes, canvas: Canvas) -> NDArray[np.uint8]:
    """Return (H, W, 3) red, green, blue of a PNG file; its size is checked first."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            canvas.check_size((image.height, image.width))
            return np.array(image.convert('RGB'))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as problem:
        raise canvas.fault(
            f'is no whole PNG file ({problem})', 'an image of colours: download the export again'
        ) from problem
