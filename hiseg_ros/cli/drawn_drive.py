# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The demo's own footage: a drive drawn by the project, drawn once and then kept as a bag."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from hiseg_ros.errors import DatasetError

SEED = 7
SIZE = (512, 1024)
"""(height, width) of the pictures in pixels."""
RATE_HZ = 15.0
SECONDS = 12.0


def cache_folder() -> Path:
    """Return where drawn drives are kept: $XDG_CACHE_HOME/hiseg_ros, or ~/.cache/hiseg_ros."""
    return Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'hiseg_ros'


def drawn_drive(seconds: float | None = None) -> Path:
    """Return the bag of the drawn drive, drawn on the first call with a progress bar.

    Args:
        seconds: How much of it is wanted; it is longer where that is less than its usual length.

    Raises:
        BagError: It cannot be written.
        DatasetError: The drawing code is not installed.
    """
    from tqdm import tqdm

    from hiseg_ros.replay.footage import Frame, cached_bag, write_camera_bag

    count = round(max(seconds or 0.0, SECONDS) * RATE_HZ)

    def write(path: Path) -> None:
        def frames() -> Iterator[Frame]:
            # Started afresh, since a fork of a process with threads may hang.
            workers = os.cpu_count() or 1
            with ProcessPoolExecutor(workers, get_context('spawn')) as pool:
                drawn = pool.map(partial(draw, seed=SEED), range(count), chunksize=4)
                yield from tqdm(drawn, 'drawing the drive', count, unit='frame')

        write_camera_bag(path, frames(), RATE_HZ)

    digest, folder = drawing_digest(), cache_folder()
    for outdated in folder.glob('drive-*'):
        if digest not in outdated.name:
            shutil.rmtree(outdated, ignore_errors=True)  # a cache may go any time
    return cached_bag(folder, f'drive-{digest}-{count}', write)


def draw(index: int, *, seed: int) -> object:
    """Return frame `index` of the drive as a replay.footage.Frame."""
    from hiseg_ros.replay.footage import Frame
    from hiseg_ros.training.datasets.synthetic import Drive

    scene = Drive(seed, size=SIZE, rate_hz=RATE_HZ).frame(index)
    return Frame(scene.rgb, scene.labels)


def drawing_digest() -> str:
    """Return a digest of the code that draws and its settings.

    Raises:
        DatasetError: The code is not there.
    """
    from hiseg_ros.replay import footage

    package = Path(__file__).resolve().parent.parent / 'training' / 'datasets' / 'synthetic'
    sources = sorted(package.rglob('*.py'))
    if not sources:
        raise DatasetError(
            f'The drawing code was not found at {package}; expected it in the installed package: '
            'install hiseg_ros again, or name a bag.'
        )
    digest = hashlib.sha256(repr((SEED, SIZE, RATE_HZ)).encode())
    for source in (*sources, Path(footage.__file__), Path(__file__)):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]
