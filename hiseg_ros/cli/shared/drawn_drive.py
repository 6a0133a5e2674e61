# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The drawn drive of the demo: drawn once, then kept as a bag in the user's cache folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hiseg_ros.errors import DatasetError
from hiseg_ros.resources import cache_folder
from hiseg_ros.types import UNLABELED, ImageSize

if TYPE_CHECKING:
    from hiseg_ros.bags.footage import Frame


@dataclass(frozen=True)
class DrivePlan:
    """Which drive to draw."""

    seed: int = 28
    size: ImageSize = (512, 1024)
    """(height, width) of the images in pixels."""
    rate_hz: float = 15.0
    frames: int = 90
    """Six seconds. Drawing them takes longer than all else of a first demo but installing."""


def drawn_drive(seconds: float | None = None, plan: DrivePlan | None = None) -> Path:
    """Return the bag of the drawn drive, drawn on the first call with a progress bar.

    Args:
        seconds: Least length of the drive; None for its usual length.
        plan: Which drive; None for that of the demo.

    Raises:
        BagError: The bag cannot be written.
        DatasetError: The drawing code is not installed, or a drawing process was killed.
    """
    from hiseg_ros.bags.footage import cached_bag, write_camera_bag

    plan = plan or DrivePlan()
    if seconds is not None:
        plan = replace(plan, frames=max(plan.frames, round(seconds * plan.rate_hz)))
    digest, folder = drawing_digest(plan), cache_folder()
    for outdated in folder.glob('drive-*'):
        if digest not in outdated.name:
            shutil.rmtree(outdated, ignore_errors=True)  # another process may remove it too
    return cached_bag(
        folder,
        f'drive-{digest}-{plan.frames}',
        lambda path: write_camera_bag(path, drawn_frames(plan), plan.rate_hz),
    )


def drawn_frames(plan: DrivePlan) -> Iterator[Frame]:
    """Yield the frames of a drive, drawn on all cores, with a progress bar.

    Raises:
        DatasetError: A drawing process was killed.
    """
    from tqdm import tqdm

    # Spawned, since a fork of a process with threads may hang. The children ignore Ctrl-C: the
    # parent gets it and ends them below.
    pool = ProcessPoolExecutor(
        os.cpu_count(),
        get_context('spawn'),
        initializer=signal.signal,
        initargs=(signal.SIGINT, signal.SIG_IGN),
    )
    try:
        drawn = pool.map(partial(draw, plan), range(plan.frames), chunksize=2)
        yield from tqdm(drawn, 'drawing the drive', plan.frames, unit='frame', mininterval=0.5)
    except BrokenProcessPool as error:
        raise DatasetError(
            'A process that draws the drive was killed; expected about 300 MiB of memory for each '
            'core: close other programs and try again, or name a bag.'
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def draw(plan: DrivePlan, index: int) -> Frame:
    """Return one frame of a drive; its labels are node ids of the taxonomy `street`."""
    from hiseg_ros.bags.footage import Frame
    from hiseg_ros.datasets.scenes import Drive
    from hiseg_ros.taxonomy import load_taxonomy

    scene = Drive(plan.seed, plan.size, plan.rate_hz).frame(index)
    taxonomy = load_taxonomy('street')
    node_id_of_leaf = np.full(256, UNLABELED, np.uint8)
    for leaf, name in enumerate(scene.leaf_names):
        node_id_of_leaf[leaf] = taxonomy.node_id(name)
    return Frame(scene.rgb, node_id_of_leaf[scene.labels])


def drawing_digest(plan: DrivePlan) -> str:
    """Return a digest of the drawing code and of the plan without its length.

    Raises:
        DatasetError: The drawing code is not installed.
    """
    from hiseg_ros.bags import footage
    from hiseg_ros.taxonomy import load_taxonomy

    package = Path(__file__).resolve().parents[2] / 'datasets' / 'scenes'
    sources = sorted(package.rglob('*.py'))
    if not sources:
        raise DatasetError(
            f'The drawing code was not found at {package}; expected it in the installed package: '
            'install hiseg_ros again, or name a bag.'
        )
    digest = hashlib.sha256(repr(replace(plan, frames=0)).encode())
    digest.update(load_taxonomy('street').digest.encode())  # the ids of the ground truth
    for source in (*sources, Path(footage.__file__), Path(__file__)):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]
