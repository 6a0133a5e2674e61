# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Networks on the workers of a Ray cluster that segment the next images while one is measured.

Images come back in their order, and everything after the network is done here: scores and files
are those of one machine, to the last digit.
"""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any, TypeVar

from hiseg_ros.errors import ConfigError, HisegError, ImageError
from hiseg_ros.fleet.ray_pool import Workers, checked_count, first_line
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.types import EVERYTHING, RgbImage, Segmentation, Wanted

IMAGES_AHEAD = 2
"""Images that wait at each worker or are in its network; more would only fill the memory."""

TRIES = 3
"""Times that Ray begins an image again whose worker died."""

T = TypeVar('T')


@dataclass(frozen=True)
class About:
    """What a worker says of itself."""

    facts: Mapping[str, Any]
    """What all workers must share."""
    node: str
    """Name of its machine."""
    taxonomy: Taxonomy
    model_path: Path
    threshold: float


class RemoteNetwork:
    """Runs in a process of Ray; errors come back as sentences."""

    def __init__(self, opened: Callable[[], Any], threads: int) -> None:
        """Keep what opens the engine, which the first call does."""
        os.environ.setdefault('OMP_NUM_THREADS', str(threads))
        self._opened = opened
        self._engine: Any = None

    def about(self) -> tuple[Any, str]:
        """Return (About, '') or (None, sentence)."""
        return self._tried(
            lambda engine: About(
                {
                    'weights': Path(engine.model_path).name,
                    'taxonomy': engine.taxonomy.digest,
                    'device': engine.device,
                    'backend': engine.backend,
                    'precision': engine.precision,
                },
                socket.gethostname(),
                engine.taxonomy,
                Path(engine.model_path),
                engine.threshold,
            )
        )

    def segment(self, rgb: RgbImage, wanted: Wanted) -> tuple[Any, str]:
        """Return (Segmentation, '') or (None, sentence)."""
        return self._tried(lambda engine: engine.segment(rgb, wanted))

    def _tried(self, run: Callable[[Any], Any]) -> tuple[Any, str]:
        try:
            if self._engine is None:
                self._engine = self._opened()
            return run(self._engine), ''
        except HisegError as error:
            return None, str(error)


class RemoteSegmenter:
    """Segments images on workers; in part as `Engine`."""

    def __init__(self, ray: Any, opened: Callable[[], Any], workers: Workers) -> None:
        """Start the workers and wait until all have loaded their network.

        Args:
            ray: The connected module.
            opened: Returns an `Engine` or a `ClassicalEngine`; a function that Ray can pickle.
            workers: How many, and what each reserves.

        Raises:
            ConfigError: The cluster has not the resources, or the network cannot be used.
        """
        self._ray = ray
        count = checked_count(ray, workers)
        kind = ray.remote(RemoteNetwork).options(
            num_cpus=workers.cpus,
            num_gpus=workers.gpus,
            max_restarts=-1,
            max_task_retries=TRIES,
        )
        threads = max(1, int(workers.cpus))
        self._actors = [kind.remote(opened, threads) for _ in range(count)]
        self._waiting: deque[tuple[RgbImage, Any]] = deque()
        self._next = cycle(self._actors)
        first, *others = [
            self._got(actor.about.remote(), 'did not start') for actor in self._actors
        ]
        for other in others:
            different = [key for key in first.facts if other.facts[key] != first.facts[key]]
            if different:
                raise ConfigError(
                    f'The workers on {first.node} and {other.node} have another '
                    f'{" and ".join(different)}; expected the same everywhere, or scores would '
                    'depend on who did what: give --device, --backend and --precision.'
                )
        self.taxonomy: Taxonomy = first.taxonomy
        self.model_path: Path = first.model_path
        self.device: str = first.facts['device']
        self.backend: str = first.facts['backend']
        self.precision: str = first.facts['precision']
        self.threshold: float = first.threshold

    @property
    def size(self) -> int:
        """Number of workers."""
        return len(self._actors)

    def ahead(self, items: Iterable[T], image_of: Callable[[T], RgbImage]) -> Iterator[T]:
        """Yield items, whose images the workers segment already.

        Args:
            items: Read as far ahead as the workers have room.
            image_of: Returns an item's image; `segment` is then called with that very array.

        Raises:
            Exception: That of an item that cannot be read, after those before it were yielded.
        """
        read: deque[T] = deque()
        try:
            for item in items:
                image = image_of(item)
                self._waiting.append((image, next(self._next).segment.remote(image, EVERYTHING)))
                read.append(item)
                if len(read) >= IMAGES_AHEAD * self.size:
                    yield read.popleft()
        except Exception:
            yield from read
            raise
        yield from read

    def segment(self, rgb: RgbImage, wanted: Wanted = EVERYTHING) -> Segmentation:
        """Return the results of an image.

        Raises:
            ImageError: It cannot be segmented, or the workers died over it.
        """
        is_ahead = bool(self._waiting) and self._waiting[0][0] is rgb and wanted == EVERYTHING
        if is_ahead:
            _, handle = self._waiting.popleft()
        else:
            handle = next(self._next).segment.remote(rgb, wanted)
        found: Segmentation = self._got(handle, f'died {TRIES + 1} times over one image')
        return found

    def _got(self, handle: Any, what: str) -> Any:
        """Return the value of a call; `what` says what happened if there is none."""
        try:
            value, error = self._ray.get(handle)
        except self._ray.exceptions.RayError as problem:
            raise ImageError(
                f'A worker {what} ({first_line(problem)}); expected hiseg_ros, the same packages '
                'and enough memory on every machine.'
            ) from problem
        if error:
            raise ConfigError(error)
        return value
