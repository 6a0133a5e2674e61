# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Results of the comparison of adaptation methods: tables and class shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean

from hiseg_ros.output_files import output_file
from hiseg_ros.training.comparison.adaptation_answers import answers
from hiseg_ros.training.comparison.adaptation_rows import (
    ORACLE,
    SOURCE_ONLY,
    SWEEP,
    AdaptationRow,
)
from hiseg_ros.training.comparison.adaptation_scores import (
    COMMON,
    DISTANCE,
    MIXING,
    PREDICTED_SHARE,
    TRUE_SHARE,
    SourceShares,
)
from hiseg_ros.training.comparison.comparison import Result
from hiseg_ros.training.comparison.page import cell, values_of
from hiseg_ros.training.comparison.scores import MIOU

TRUE_OF_SOURCE = 'true, source'


@dataclass(frozen=True)
class Facts:
    """What the page says besides scores."""

    source: str
    """Name of the source's test set."""
    targets: Sequence[str]
    """Names of the target's test sets."""
    labels: Sequence[str]
    """Labels of the target."""
    common: Sequence[str]
    """Those that the source has as well."""
    measured_on: str
    steps: int
    discriminator_losses: Mapping[str, float]
    """Last logged loss of the discriminator by row of the sweep, of the first seed."""
    source_shares: SourceShares | None = None
    """Class shares of the source's labels; None where they were not counted."""
    ended_early: Mapping[tuple[str, int], str] = field(default_factory=dict)
    """Why a run ended before its last step, by row and seed."""


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return '\n'.join(
        '| ' + ' | '.join(cells) + ' |' for cells in (head, ['---'] * len(head), *lines)
    )


def _present(results: Sequence[Result], rows: Sequence[AdaptationRow]) -> list[AdaptationRow]:
    trained = {result.variant for result in results}
    return [row for row in rows if row.name in trained]


def gap_closed(results: Sequence[Result], row: str, score: str) -> float | None:
    """Return (row - source only) / (oracle - source only), None where not known.

    Of means over the seeds that all three have: seeds differ by more than methods.
    """
    names = (row, SOURCE_ONLY, ORACLE)
    seeds = set.intersection(
        *({one.seed for one in results if one.variant == name} for name in names)
    )
    common = [one for one in results if one.seed in seeds]
    of_row, low, high = (values_of(common, name, score) for name in names)
    if not (of_row and low and high) or mean(high) == mean(low):
        return None
    return (mean(of_row) - mean(low)) / (mean(high) - mean(low))


def main_table(results: Sequence[Result], rows: Sequence[AdaptationRow], facts: Facts) -> str:
    """Return a row for each method: scores in percent, mean and deviation over the seeds."""
    first = f'{facts.targets[0]}: {MIOU}'
    scores = [
        *(f'{test}: {score}' for test in facts.targets for score in (MIOU, COMMON)),
        f'{facts.source}: {MIOU}',
    ]
    head = ['row', 'what', 'seeds', *scores, 'gap closed', 'mixing@10', 'A-distance', 'min']
    lines = []
    for row in _present(results, rows):
        own = [one for one in results if one.variant == row.name]
        gap = gap_closed(results, row.name, first)
        domains = [values_of(results, row.name, name) for name in (MIXING, DISTANCE)]
        lines.append(
            [
                row.name,
                _what(row, facts),
                str(len(own)),
                *(cell(values_of(results, row.name, score)) for score in scores),
                '-' if gap is None else f'{100 * gap:.0f} %',
                *(f'{mean(values):.2f}' if values else '-' for values in domains),
                f'{mean(one.minutes for one in own):.1f}',
            ]
        )
    return _table(head, lines)


def _what(row: AdaptationRow, facts: Facts) -> str:
    """Return the title of a row, and of which seeds the run ended early."""
    seeds = sorted(seed for name, seed in facts.ended_early if name == row.name)
    if not seeds:
        return row.title
    which = ', '.join(map(str, seeds))
    return f'{row.title}; **ended early**: seed{"s" if len(seeds) > 1 else ""} {which}'


def early_ends(facts: Facts) -> str:
    """Return a Markdown list of the runs that ended early, with the reason; empty without any."""
    return '\n'.join(
        f'- {name}, seed {seed}: {said}' for (name, seed), said in facts.ended_early.items()
    )


def class_table(
    results: Sequence[Result], rows: Sequence[AdaptationRow], facts: Facts, test: str
) -> str:
    """Return the IoU of each class, a column each, with the mean and the number of classes."""
    head = ['row', *facts.labels, 'mean', 'classes']
    lines = []
    for row in _present(results, rows):
        values = [values_of(results, row.name, f'{test}: {label}') for label in facts.labels]
        known = [mean(one) for one in values if one]
        lines.append(
            [
                row.name,
                *(cell([mean(one)] if one else []) for one in values),
                cell([mean(known)] if known else []),
                str(len(known)),
            ]
        )
    return _table(head, lines)


def share_table(results: Sequence[Result], rows: Sequence[AdaptationRow], facts: Facts) -> str:
    """Return the shares of pixels by class: true ones of target and source, and of each row."""
    test = facts.targets[0]

    def line(name: str, variant: str, kind: str) -> list[str]:
        scores = (f'{test}: {kind} {label}' for label in facts.labels)
        values = [values_of(results, variant, score) for score in scores]
        return [name, *(f'{100 * mean(one):.1f}' if one else '-' for one in values)]

    present = _present(results, rows)
    lines = [line('true', present[0].name, TRUE_SHARE)] if present else []
    source = facts.source_shares
    if source is not None:
        own = [source.shares.get(label) for label in facts.labels]
        lines.append([TRUE_OF_SOURCE, *('-' if s is None else f'{100 * s:.1f}' for s in own)])
    lines += [line(row.name, row.name, PREDICTED_SHARE) for row in present]
    table = _table(['pixels in %', *facts.labels], lines)
    if source is None:
        return table
    return (
        f'{table}\n\nThe row "{TRUE_OF_SOURCE}" is of {source.images} labelled images that '
        f'training learns from. {100 * source.left_out:.1f} % of their labelled pixels belong to '
        'none of these classes, or to several, and are not counted.'
    )


def sweep_table(results: Sequence[Result], facts: Facts) -> str:
    """Return the sweep of the adversarial weight on the first seed, with what may choose it."""
    first = min((result.seed for result in results), default=1)
    of_seed = [result for result in results if result.seed == first]
    scores = [f'{facts.source}: {MIOU}', *(f'{test}: {MIOU}' for test in facts.targets)]
    lines = []
    for name, weight in SWEEP.items():
        loss = facts.discriminator_losses.get(name)
        if values_of(of_seed, name, scores[0]):
            cells = [cell(values_of(of_seed, name, score)) for score in scores]
            lines.append([f'{weight:g}', *cells, '-' if loss is None else f'{loss:.2f}'])
    return _table(['weight', *scores, "discriminator's loss"], lines) if lines else ''


def chosen_weight(results: Sequence[Result], source: str) -> str:
    """Return the row of the sweep with the best score on the source's held-out scenes.

    Labels of the target choose nothing.
    """
    found = {
        name: mean(values)
        for name in SWEEP
        if (values := values_of(results, name, f'{source}: {MIOU}'))
    }
    return max(found, key=lambda name: found[name]) if found else 'single'


def write_page(
    results: Sequence[Result],
    rows: Sequence[AdaptationRow],
    facts: Facts,
    single: str,
    folder: Path,
) -> Path:
    """Write comparison.md and return its path."""
    parts = [
        f'{facts.steps} steps each, measured on {facts.measured_on}. Scores in percent, mean and '
        'sample standard deviation over seeds. mIoU is the mean over the classes that are true '
        f'or predicted in a test set; the common-class mean is that of {", ".join(facts.common)} '
        f'({len(facts.common)} classes). Gap closed: (row - {SOURCE_ONLY}) / ({ORACLE} - '
        f'{SOURCE_ONLY}) of {facts.targets[0]}. Labels of the target were read for scores and '
        'for the oracle alone. A gap is that of the seeds which row, source_only and oracle have.',
        main_table(results, rows, facts),
        early_ends(facts),
        answers(results, rows, facts.targets, single),
        '**The weight of the adversarial loss, first seed**',
        f"Chosen by the source's held-out scenes: {single}.",
        sweep_table(results, facts),
    ]
    for test in facts.targets:
        parts += [f'**IoU by class, {test}**', class_table(results, rows, facts, test)]
    parts += [
        f'**Class shares, {facts.targets[0]}**',
        share_table(results, rows, facts),
    ]
    page = folder / 'comparison.md'
    output_file(page).write_text('\n\n'.join(part for part in parts if part) + '\n', 'utf-8')
    return page
