# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What the comparison of adaptation methods was made to answer, in sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import mean, stdev

from hiseg_ros.training.comparison.adaptation_rows import (
    MULTI,
    ORACLE,
    SOURCE_ONLY,
    SWEEP,
    AdaptationRow,
)
from hiseg_ros.training.comparison.comparison import Result
from hiseg_ros.training.comparison.scores import MIOU

CLEAR = 2.0
"""Standard errors of a mean difference from which it is called more than chance."""

BySeed = Mapping[int, float]
"""A score in [0, 1] by seed."""


def answers(
    results: Sequence[Result], rows: Sequence[AdaptationRow], targets: Sequence[str], single: str
) -> str:
    """Return in sentences whether source only < single < multi, and whether mixing beats all.

    Rows are compared over the seeds that all of them have. Those of the sweep that were not chosen
    have one seed and take no part.

    Args:
        results: Of all runs.
        rows: Those of the comparison.
        targets: Names of the target's test sets.
        single: The chosen row of the sweep.
    """
    compared = [row for row in rows if row.name not in SWEEP or row.name == single]
    sentences = []
    for test in targets:
        score = f'{test}: {MIOU}'
        found = {row.name: by_seed(results, row.name, score) for row in compared}
        sentences += [_chain(score, found, single), _mixing(score, found, compared)]
    said = ' '.join(filter(None, sentences))
    if not said:
        return 'The rows that answer the question were not trained.'
    seeds = {row.name: sum(one.variant == row.name for one in results) for row in compared}
    fewest = min((count for count in seeds.values() if count), default=0)
    few = ' Rows with one seed order nothing closer than a few points.' if fewest < 2 else ''
    return f'{said}{few}'


def by_seed(results: Sequence[Result], row: str, score: str) -> BySeed:
    """Return a score of a row by seed, of the seeds that have it."""
    return {
        one.seed: one.scores[score]
        for one in results
        if one.variant == row and score in one.scores
    }


def _common(found: Sequence[BySeed]) -> list[int]:
    """Return the seeds that all have, ascending."""
    return sorted(set.intersection(*map(set, found))) if found else []


def _chain(score: str, found: Mapping[str, BySeed], single: str) -> str:
    chain = [name for name in (SOURCE_ONLY, single, MULTI) if found.get(name)]
    seeds = _common([found[name] for name in chain])
    if len(chain) < 3 or not seeds:
        return ''
    low, middle, high = means = [mean(found[name][seed] for seed in seeds) for name in chain]
    shown = ', '.join(
        f'{name} {100 * value:.1f}' for name, value in zip(chain, means, strict=True)
    )
    return (
        f'{score}: source only < single < multi '
        f'{"holds" if low < middle < high else "does not hold"} ({shown}).'
    )


def _mixing(score: str, found: Mapping[str, BySeed], rows: Sequence[AdaptationRow]) -> str:
    """Return whether the best row that mixes beats the best other one; empty where unknown."""
    taking_part = [row for row in rows if row.name != ORACLE and found[row.name]]
    mixing = [row.name for row in taking_part if row.mixes]
    others = [row.name for row in taking_part if not row.mixes]
    if not mixing or not others:
        return ''
    seeds = _common([found[row.name] for row in taking_part])
    if not seeds:
        return f'{score}: the rows have no seed in common, so mixing is not compared with others.'

    def of(name: str) -> float:
        return mean(found[name][seed] for seed in seeds)

    best, other = max(mixing, key=of), max(others, key=of)
    gaps = [100 * (found[best][seed] - found[other][seed]) for seed in seeds]
    which = f'seed {seeds[0]}' if len(seeds) == 1 else f'seeds {", ".join(map(str, seeds))}'
    said = (
        f'{score}, {which}: of {len(mixing)} mixing rows {best} is best with '
        f'{100 * of(best):.1f}, of {len(others)} others {other} with {100 * of(other):.1f}: '
        f'mixing {mean(gaps):+.1f} points'
    )
    if len(gaps) < 2:
        return f'{said}; whether that is more than chance is not said.'
    noise = CLEAR * stdev(gaps) / math.sqrt(len(gaps))
    if abs(mean(gaps)) > noise:
        finding = f'mixing {"beats" if mean(gaps) > 0 else "does not beat"} all others'
    else:
        finding = f'no difference beyond {CLEAR:g} standard errors'
    return f'{said} (± {stdev(gaps):.1f}): {finding}.'
