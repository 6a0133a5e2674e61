# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Loader of drawn scenes: they are drawn when the dataset is opened first, and kept on disk."""

from __future__ import annotations

import fcntl
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from hiseg_ros.datasets.sample import Sample, read_image, read_label_ids
from hiseg_ros.datasets.scenes import LEAF_NAMES, draw_scene
from hiseg_ros.datasets.scenes.redrawing import draw_without
from hiseg_ros.errors import DatasetError, ImageError
from hiseg_ros.images import write_image
from hiseg_ros.types import ImageSize

JPEG = [cv2.IMWRITE_JPEG_QUALITY, 92]


def _draw(folder: Path, size: ImageSize, seed: int) -> None:
    scene = draw_scene(seed, size)
    if scene.leaf_names != LEAF_NAMES:
        raise DatasetError('A drawn scene has other leaf names than the drawing code lists.')
    # The labels are written last: a scene is complete when its label file exists.
    partial_path = folder / f'{seed:06d}.partial.png'
    try:
        write_image(folder / f'{seed:06d}.jpg', scene.rgb, JPEG)
        write_image(partial_path, scene.labels)
    except ImageError as problem:
        raise DatasetError(
            f'Drawn scenes cannot be written to {folder}; expected a free disk.'
        ) from problem
    partial_path.rename(folder / f'{seed:06d}.png')


def _draw_without(folder: Path, size: ImageSize, seed: int, label_id: int) -> None:
    """Draw a scene without the objects of a label; the file of the labels is the last one."""
    name = f'{seed:06d}_without_{label_id:03d}'
    redrawn = draw_without(seed, size, [label_id])
    # Of several processes that draw the same each has files of its own.
    own = f'{name}.{os.getpid()}'
    try:
        for ending, values, settings in (
            ('jpg', redrawn.scene.rgb, JPEG),
            ('changed.png', redrawn.changed.astype(np.uint8), []),
            ('png', redrawn.scene.labels, []),
        ):
            partial_path = folder / f'{own}.partial.{ending}'
            write_image(partial_path, values, settings)
            partial_path.rename(folder / f'{name}.{ending}')
    except ImageError as problem:
        raise DatasetError(
            f'Drawn scenes cannot be written to {folder}; expected a free disk.'
        ) from problem


class DrawnScenes:
    """Scenes of consecutive seeds."""

    mapping_name = 'drawn'

    def __init__(
        self,
        folder: Path | str,
        count: int,
        size: ImageSize,
        first_seed: int = 0,
        processes: int = 1,
    ) -> None:
        """Draw the scenes that are missing in the folder, with a progress bar.

        Existing scenes are kept: delete the folder to draw them again.

        Args:
            folder: Scenes are kept in a subfolder named after their size.
            count: Number of scenes.
            size: (height, width) in pixels.
            first_seed: Seed of the first scene; the others follow.
            processes: Number of processes that draw.

        Raises:
            DatasetError: The count is not positive, or the folder cannot be written.
        """
        if count < 1:
            raise DatasetError(f'The number of drawn scenes is {count}; expected at least 1.')
        self.folder = Path(folder) / f'{size[0]}x{size[1]}'
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise DatasetError(
                f'Drawn scenes cannot be written to {self.folder} ({problem}); expected a folder '
                'with the right to write.'
            ) from problem
        self._size = size
        self._seeds = list(range(first_seed, first_seed + count))
        if self._missing():
            # Of several training processes one draws; the others wait for it and find the scenes.
            with (self.folder / 'lock').open('w') as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                self._draw_missing(size, processes)

    def _missing(self) -> list[int]:
        return [seed for seed in self._seeds if not self._path(seed, 'png').is_file()]

    def _draw_missing(self, size: ImageSize, processes: int) -> None:
        missing = self._missing()
        if missing:
            draw = partial(_draw, self.folder, size)
            with ProcessPoolExecutor(processes, mp_context=get_context('spawn')) as pool:
                list(tqdm(pool.map(draw, missing), 'drawing scenes', len(missing)))

    def _path(self, seed: int, ending: str) -> Path:
        return self.folder / f'{seed:06d}.{ending}'

    def __len__(self) -> int:
        """Return the number of scenes."""
        return len(self._seeds)

    def __getitem__(self, index: int) -> Sample:
        """Return a scene with label ids that are positions in LEAF_NAMES, 255 = unlabeled."""
        seed = self._seeds[index]
        return Sample(
            f'drawn_{seed:06d}',
            read_image(self._path(seed, 'jpg')),
            read_label_ids(self._path(seed, 'png')),
        )

    def redrawn_without(self, index: int, label_id: int) -> tuple[Sample, NDArray[np.bool_]]:
        """Return a scene drawn again without the objects of a label, and (H, W) what changed.

        Elsewhere image and labels are equal to those of the scene, bit for bit. It is drawn when
        it is asked for first, and kept beside the scene.

        Args:
            index: Of the scene.
            label_id: Position in LEAF_NAMES.

        Raises:
            DatasetError: There is no such label, or the folder cannot be written.
        """
        seed, whole = self._seeds[index], self[index]
        name = f'{seed:06d}_without_{label_id:03d}'
        if not (self.folder / f'{name}.png').is_file():
            _draw_without(self.folder, (self._size[0], self._size[1]), seed, label_id)
        changed = read_label_ids(self.folder / f'{name}.changed.png') > 0
        redrawn = read_image(self.folder / f'{name}.jpg')
        # JPEG changes a little everywhere.
        image = np.where(changed[..., None], redrawn, whole.image)
        label_ids = read_label_ids(self.folder / f'{name}.png')
        return Sample(f'drawn_{name}', image, label_ids), changed
