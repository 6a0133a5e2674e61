# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Checks of a soak test: every image that was sent is accounted for, and nothing leaks."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from hiseg_ros.ros.health.camera_health import CAUSES

LEAK_SECONDS = 300.0
"""Shorter runs are still warming up; growth in them is no leak."""

GROWTH_SHARE, GROWTH_MIB = 0.1, 64.0
"""Largest growth of memory between the second and the last quarter: the larger of the two."""

MORE_THREADS = 2
"""Largest growth of the number of threads between these quarters."""


@dataclass(frozen=True)
class Sent:
    """One image that a camera sent; the camera's images are numbered from 1."""

    at_s: float
    """Seconds of the steady clock."""
    stamp_ns: int
    is_good: bool
    """False where the image was sent malformed on purpose."""


@dataclass(frozen=True)
class CameraObservations:
    """What both sides recorded about one camera."""

    sent: Sequence[Sent]
    taken: Sequence[Sequence[int]]
    """Numbers of the images that reached the node, one list per subscription."""
    counters: Mapping[str, int]
    """The node's own counters: 'received', 'processed', each of CAUSES, and 'lost'."""
    results: Sequence[int]
    """Stamps in ns of the results that arrived."""
    numbers: Sequence[int]
    """Counter 'processed' of each result, which includes the result itself."""
    away: Sequence[tuple[float, float]]
    """Intervals of the steady clock in which the node was disabled or not yet subscribed."""


@dataclass(frozen=True)
class FrameCounts:
    """Number of images of one camera by what became of them; each is counted once."""

    sent: int
    away: int
    """Sent while the node was meant not to subscribe."""
    lost: int
    """Sent while it subscribed, and lost on the way or replaced by a newer image before the node
    took it, by the node's own count."""
    received: int
    processed: int
    busy: int
    stale: int
    bad: int
    unwanted: int
    stopped: int
    memory: int
    rate: int
    garbage: int
    """Malformed images among those that were sent."""
    results: int
    """Processed images whose statistics arrived."""

    @property
    def unexplained(self) -> int:
        """Images that no counter accounts for."""
        dropped = sum(getattr(self, cause) for cause in CAUSES)
        return self.sent - self.away - self.lost - self.processed - dropped


def check_counts(name: str, observed: CameraObservations) -> tuple[FrameCounts, list[str]]:
    """Compare what a camera sent with what the node counted and with the results that arrived.

    Args:
        name: Of the camera, for the sentences.
        observed: What both sides recorded.

    Returns:
        The counts, and one sentence for each contradiction.
    """
    problems: list[str] = []
    numbers = [number for numbers in observed.taken for number in numbers]
    if any(later <= earlier for earlier, later in pairwise(numbers)):
        problems.append(f'{name}: the node took images twice or in another order')
    if numbers and not 1 <= min(numbers) <= max(numbers) <= len(observed.sent):
        problems.append(f'{name}: the node took images that were never sent')
    heard = {
        number for numbers in observed.taken if numbers
        for number in range(numbers[0], numbers[-1] + 1)
    }  # fmt: skip
    unheard = set(range(1, len(observed.sent) + 1)) - heard
    for number in sorted(unheard):
        at_s = observed.sent[number - 1].at_s
        if not any(begin <= at_s <= end for begin, end in observed.away):
            problems.append(
                f'{name}: image {number} of {len(observed.sent)} never reached the node, '
                'which should have been subscribed'
            )
    counters = observed.counters
    counts = FrameCounts(
        sent=len(observed.sent),
        away=len(unheard),
        lost=counters['lost'],
        received=counters['received'],
        processed=counters['processed'],
        **{cause: counters[cause] for cause in CAUSES},
        garbage=sum(not sent.is_good for sent in observed.sent),
        results=len(observed.results),
    )
    if counts.received != len(numbers):
        problems.append(f'{name}: the node took {len(numbers)} images, counted {counts.received}')
    if counts.unexplained:
        problems.append(f'{name}: {counts.unexplained} images are not accounted for')
    if counts.bad > counts.garbage:
        problems.append(
            f'{name}: the node counted {counts.bad} malformed images, {counts.garbage} were sent'
        )
    if counts.lost != (missing := len(heard) - len(set(numbers))):
        problems.append(f'{name}: {missing} images were lost, the node counted {counts.lost}')
    problems += _of_results(name, observed, counts)
    return counts, problems


def _of_results(name: str, observed: CameraObservations, counts: FrameCounts) -> list[str]:
    problems = []
    if counts.results != counts.processed:
        problems.append(
            f'{name}: {counts.results} results arrived, {counts.processed} were processed'
        )
    if list(observed.numbers) != list(range(1, counts.results + 1)):
        problems.append(f'{name}: the results are not numbered from 1 to {counts.results}')
    good = {sent.stamp_ns for sent in observed.sent if sent.is_good}
    if foreign := [stamp for stamp in observed.results if stamp not in good]:
        problems.append(
            f'{name}: {len(foreign)} results belong to malformed images or to none that was sent'
        )
    if twice := [stamp for stamp, count in Counter(observed.results).items() if count > 1]:
        problems.append(f'{name}: {len(twice)} images have two results')
    return problems


@dataclass(frozen=True)
class Sample:
    """Resources of the node's process at one moment."""

    at_s: float
    """Seconds since the first image."""
    memory_mib: float
    """Resident memory."""
    threads: int
    cores: float
    """Cores that were busy since the previous sample, on average."""


def growth(samples: Sequence[Sample]) -> tuple[dict[str, float], list[str]]:
    """Compare memory and threads of the second quarter of a run with those of the last.

    Returns:
        Medians in both quarters ('memory_before_mib', 'memory_after_mib', 'threads_before',
        'threads_after'; nothing for fewer than 8 samples), and one sentence for each that grew
        too much.
    """
    if len(samples) < 8:
        return {}, []
    end_s = samples[-1].at_s
    before = [s for s in samples if end_s / 4 <= s.at_s < end_s / 2]
    after = [s for s in samples if s.at_s >= 3 * end_s / 4]
    if not before or not after:
        return {}, []
    memory = [statistics.median(s.memory_mib for s in quarter) for quarter in (before, after)]
    threads = [statistics.median(s.threads for s in quarter) for quarter in (before, after)]
    found = {
        'memory_before_mib': memory[0], 'memory_after_mib': memory[1],
        'threads_before': threads[0], 'threads_after': threads[1],
    }  # fmt: skip
    if end_s < LEAK_SECONDS:
        return found, []
    problems = []
    if memory[1] - memory[0] > max(GROWTH_MIB, GROWTH_SHARE * memory[0]):
        problems.append(f'memory grew from {memory[0]:.0f} to {memory[1]:.0f} MiB')
    if threads[1] - threads[0] > MORE_THREADS:
        problems.append(f'threads grew from {threads[0]:g} to {threads[1]:g}')
    return found, problems
