# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Features on disk: each image of a source is computed once for a network.

The features of a source are a folder of parts. A part is written whole, so whoever is stopped goes
on after the last one.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import ConfigError
from hiseg_ros.retrieval.sources import Frame, Source
from hiseg_ros.types import RgbImage

PART = 500
"""Images of a part."""

NO_TIME = -1


class Computes(Protocol):
    """Computes features; see `FeatureNetwork`."""

    identity: str

    def compute(self, rgb: RgbImage) -> NDArray[np.float32]:
        """Return the (D,) feature of an image."""


@dataclass(frozen=True)
class Features:
    """The features of a source, in its order."""

    path: Path
    """The source."""
    vectors: NDArray[np.float32]
    """(N, D), each of length 1."""
    numbers: NDArray[np.int64]
    """(N,) positions in the source."""
    names: tuple[str, ...]
    times_ns: NDArray[np.int64]
    """(N,) stamps, NO_TIME for files."""
    damaged: int = 0
    """Images that could not be decoded and have no feature."""

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.names)

    def place(self, index: int) -> tuple[Path, int]:
        """Return what tells an image from all others: its file, or its bag and its number."""
        if self.times_ns[index] != NO_TIME:
            return self.path.resolve(), int(self.numbers[index])
        file = self.path if self.path.is_file() else self.path / self.names[index]
        return file.resolve(), 0


def features_of(
    source: Source,
    network: Computes,
    folder: Path,
    every: int = 1,
    on_frame: Callable[[], object] = lambda: None,
) -> Features:
    """Return the features of a source: those on disk, and the others computed and written.

    Args:
        source: The images.
        network: Computes what is missing.
        folder: Where features are kept, for all sources.
        every: Take every so many images.
        on_frame: Called for each image that is looked at.

    Raises:
        BagError: A bag is damaged.
        ConfigError: The folder cannot be written, or no image can be decoded.
    """
    key = hashlib.sha256(f'{network.identity}\n{every}\n{source.identity}'.encode())
    place = folder / key.hexdigest()[:32]
    try:
        place.mkdir(parents=True, exist_ok=True)
        parts = _parts_on_disk(place)
        for _ in range(sum(part['looked_at'] for part in parts)):
            on_frame()
        first = int(parts[-1]['next']) if parts else 0
        for part in _computed(source, network, first, every, on_frame):
            _write(place / f'{len(parts):06d}.npz', part)
            parts.append(part)
    except OSError as problem:
        raise ConfigError(
            f'Features cannot be written to {folder} ({problem}); expected a folder with the '
            'right to write and room on its disk.'
        ) from problem
    damaged = sum(int(part['damaged']) for part in parts)
    parts = [part for part in parts if len(part['numbers'])]
    if not parts:
        raise ConfigError(
            f'No image of {source.path} can be decoded ({damaged} are damaged); expected at least '
            'one: copy it again.'
        )
    return Features(
        source.path,
        np.concatenate([part['vectors'] for part in parts]).astype(np.float32),
        np.concatenate([part['numbers'] for part in parts]),
        tuple(str(name) for part in parts for name in part['names']),
        np.concatenate([part['times_ns'] for part in parts]),
        damaged,
    )


def _computed(
    source: Source, network: Computes, first: int, every: int, on_frame: Callable[[], object]
) -> Iterator[dict[str, Any]]:
    """Yield the parts that are not on disk."""
    wanted = set(range(-(-first // every) * every, source.count, every))
    frames: list[tuple[Frame, NDArray[np.float32] | None]] = []
    for frame in source.frames(first, wanted):
        vector = None if frame.rgb is None else network.compute(frame.rgb)
        # Not the image: a part would keep hundreds of them.
        frames.append((Frame(frame.number, frame.name, frame.time_ns, None), vector))
        on_frame()
        if len(frames) == PART:
            yield _part(frames)
            frames = []
    if frames:
        yield _part(frames)


def _part(frames: list[tuple[Frame, NDArray[np.float32] | None]]) -> dict[str, Any]:
    good = [(frame, vector) for frame, vector in frames if vector is not None]
    times = [NO_TIME if frame.time_ns is None else frame.time_ns for frame, _ in good]
    return {
        'vectors': np.array([vector for _, vector in good], np.float16),
        'numbers': np.array([frame.number for frame, _ in good], np.int64),
        'names': np.array([frame.name for frame, _ in good], str),
        'times_ns': np.array(times, np.int64),
        'damaged': len(frames) - len(good),
        'looked_at': len(frames),
        'next': frames[-1][0].number + 1,
    }


def _parts_on_disk(place: Path) -> list[dict[str, Any]]:
    """Return the parts without a gap; what follows a damaged one is computed again."""
    parts: list[dict[str, Any]] = []
    for number, path in enumerate(sorted(place.glob('*.npz'))):
        try:
            with np.load(path) as part:
                found = {name: part[name] for name in part.files}
            is_next = path.stem == f'{number:06d}' and len(found['names']) == len(found['vectors'])
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            is_next = False
        if not is_next:
            break
        parts.append(found)
    return parts


def _write(path: Path, part: dict[str, Any]) -> None:
    partial = path.with_suffix(f'.{os.getpid()}.partial')
    try:
        with partial.open('wb') as file:
            np.savez(file, **part)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
