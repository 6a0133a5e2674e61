# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Loader of drawn scenes: they are drawn when the dataset is opened first, and kept on disk."""

from __future__ import annotations

import fcntl
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import cv2
from tqdm import tqdm

from hiseg_ros.datasets.sample import Sample, read_image, read_label_ids
from hiseg_ros.datasets.scenes import LEAF_NAMES, draw_scene
from hiseg_ros.errors import DatasetError, ImageError
from hiseg_ros.images import write_image
from hiseg_ros.types import ImageSize


def _draw(folder: Path, size: ImageSize, seed: int) -> None:
    scene = draw_scene(seed, size)
    if scene.leaf_names != LEAF_NAMES:
        raise DatasetError('A drawn scene has other leaf names than the drawing code lists.')
    # The labels are written last: a scene is complete when its label file exists.
    partial_path = folder / f'{seed:06d}.partial.png'
    try:
        write_image(folder / f'{seed:06d}.jpg', scene.rgb, [cv2.IMWRITE_JPEG_QUALITY, 92])
        write_image(partial_path, scene.labels)
    except ImageError as problem:
        raise DatasetError(
            f'Drawn scenes cannot be written to {folder}; expected a free disk.'
        ) from problem
    partial_path.rename(folder / f'{seed:06d}.png')


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
