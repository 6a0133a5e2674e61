# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""From annotators' exports back to a dataset of the kind `folder`, with its mapping."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import ConfigError, DatasetError
from hiseg_ros.images.file import image_size, write_image
from hiseg_ros.mining.annotation import MAX_BYTES
from hiseg_ros.mining.cvat import ANNOTATIONS, read_cvat
from hiseg_ros.mining.label_studio import read_label_studio
from hiseg_ros.mining.labels import MAPPING_FILE, LabelSet, read_label_set
from hiseg_ros.mining.mask_archive import CLASSES, COLOURS, read_entry, read_masks
from hiseg_ros.output_files import output_folder
from hiseg_ros.types import ImageSize

RECORD = 'mining.json'
IMAGES, LABELS = 'images', 'labels'
IMAGE_ENDING = '.jpg'
CORRECTED = 'corrected'
"""Folder in the output of mining in which exports are looked for."""

DATASET = 'dataset'
"""Folder in the output of mining for the finished dataset."""

MARK = 'import.json'

PARTS = (IMAGES, LABELS, MAPPING_FILE, MARK)
"""Of a finished dataset."""

UNFINISHED = 'import.partial'
"""Folder in the dataset's for one that is not complete yet; it is gone when an import ends."""

ENDINGS = ('.xml', '.zip', '.json')

Labels = tuple[str, NDArray[np.uint8]]


@dataclass(frozen=True)
class Imported:
    """A finished dataset."""

    folder: Path
    images: int
    mined: int
    """Images that were mined; those without labels in the exports are left out."""


@dataclass(frozen=True)
class Mined:
    """The output folder of mining, as far as an import needs it."""

    folder: Path
    sizes: Mapping[str, ImageSize]
    """Size of each image by stem, in the order of the picks."""

    @classmethod
    def read(cls, folder: Path) -> Mined:
        """Read mining.json and the headers of the images.

        Raises:
            ConfigError: The folder is none that `hiseg mine` wrote.
            ImageError: An image is missing or damaged.
        """
        path = folder / RECORD
        try:
            record: dict[str, Any] = json.loads(path.read_text('utf-8'))
            stems = [PurePosixPath(str(pick['image'])).stem for pick in record['picks']]
        except (OSError, ValueError, KeyError, TypeError) as problem:
            raise ConfigError(
                f'{folder} is no output folder of `hiseg mine` ({problem!r}); expected one with '
                f'{RECORD}, {IMAGES}/ and {MAPPING_FILE}: name the --output of the mining.'
            ) from problem
        sizes = {stem: image_size(folder / IMAGES / f'{stem}{IMAGE_ENDING}') for stem in stems}
        return cls(folder, sizes)


def find_exports(folder: Path, given: Path | None) -> list[Path]:
    """Return the files with corrected labels.

    Args:
        folder: Output folder of mining.
        given: A file, or a folder of files; None for those in folder/corrected.

    Raises:
        ConfigError: There is none.
    """
    place = given or folder / CORRECTED
    files = [place] if place.is_file() else sorted(place.glob('*')) if place.is_dir() else []
    exports = [file for file in files if file.suffix.lower() in ENDINGS]
    if not exports:
        raise ConfigError(
            f'{place} has no corrected labels; expected an export of CVAT (.xml or .zip) or Label '
            f'Studio (.json): put it into {folder / CORRECTED}, or name it with --corrected.'
        )
    return exports


def import_corrected(mined: Mined, exports: Iterable[Path], target: Path) -> Imported:
    """Write the dataset: images/*.jpg, labels/*.png, mapping.yaml.

    That of an earlier import stays as it is until all exports have been read.

    Args:
        mined: What was mined.
        exports: Files with corrected labels; together they have each image once.
        target: Folder of the dataset; new, empty, or that of an earlier import.

    Raises:
        ConfigError: The target has other files, or cannot be written.
        DatasetError: An export cannot be read, does not fit the images or the labels, or has an
            image again; or none has any label.
        MappingError: mapping.yaml is missing or damaged.
    """
    labels = read_label_set(mined.folder)
    scratch = _prepare(target)
    try:
        images = _write(mined, exports, labels, scratch)
        _publish(scratch, target)
    except OSError as problem:
        raise _unusable(target, problem) from problem
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return Imported(target, images, len(mined.sizes))


def _prepare(target: Path) -> Path:
    """Make the folder of the dataset, and one in it for the new parts; earlier ones stay.

    Raises:
        ConfigError: It has other files, or cannot be written.
    """
    scratch = target / UNFINISHED
    try:
        target.mkdir(parents=True, exist_ok=True)
        names = {entry.name for entry in target.iterdir()}
        foreign = sorted(names - {*PARTS, UNFINISHED})
        if foreign or (names and not names & {MARK, UNFINISHED}):
            raise ConfigError(
                f'The folder {target} holds {", ".join(foreign[:3] or sorted(names))}; expected a '
                'new or empty one, or that of an earlier import: name another with --output.'
            )
        shutil.rmtree(output_folder(scratch), ignore_errors=True)  # of an import that was killed
        for name in (IMAGES, LABELS):
            output_folder(target / name)
            (scratch / name).mkdir(parents=True)
    except OSError as problem:
        raise _unusable(target, problem) from problem
    return scratch


def _write(mined: Mined, exports: Iterable[Path], labels: LabelSet, folder: Path) -> int:
    """Write all parts of the dataset into a folder; return the number of images.

    Raises:
        DatasetError: As `import_corrected`.
    """
    found: dict[str, Path] = {}
    for file in exports:
        for stem, label_ids in read_export(file, mined.sizes, labels):
            if stem in found:
                raise DatasetError(
                    f'{file} and {found[stem]} both have labels of the image {stem}; expected '
                    'each image once: remove one of the files.'
                )
            found[stem] = file
            name = f'{stem}{IMAGE_ENDING}'
            shutil.copyfile(mined.folder / IMAGES / name, folder / IMAGES / name)
            write_image(folder / LABELS / f'{stem}.png', label_ids)
    if not found:
        raise DatasetError(
            f'{", ".join(map(str, exports))} has no image with a label; expected corrected ones: '
            'export the task with its annotations.'
        )
    shutil.copyfile(mined.folder / MAPPING_FILE, folder / MAPPING_FILE)
    record = {stem: file.name for stem, file in sorted(found.items())}
    (folder / MARK).write_text(json.dumps(record, indent=2) + '\n', 'utf-8')
    return len(found)


def _publish(scratch: Path, target: Path) -> None:
    """Put the complete parts in the place of earlier ones, which are removed with `scratch`."""
    before = scratch / 'before'
    before.mkdir()
    for name in PARTS:
        if (target / name).exists():
            (target / name).replace(before / name)
        (scratch / name).replace(target / name)


def _unusable(target: Path, problem: OSError) -> ConfigError:
    return ConfigError(
        f'The folder {target} cannot be used ({problem}); expected one that can be written: name '
        'another with --output.'
    )


def read_export(file: Path, sizes: Mapping[str, ImageSize], labels: LabelSet) -> Iterable[Labels]:
    """Yield image stem and (H, W) label ids of each image that has labels in an export.

    What kind of export it is is told by its content.

    Args:
        file: An .xml, .zip or .json file.
        sizes: Size of each mined image by stem.
        labels: The labels that there are.

    Raises:
        DatasetError: The file cannot be read, or does not fit the images or the labels.
    """
    try:
        size = file.stat().st_size
        if size > MAX_BYTES:
            raise DatasetError(
                f'{file} has {size} bytes; expected at most {MAX_BYTES}: export fewer images at a '
                'time.'
            )
        data = file.read_bytes()
    except OSError as problem:
        raise DatasetError(
            f'{file} cannot be read ({problem}); expected a readable file: check its permissions.'
        ) from problem
    if file.suffix.lower() == '.xml':
        return read_cvat(data, file, sizes, labels)
    if file.suffix.lower() == '.json':
        return read_label_studio(data, file, sizes, labels)
    return _unpacked(data, file, sizes, labels)


def _unpacked(
    data: bytes, file: Path, sizes: Mapping[str, ImageSize], labels: LabelSet
) -> Iterable[Labels]:
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except zipfile.BadZipFile as problem:
        raise DatasetError(
            f'{file} is no whole ZIP file ({problem}); expected an export of CVAT: download it '
            'again.'
        ) from problem
    names = archive.namelist()
    plain = [name for name in names if PurePosixPath(name).name == ANNOTATIONS]
    if plain:
        return read_cvat(read_entry(archive, file, plain[0]), file, sizes, labels)
    has_list = any(PurePosixPath(name).name == COLOURS for name in names)
    if has_list and any(CLASSES in name for name in names):
        return read_masks(archive, file, sizes, labels)
    raise DatasetError(
        f'{file} has neither {ANNOTATIONS} nor {COLOURS} with {CLASSES}; expected an export of '
        'CVAT in the format "CVAT for images 1.1" or "Segmentation mask 1.1".'
    )
