# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Drawn scenes written in the layout of a published dataset, by several processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Collection
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import count as numbers_from
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from tqdm import tqdm

from hiseg_ros.datasets.drawn_formats import DrawnFormat
from hiseg_ros.datasets.gtsdb import TEST_NUMBERS
from hiseg_ros.datasets.registry import DATASETS, names_of_drawn_formats
from hiseg_ros.datasets.scenes import LEAF_NAMES, draw_scene
from hiseg_ros.datasets.scenes.redrawing import draw_without
from hiseg_ros.errors import ConfigError, DatasetError
from hiseg_ros.nearest_name import expected_name
from hiseg_ros.types import ImageSize

SPLITS = ('train', 'val')

HELD_OUT_EVERY = 5
"""Every fifth scene goes to val; GTSDB separates train and held_out by the same rule."""

MIN_SIDE = 32


@dataclass(frozen=True)
class SceneJob:
    """One scene to draw and write."""

    layout: str
    folder: Path
    split: str
    number: int
    """The image's number in its file name."""
    seed: int
    size: ImageSize
    without: tuple[int, ...] = ()
    """Leaves whose objects are left out."""


def write_drawn_scenes(
    layout: str,
    folder: Path,
    count: int,
    size: ImageSize | None = None,
    seed: int = 0,
    split: str | None = None,
    without: Collection[str] = (),
) -> dict[str, int]:
    """Draw scenes and write them as a dataset, with a progress bar.

    Args:
        layout: Name of a dataset with a drawn format: one of `names_of_drawn_formats()`.
        folder: Target folder; it must be empty or not exist.
        count: Number of scenes.
        size: (height, width) in pixels, None for that of the dataset.
        seed: Other seeds give other scenes; the splits never share one.
        split: 'train' or 'val' for all of them; None puts every fifth into val.
        without: Leaves whose objects are left out; all else is as in the whole scene of the seed.

    Returns:
        The number of scenes by split.

    Raises:
        ConfigError: A value cannot be used.
        DatasetError: The folder is not empty or cannot be written, or a process was killed.
    """
    jobs = plan_scenes(layout, folder, count, size, seed, split, without)
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise DatasetError(
                f'{folder} is not an empty folder; expected one for the drawn scenes alone: '
                'choose another or empty it.'
            )
        folder.mkdir(parents=True, exist_ok=True)
        lines = _draw_all(jobs)
        drawn_format(layout).write_list(folder, lines)
    except OSError as problem:
        raise DatasetError(
            f'The drawn scenes cannot be written to {folder} ({problem}); expected a folder with '
            'the right to write and room on its disk: delete what is there and try again.'
        ) from problem
    return {name: sum(job.split == name for job in jobs) for name in SPLITS}


def drawn_format(layout: str) -> DrawnFormat:
    """Return how drawn scenes are written as a dataset.

    Raises:
        ConfigError: They are not, or there is no such dataset.
    """
    if layout not in names_of_drawn_formats():
        raise ConfigError(
            f'The format is {layout!r}; expected one of {list(names_of_drawn_formats())}.'
        )
    return DATASETS[layout].load_drawn_format()


def plan_scenes(
    layout: str,
    folder: Path,
    count: int,
    size: ImageSize | None,
    seed: int,
    split: str | None,
    without: Collection[str] = (),
) -> list[SceneJob]:
    """Return the scenes to draw, in the order of their numbers.

    Raises:
        ConfigError: A value cannot be used.
    """
    chosen_format = drawn_format(layout)
    if split not in (None, *SPLITS):
        raise ConfigError(f'The split is {split!r}; expected one of {list(SPLITS)}, or none.')
    least = 1 if split else 2
    if count < least:
        raise ConfigError(
            f'The number of scenes is {count}; expected at least {least}, one for each split.'
        )
    if seed < 0:
        raise ConfigError(f'The seed is {seed}; expected 0 or more.')
    size = size or chosen_format.size
    if min(size) < MIN_SIDE:
        raise ConfigError(f'The size is {size}; expected at least {MIN_SIDE} pixels a side.')
    left_out = tuple(_leaf(name) for name in without)
    chosen: list[SceneJob] = []
    numbers = numbers_from()
    while len(chosen) < count:
        number = next(numbers)
        name = 'val' if number % HELD_OUT_EVERY == 0 else 'train'
        if number not in TEST_NUMBERS and split in (None, name):
            own_seed = scene_seed(layout, seed, number)
            chosen.append(SceneJob(layout, folder, name, number, own_seed, size, left_out))
    return chosen


def _leaf(name: str) -> int:
    """Return the number of a leaf of drawn scenes."""
    if name not in LEAF_NAMES:
        raise ConfigError(
            f'Drawn scenes have no label {name!r}; expected {expected_name(name, LEAF_NAMES)}.'
        )
    return LEAF_NAMES.index(name)


def scene_seed(layout: str, seed: int, number: int) -> int:
    """Return the seed of a scene: another one for every format, seed and number.

    Splits differ in their numbers, so that they share no scene, written together or not.
    """
    sequence = np.random.SeedSequence([drawn_format(layout).seed, seed, number])
    return int(sequence.generate_state(1)[0])


def draw_and_write(job: SceneJob) -> list[str]:
    """Draw a scene, write its files and return its lines of the dataset's list."""
    if job.without:
        scene = draw_without(job.seed, job.size, job.without).scene
    else:
        scene = draw_scene(job.seed, job.size)
    return drawn_format(job.layout).write_scene(job.folder, job.split, job.number, scene)


def _draw_all(jobs: list[SceneJob]) -> list[str]:
    # Spawned, since a fork of a process with threads may hang. The children ignore SIGINT, which
    # the parent handles below.
    pool = ProcessPoolExecutor(
        min(os.cpu_count() or 1, len(jobs)),
        get_context('spawn'),
        initializer=signal.signal,
        initargs=(signal.SIGINT, signal.SIG_IGN),
    )
    try:
        written = pool.map(draw_and_write, jobs)
        return [
            line
            for lines in tqdm(written, 'drawing scenes', len(jobs), unit='scene')
            for line in lines
        ]
    except BrokenProcessPool as problem:
        raise DatasetError(
            'A process that draws scenes was killed; expected about 500 MiB of memory for each '
            'CPU core: close other programs and try again.'
        ) from problem
    finally:
        pool.shutdown(cancel_futures=True)
