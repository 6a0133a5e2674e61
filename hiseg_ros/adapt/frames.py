# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Choice of frames from recordings: spread in time and by appearance, some held back.

Farthest-point selection (Gonzalez, "Clustering to minimize the maximum intercluster distance",
1985): each frame is the one that is farthest from those already chosen. It covers what there is
to see with few frames, where every Nth frame would mostly show the longest red light.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import ConfigError
from hiseg_ros.retrieval.sources import Source
from hiseg_ros.retrieval.store import Computes, Features, features_of
from hiseg_ros.types import RgbImage

LEAST_FRAMES = 20
"""Fewest usable frames that can be adapted to: sixteen to learn from and four to check."""

HELD_BACK_SHARE = 0.2
LEAST_HELD_BACK, MOST_HELD_BACK = 4, 16
"""Frames that training never sees, to check the weights on."""

MOST_CANDIDATES = 3000
"""Frames that are looked at, evenly spread over all recordings."""

TIME_WEIGHT = 0.5
"""Distance of the first from the last frame of a recording by time alone, where frames that have
nothing in common are 1.4 apart."""

LEAST_SPREAD = 4.0
"""Standard deviation in grey levels below which an image shows nothing, as of a covered camera."""


@dataclass(frozen=True)
class ChosenFrame:
    """One frame of one source."""

    source: int
    """Position of its source."""
    number: int
    """Position in the source."""
    name: str
    time_ns: int | None
    """Stamp; None for files."""


@dataclass(frozen=True)
class Choice:
    """The frames of an adaptation."""

    learnt: tuple[ChosenFrame, ...]
    """Frames to learn from, in the order of the sources."""
    held_back: tuple[ChosenFrame, ...]
    """Frames to check on."""
    looked_at: int
    """Frames among which was chosen."""
    empty: int
    """Frames of them that show nothing: black, covered or of one colour."""
    damaged: int
    """Frames that cannot be decoded."""

    @property
    def notes(self) -> list[str]:
        """What was left out, in a sentence each."""
        notes = []
        if self.empty:
            notes.append(f'{self.empty} images show nothing (black or of one colour): left out')
        if self.damaged:
            notes.append(f'{self.damaged} images cannot be decoded: left out')
        return notes


class UsableFeatures:
    """Features with one more number: 1 where the image shows something, else 0."""

    def __init__(self, network: Computes) -> None:
        """Take what computes the features."""
        self._network = network
        self.identity = f'{network.identity} shows something above {LEAST_SPREAD}'

    def compute(self, rgb: RgbImage) -> NDArray[np.float32]:
        """Return the (D + 1,) feature of an image."""
        return np.append(self._network.compute(rgb), np.float32(shows_something(rgb)))


def shows_something(rgb: RgbImage) -> bool:
    """Return whether an image has structure; a black one, or one of a single colour, has none."""
    size = (min(64, rgb.shape[1]), min(64, rgb.shape[0]))
    # Averaged first, so that a dark sensor's noise does not count.
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    return float(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).std()) >= LEAST_SPREAD


def choose_frames(
    sources: Sequence[Source],
    network: Computes,
    cache: Path,
    wanted: int,
    on_frame: Callable[[], object] = lambda: None,
) -> Choice:
    """Choose frames to learn from, and others to check on.

    Args:
        sources: Recordings and folders of images.
        network: Computes features.
        cache: Where features are kept.
        wanted: Most frames to learn from.
        on_frame: Called for each frame that is looked at.

    Raises:
        BagError: A bag is damaged.
        ConfigError: There are too few usable frames, or features cannot be written.
    """
    every = step_of(sources)
    features = [
        features_of(source, UsableFeatures(network), cache, every, on_frame) for source in sources
    ]
    flags = np.concatenate([one.vectors[:, -1] for one in features]) > 0.5
    damaged = sum(one.damaged for one in features)
    looked_at = len(flags) + damaged
    usable = np.flatnonzero(flags)
    if len(usable) < LEAST_FRAMES:
        raise _too_few(sources, len(usable), len(flags) - len(usable), damaged)
    held = min(max(round(HELD_BACK_SHARE * len(usable)), LEAST_HELD_BACK), MOST_HELD_BACK)
    frames = _frames(features)
    places = _places(features)[usable]
    chosen = farthest_points(places, min(len(usable), wanted + held))
    # Held back are frames as varied as those learnt from: every Nth of the chosen in time.
    in_time = sorted(usable[chosen].tolist())
    numbers = {round((place + 0.5) * len(in_time) / held - 0.5) for place in range(held)}
    return Choice(
        tuple(frames[one] for place, one in enumerate(in_time) if place not in numbers),
        tuple(frames[one] for place, one in enumerate(in_time) if place in numbers),
        looked_at,
        len(flags) - len(usable),
        damaged,
    )


def step_of(sources: Sequence[Source]) -> int:
    """Return the step between frames that are looked at, so that they are not too many."""
    return max(1, math.ceil(sum(source.count for source in sources) / MOST_CANDIDATES))


def farthest_points(places: NDArray[np.float64], count: int) -> list[int]:
    """Return points of which each is the farthest from all before it.

    Args:
        places: (N, D); the first point is the one nearest to their mean.
        count: Number of points, at most N.
    """
    chosen = [int(np.argmin(np.linalg.norm(places - places.mean(0), axis=1)))]
    nearest = np.linalg.norm(places - places[chosen[0]], axis=1)
    while len(chosen) < count:
        nearest[chosen[-1]] = -1.0  # never again, also where points coincide
        chosen.append(int(np.argmax(nearest)))
        nearest = np.minimum(nearest, np.linalg.norm(places - places[chosen[-1]], axis=1))
    return chosen


def _places(features: Sequence[Features]) -> NDArray[np.float64]:
    """Return (N, D + 1): features around their mean, of length 1, and the place in time."""
    vectors = np.concatenate([one.vectors[:, :-1] for one in features]).astype(np.float64)
    vectors -= vectors.mean(0)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    times = [np.arange(len(one)) / max(1, len(one) - 1) for one in features]
    return np.column_stack([vectors, TIME_WEIGHT * np.concatenate(times)])


def _frames(features: Sequence[Features]) -> list[ChosenFrame]:
    return [
        ChosenFrame(
            place,
            int(one.numbers[index]),
            one.names[index],
            int(one.times_ns[index]) if one.times_ns[index] >= 0 else None,
        )
        for place, one in enumerate(features)
        for index in range(len(one))
    ]


def read_frames(
    sources: Sequence[Source], frames: Sequence[ChosenFrame]
) -> Iterator[tuple[ChosenFrame, RgbImage]]:
    """Yield chosen frames with their images; a source is read once."""
    for place, source in enumerate(sources):
        of_source = {frame.number: frame for frame in frames if frame.source == place}
        for found in source.frames(min(of_source, default=0), set(of_source)):
            if found.rgb is not None:
                yield of_source[found.number], found.rgb


def _too_few(sources: Sequence[Source], usable: int, empty: int, damaged: int) -> ConfigError:
    what = ', '.join(str(source.path) for source in sources)
    why = [f'{empty} are black or of one colour'] if empty else []
    why += [f'{damaged} cannot be decoded'] if damaged else []
    has = 'has' if len(sources) == 1 else 'have'
    reasons = f' ({", ".join(why)})' if why else ''
    return ConfigError(
        f'{what} {has} {usable} usable images{reasons}; expected at least {LEAST_FRAMES}, of '
        f'which {LEAST_HELD_BACK} are held back to check on: record longer, or name more.'
    )
