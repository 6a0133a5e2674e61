# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The books of a soak run: what was sent against what became of it, to the last image."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from hiseg_ros.ros.health.camera_health import CAUSES

LEAK_SECONDS = 300.0
"""Shorter runs are still warming up and say nothing about growth."""

GROWTH_SHARE, GROWTH_MIB = 0.1, 64.0
"""Memory may grow by the larger of the two between the second and the last quarter."""

MORE_THREADS = 2


@dataclass(frozen=True)
class Sent:
    """One image that a camera sent; its number is its place among them, from 1."""

    at_s: float
    """Steady clock."""
    stamp_ns: int
    is_good: bool


@dataclass(frozen=True)
class CameraBooks:
    """What is known of one camera at the end."""

    sent: Sequence[Sent]
    taken: Sequence[Sequence[int]]
    """Numbers of the images that the node took, a list for each time that it subscribed."""
    counters: Mapping[str, int]
    """The node's own: received, processed, the causes, and 'lost', which it never received."""
    results: Sequence[int]
    """Stamps of the results that arrived, in ns."""
    numbers: Sequence[int]
    """What each of them says how many images were processed, itself included."""
    away: Sequence[tuple[float, float]]
    """Spans of the steady clock in which the node was told not to listen."""


@dataclass(frozen=True)
class Ledger:
    """Each image under one heading."""

    sent: int
    away: int
    """Sent while the node did not subscribe, as it was told."""
    lost: int
    """Sent while it did, and lost on the way or replaced by a newer one before the node took it:
    what the node itself counts as lost."""
    received: int
    processed: int
    busy: int
    stale: int
    bad: int
    unwanted: int
    stopped: int
    memory: int
    garbage: int
    """Of the sent ones those that cannot be read."""
    results: int
    """Of the processed ones those whose statistics arrived."""

    @property
    def unexplained(self) -> int:
        """Images under no heading."""
        dropped = sum(getattr(self, cause) for cause in CAUSES)
        return self.sent - self.away - self.lost - self.processed - dropped


def balance(name: str, books: CameraBooks) -> tuple[Ledger, list[str]]:
    """Return the camera's ledger and a sentence for each thing that does not add up."""
    problems: list[str] = []
    numbers = [number for numbers in books.taken for number in numbers]
    if any(later <= earlier for earlier, later in pairwise(numbers)):
        problems.append(f'{name}: the node took images twice or in another order')
    if numbers and not 1 <= min(numbers) <= max(numbers) <= len(books.sent):
        problems.append(f'{name}: the node took images that were never sent')
    heard = {
        number for numbers in books.taken if numbers
        for number in range(numbers[0], numbers[-1] + 1)
    }  # fmt: skip
    unheard = set(range(1, len(books.sent) + 1)) - heard
    for number in sorted(unheard):
        at_s = books.sent[number - 1].at_s
        if not any(begin <= at_s <= end for begin, end in books.away):
            problems.append(
                f'{name}: image {number} of {len(books.sent)} never reached the node, which was '
                'to listen'
            )
    counters = books.counters
    ledger = Ledger(
        sent=len(books.sent),
        away=len(unheard),
        lost=counters['lost'],
        received=counters['received'],
        processed=counters['processed'],
        **{cause: counters[cause] for cause in CAUSES},
        garbage=sum(not sent.is_good for sent in books.sent),
        results=len(books.results),
    )
    if ledger.received != len(numbers):
        problems.append(f'{name}: the node took {len(numbers)} images, counted {ledger.received}')
    if ledger.unexplained:
        problems.append(f'{name}: {ledger.unexplained} images are under no heading')
    if ledger.bad > ledger.garbage:
        problems.append(f'{name}: {ledger.bad} images malformed, sent were {ledger.garbage}')
    if ledger.lost != (missing := len(heard) - len(set(numbers))):
        problems.append(f'{name}: {missing} images never came, the node counted {ledger.lost}')
    problems += _of_results(name, books, ledger)
    return ledger, problems


def _of_results(name: str, books: CameraBooks, ledger: Ledger) -> list[str]:
    problems = []
    if ledger.results != ledger.processed:
        problems.append(
            f'{name}: {ledger.results} results arrived, {ledger.processed} were processed'
        )
    if list(books.numbers) != list(range(1, ledger.results + 1)):
        problems.append(f'{name}: the results do not count from 1 to {ledger.results}')
    good = {sent.stamp_ns for sent in books.sent if sent.is_good}
    if foreign := [stamp for stamp in books.results if stamp not in good]:
        problems.append(f'{name}: {len(foreign)} results of images that were not sent or garbage')
    if twice := [stamp for stamp, count in Counter(books.results).items() if count > 1]:
        problems.append(f'{name}: {len(twice)} images have two results')
    return problems


@dataclass(frozen=True)
class Sample:
    """The node's process at one moment."""

    at_s: float
    """Since the first image."""
    memory_mib: float
    """Resident."""
    threads: int
    cores: float
    """Kept busy since the sample before."""


def growth(samples: Sequence[Sample]) -> tuple[dict[str, float], list[str]]:
    """Return what memory and threads grew by, and a sentence for each that grew too much.

    The medians of the second and the last quarter are compared.
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
