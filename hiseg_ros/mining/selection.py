# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The choice of frames: by what speaks for each, far from each other, a fair share of each drive.

The choice is a k-centre greedy one (Sener and Savarese, "Active Learning for Convolutional Neural
Networks: A Core-Set Approach", ICLR 2018) whose distances are multiplied by the value of a frame.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import ConfigError
from hiseg_ros.mining.scores import FrameScore

REASONS = ('uncertainty', 'flicker', 'rare')
"""What speaks for a frame."""


@dataclass(frozen=True)
class Weights:
    """How much each reason counts, relative to the others."""

    uncertainty: float = 1.0
    flicker: float = 1.0
    rare: float = 1.0
    diversity: float = 1.0
    """Power of the distance to the frames chosen before; 0 takes no notice of it."""


@dataclass(frozen=True)
class Candidate:
    """A frame of the pool."""

    source: int
    """Position of its source."""
    drive: str
    score: FrameScore


@dataclass(frozen=True)
class Pick:
    """A chosen frame and why."""

    place: int
    """Position among the candidates."""
    candidate: Candidate
    rarity: float
    """See `rarity_of`."""
    ranks: dict[str, float]
    """Share of the pool that is below it, by reason, in [0, 1]; of what is known of the frame."""
    value: float
    """Weighted mean of the ranks, in [0, 1]."""
    distance: float
    """1 - cosine to the nearest frame that was chosen before, at most 1; 1 for the first."""
    nearest: int | None
    """Number of that frame among the picks; None for the first, and where what is labelled already
    is nearer."""
    is_close_in_time: bool = False
    """Whether it is nearer in time to another pick than was asked for, for want of others."""
    rare_labels: tuple[tuple[int, float], ...] = field(default=())
    """Up to three label ids with how many times their mean share the frame has, above 2."""


def rarity_of(
    scores: Sequence[FrameScore],
) -> tuple[NDArray[np.float64], list[int], NDArray[np.float64]]:
    """Return how much of rare labels each frame has.

    Returns:
        (N,) mean over the labels of the root of (share in the frame / mean share in the pool); the
        K label ids that occur; (N, K) the ratios. The root keeps one label from outweighing all.
    """
    ids = sorted({label_id for score in scores for label_id in score.shares})
    if not ids:
        return np.zeros(len(scores)), [], np.zeros((len(scores), 0))
    shares = np.array([[score.shares.get(label_id, 0.0) for label_id in ids] for score in scores])
    ratios = shares / np.maximum(shares.mean(0), 1e-12)
    return np.sqrt(ratios).mean(1), ids, ratios


def ranks_of(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of known values below each, halves for equal ones; NaN stays NaN."""
    known = np.sort(values[~np.isnan(values)])
    below = np.searchsorted(known, values, 'left') + np.searchsorted(known, values, 'right') - 1
    ranks = below / 2 / max(1, len(known) - 1)
    ranks[np.isnan(values)] = np.nan
    return ranks if len(known) > 1 else np.where(np.isnan(values), np.nan, 0.5)


def quotas(sizes: dict[str, int], count: int) -> dict[str, int]:
    """Return how many frames each drive gives: as equal as their sizes allow.

    Args:
        sizes: Number of frames by drive.
        count: Number of frames in all, at most the sum of the sizes.
    """
    given = dict.fromkeys(sizes, 0)
    left = count
    while left:
        is_open = [drive for drive in sizes if given[drive] < sizes[drive]]
        # The rest goes to the first ones, one each.
        share = max(1, left // len(is_open))
        for drive in is_open:
            more = min(share, sizes[drive] - given[drive], left)
            given[drive] += more
            left -= more
    return given


def select(
    candidates: Sequence[Candidate],
    vectors: NDArray[np.float32],
    count: int,
    weights: Weights | None = None,
    apart_s: float = 0.0,
    labelled: Sequence[int] = (),
) -> list[Pick]:
    """Choose frames.

    Args:
        candidates: The pool.
        vectors: (N, D) features of the candidates.
        count: Number of frames.
        weights: How much each reason counts.
        apart_s: Least seconds between two frames of a source; where none is left, nearer ones.
        labelled: Positions of candidates that have labels already: they are not chosen, and
            others are chosen far from them.

    Raises:
        ConfigError: There are fewer candidates, or no reason counts.
    """
    weights = weights or Weights()
    left = len(candidates) - len(labelled)
    if left < count:
        raise ConfigError(
            f'The pool has {left} frames, and {count} are to be picked; expected at '
            'least as many: name more recordings, or lower --count.'
        )
    scores = [candidate.score for candidate in candidates]
    rarity, label_ids, ratios = rarity_of(scores)
    ranks, value = _values(scores, rarity, weights)
    greedy = _Greedy(candidates, vectors, value, count, weights.diversity, apart_s, labelled)
    picks: list[Pick] = []
    for place, distance, nearest, is_close in greedy:
        order = np.argsort(-ratios[place], kind='stable')[:3]
        picks.append(
            Pick(
                place,
                candidates[place],
                float(rarity[place]),
                {
                    name: float(values[place])
                    for name, values in ranks.items()
                    if not np.isnan(values[place])
                },
                float(value[place]),
                distance,
                nearest,
                is_close,
                tuple(
                    (label_ids[column], float(ratios[place, column]))
                    for column in order
                    if ratios[place, column] > 2
                ),
            )
        )
    return picks


def _values(
    scores: Sequence[FrameScore], rarity: NDArray[np.float64], weights: Weights
) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.float64]]:
    """Return the ranks by reason, and their weighted mean over what is known of each frame."""
    nan = float('nan')
    raw = {
        'uncertainty': np.array([score.uncertainty for score in scores]),
        'flicker': np.array([nan if s.flicker is None else s.flicker for s in scores]),
        'rare': rarity,
    }
    ranks = {name: ranks_of(values) for name, values in raw.items()}
    table = np.array([ranks[name] for name in REASONS])
    given = np.array([getattr(weights, name) for name in REASONS], np.float64)
    used = given[:, None] * ~np.isnan(table)
    total = used.sum(0)
    if not total.all():
        raise ConfigError(
            f'The weights {dict(zip(REASONS, given.tolist(), strict=True))} leave nothing that '
            'speaks for some frames; expected one above 0 of uncertainty or rare, which every '
            'frame has.'
        )
    return ranks, (used * np.nan_to_num(table)).sum(0) / total


class _Greedy:
    """Yields position, distance, nearest pick and whether it is close in time, one by one."""

    def __init__(
        self,
        candidates: Sequence[Candidate],
        vectors: NDArray[np.float32],
        value: NDArray[np.float64],
        count: int,
        power: float,
        apart_s: float,
        labelled: Sequence[int],
    ) -> None:
        centred = vectors - vectors.mean(0)
        lengths = np.linalg.norm(centred, axis=1, keepdims=True)
        self._vectors = centred / np.maximum(lengths, 1e-12)
        self._value, self._count, self._power, self._apart_s = value, count, power, apart_s
        names, self._drive = np.unique([one.drive for one in candidates], return_inverse=True)
        self._labelled = frozenset(labelled)
        sizes = Counter(
            one.drive for place, one in enumerate(candidates) if place not in self._labelled
        )
        given = quotas({str(name): sizes[str(name)] for name in names}, count)
        self._left = np.array([given[str(name)] for name in names])
        self._source = np.array([one.source for one in candidates])
        self._times = np.array(
            [np.nan if t is None else t / 1e9 for t in (one.score.time_ns for one in candidates)]
        )

    def __iter__(self) -> Iterator[tuple[int, float, int | None, bool]]:
        total = len(self._value)
        distance = np.ones(total)
        nearest = np.full(total, -1)
        is_free, is_apart = np.ones(total, bool), np.ones(total, bool)
        for place in self._labelled:
            is_free[place] = False
            distance = np.minimum(distance, self._distances(place))
        # A frame of no value is still better than none.
        value = self._value + 1e-6
        for number in range(self._count):
            is_open = is_free & (self._left[self._drive] > 0)
            is_close = not (is_open & is_apart).any()
            gain = value * np.maximum(distance, 1e-9) ** self._power
            gain[~(is_open if is_close else is_open & is_apart)] = -1.0
            place = int(gain.argmax())
            yield (
                place,
                float(distance[place]),
                None if nearest[place] < 0 else int(nearest[place]),
                is_close,
            )
            is_free[place] = False
            self._left[self._drive[place]] -= 1
            now = self._distances(place)
            # Of the first one all are the neighbours, however far; of what is labelled none.
            nearest[(now < distance) | ((nearest < 0) & (now <= distance))] = number
            distance = np.minimum(distance, now)
            if self._apart_s and not np.isnan(self._times[place]):
                near = np.abs(self._times - self._times[place]) < self._apart_s
                is_apart[near & (self._source == self._source[place])] = False

    def _distances(self, place: int) -> NDArray[np.float64]:
        """Return 1 - cosine of all to one, at most 1."""
        found: NDArray[np.float64] = np.clip(1 - self._vectors @ self._vectors[place], 0, 1)
        return found
