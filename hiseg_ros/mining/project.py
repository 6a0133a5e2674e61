# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The output folder of mining: images, labels to correct, and projects for annotation tools."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import ConfigError
from hiseg_ros.images.file import write_image
from hiseg_ros.mining.annotation import LabelledImage
from hiseg_ros.mining.corrected import (
    CORRECTED,
    DATASET,
    IMAGE_ENDING,
    IMAGES,
    LABELS,
    RECORD,
)
from hiseg_ros.mining.cvat import CvatWriter
from hiseg_ros.mining.label_studio import LOCAL_FILES, LabelStudioWriter
from hiseg_ros.mining.labels import MAPPING_FILE, LabelSet
from hiseg_ros.mining.mask_archive import MaskArchiveWriter
from hiseg_ros.output_files import output_folder
from hiseg_ros.types import RgbImage

PAGE = 'mining.html'
CVAT, LABEL_STUDIO = 'cvat', 'label_studio'
FOLDERS = (IMAGES, LABELS, CVAT, LABEL_STUDIO)

JPEG = (cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111)
"""Quality of the images: no difference to the eye, and colours at full resolution."""


class ProjectFolder:
    """Writes images and labels one by one; use as a context manager, which ends the files."""

    def __init__(
        self, path: Path, labels: LabelSet, count: int, model: str, prefix: str | None = None
    ) -> None:
        """Make the folders and begin the files.

        Args:
            path: The folder; new, empty, or that of an earlier mining.
            labels: The labels of the projects.
            count: Number of images.
            model: Name of the network that made the labels.
            prefix: What Label Studio finds in front of an image's name; None for the address of a
                local file below the folder's parent.

        Raises:
            ConfigError: It cannot be written, or has other files.
        """
        self.path = path
        prepare(path)
        prefix = f'{LOCAL_FILES}{path.resolve().name}/{IMAGES}/' if prefix is None else prefix
        self._files = ExitStack()
        try:
            self._cvat = self._files.enter_context(
                CvatWriter(path / CVAT, labels, path.resolve().name, count)
            )
            self._masks = self._files.enter_context(MaskArchiveWriter(path / CVAT, labels))
            self._studio = self._files.enter_context(
                LabelStudioWriter(path / LABEL_STUDIO, labels, model, prefix)
            )
        except BaseException:
            self._files.close()
            raise

    def add(self, stem: str, rgb: RgbImage, label_ids: NDArray[np.uint8]) -> None:
        """Write an image and its labels.

        Args:
            stem: Name without ending.
            rgb: (H, W, 3) uint8.
            label_ids: (H, W) uint8.

        Raises:
            ImageError: It cannot be written.
        """
        image = LabelledImage(f'{stem}{IMAGE_ENDING}', label_ids)
        write_image(self.path / IMAGES / image.name, rgb, JPEG)
        write_image(self.path / LABELS / f'{stem}.png', label_ids)
        for writer in (self._cvat, self._masks, self._studio):
            writer.add(image)

    def __enter__(self) -> ProjectFolder:
        """Return the folder."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the files."""
        self._files.__exit__(kind, error, trace)


def check_folder(path: Path) -> None:
    """Make the output folder and check that it may be written.

    Raises:
        ConfigError: It cannot be written, or has other files, or corrected labels already.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        names = {entry.name for entry in path.iterdir()}
    except OSError as problem:
        raise _unusable(path, problem) from problem
    done = sorted(names & {CORRECTED, DATASET})
    foreign = sorted(names - {*FOLDERS, RECORD, PAGE, MAPPING_FILE})
    if done or foreign or (names and not names & {RECORD, MAPPING_FILE}):
        what = done or foreign or sorted(names)
        raise ConfigError(
            f'The folder {path} holds {", ".join(what[:3])}; expected a new or empty one, or that '
            'of an earlier mining without corrected labels: name another with --output.'
        )


def prepare(path: Path) -> None:
    """Make the output folder, without what an earlier mining left.

    Raises:
        ConfigError: As `check_folder`.
    """
    check_folder(path)
    try:
        for name in (RECORD, PAGE):
            (path / name).unlink(missing_ok=True)
        for name in FOLDERS:
            folder = output_folder(path / name)
            folder.mkdir(exist_ok=True)
            for entry in folder.iterdir():
                entry.unlink()
    except OSError as problem:
        raise _unusable(path, problem) from problem


def _unusable(path: Path, problem: OSError) -> ConfigError:
    return ConfigError(
        f'The folder {path} cannot be used ({problem}); expected one that can be written: name '
        'another with --output.'
    )


def file_stems(
    drives: Sequence[str], names: Sequence[str], times_ns: Sequence[int | None]
) -> list[str]:
    """Return a name without ending for each frame that no other has.

    A frame of a bag is named after its drive and stamp, a file after itself; characters that tools
    or file systems may not take become underscores.

    Args:
        drives: Drive of each frame.
        names: Name of each frame in its source.
        times_ns: Stamp of each frame, None for files.
    """
    taken: set[str] = set()
    stems = []
    for drive, name, time_ns in zip(drives, names, times_ns, strict=True):
        text = name.rpartition('.')[0] if '.' in name else name
        whole = text if time_ns is None else f'{drive}_{time_ns}'
        stem = re.sub(r'[^A-Za-z0-9_-]+', '_', whole).strip('_')[-100:] or 'frame'
        other, number = stem, 2
        while other.casefold() in taken:
            other, number = f'{stem}_{number}', number + 1
        taken.add(other.casefold())
        stems.append(other)
    return stems
