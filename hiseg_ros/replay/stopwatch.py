# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Time of a replay by stage; kept apart from its results, which must not depend on it."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any, TypeVar

Item = TypeVar('Item')

STAGES = ('read', 'decode', 'segment', 'truth', 'figures', 'messages', 'write')
"""Reading from disk, decoding the image, the engine, ground truth, metrics such as flow and
tracks, building the messages, writing into the new bag."""


class Stopwatch:
    """Sums up the seconds of each stage, over all runs of a replay."""

    def __init__(self) -> None:
        """Start at zero."""
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self.elapsed_s = 0.0
        self.frames = 0
        self._since = perf_counter()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of the with block to a stage."""
        started = perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += perf_counter() - started

    def timed(self, items: Iterable[Item], name: str) -> Iterator[Item]:
        """Yield items, and add the time until each is there to a stage."""
        iterator = iter(items)
        while True:
            with self.stage(name):
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item

    def state(self) -> dict[str, Any]:
        """Return the state that a resumed run starts from."""
        return {
            'seconds': dict(self.seconds),
            'elapsed_s': self.elapsed_s + perf_counter() - self._since,
            'frames': self.frames,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Continue from a state."""
        self.seconds, self.elapsed_s = dict(state['seconds']), state['elapsed_s']
        self.frames, self._since = state['frames'], perf_counter()

    def summary(self) -> dict[str, Any]:
        """Return seconds, rate, shares and the largest memory of this process so far."""
        state = self.state()
        elapsed = max(state['elapsed_s'], 1e-9)
        kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return {
            'frames': self.frames,
            'elapsed_s': round(elapsed, 3),
            'rate_hz': round(self.frames / elapsed, 3),
            'share': {name: round(s / elapsed, 4) for name, s in self.seconds.items()},
            'ms_per_frame': {
                name: round(1e3 * s / max(1, self.frames), 3) for name, s in self.seconds.items()
            },
            'peak_memory_mib': round(kib / (2**20 if sys.platform == 'darwin' else 2**10), 1),
        }
