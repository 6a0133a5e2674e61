# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The page of the comparison of joint and separate training: tables, and answers from numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

from hiseg_ros.output_files import output_file
from hiseg_ros.training.comparison.comparison import Result
from hiseg_ros.training.comparison.page import cell, draw, score_names, values_of
from hiseg_ros.training.comparison.rows import ALONE_TAUGHT, TAUGHT, TOGETHER, Exposure, Row
from hiseg_ros.training.comparison.scores import HEADLINES

CLEAR = 2.0
"""Standard deviations of a difference from which it is more than chance."""

SEPARATE = 'separate networks, equal exposure'


@dataclass(frozen=True)
class Facts:
    """What the page needs to know beside the scores."""

    rows: Sequence[Row]
    datasets: Sequence[str]
    exposures: Mapping[str, Exposure]
    """By row."""
    parameters: Mapping[str, int]
    """Of a row's network, by row."""
    source_of: Mapping[str, str]
    """Dataset of the experiment by test set."""
    measured_on: str
    """Images of each test set, in words."""
    start: str
    """What the backbone starts from, in words."""


def headlines(results: Sequence[Result]) -> list[str]:
    """Return the scores of whole test sets."""
    return [name for name in score_names(results) if _score(name) in HEADLINES]


def _test(name: str) -> str:
    return name.partition(': ')[0]


def _score(name: str) -> str:
    return name.partition(': ')[2]


def _present(results: Sequence[Result], facts: Facts) -> list[Row]:
    return [row for row in facts.rows if any(r.variant == row.name for r in results)]


def separate_values(results: Sequence[Result], facts: Facts, name: str) -> list[float]:
    """Return a score of the networks of one dataset, each on test sets of its own dataset."""
    return values_of(results, f'alone_{facts.source_of[_test(name)]}', name)


def scores_table(results: Sequence[Result], facts: Facts) -> str:
    """Return a Markdown table: a row per network, mean and deviation over the seeds in percent."""
    names = headlines(results)
    lines = [_line(['network', *names]), '|---' * (len(names) + 1) + '|']
    for row in _present(results, facts):
        cells = [cell(values_of(results, row.name, name)) for name in names]
        lines.append(_line([row.title, *cells]))
    if _has_all_alone(results, facts):
        cells = [cell(separate_values(results, facts, name)) for name in names]
        lines.append(_line([f'**{SEPARATE}**', *cells]))
    return '\n'.join(lines) + '\n'


def _has_all_alone(results: Sequence[Result], facts: Facts) -> bool:
    trained = {result.variant for result in results}
    return all(f'alone_{name}' in trained for name in facts.datasets)


def costs_table(results: Sequence[Result], facts: Facts) -> str:
    """Return a Markdown table of what each row sees and costs."""
    names = list(facts.datasets)
    head = ['network', 'networks', 'steps', 'crops', *(f'crops of {name}' for name in names)]
    lines = [_line([*head, 'M parameters', 'training min']), '|---' * (len(head) + 2) + '|']
    for row in _present(results, facts):
        seen = facts.exposures[row.name]
        lines.append(
            _line(
                [row.title, '1', str(seen.steps), str(seen.crops)]
                + [str(seen.crops_of.get(name, 0)) for name in names]
                + [f'{facts.parameters[row.name] / 1e6:.2f}', f'{_minutes(results, row.name):.1f}']
            )
        )
    if _has_all_alone(results, facts):
        alone = [f'alone_{name}' for name in names]
        lines.append(
            _line(
                [f'**{SEPARATE}**', str(len(names))]
                + [str(sum(facts.exposures[name].steps for name in alone))]
                + [str(sum(facts.exposures[name].crops for name in alone))]
                + [str(facts.exposures[f'alone_{name}'].crops_of[name]) for name in names]
                + [f'{sum(facts.parameters[name] for name in alone) / 1e6:.2f}']
                + [f'{sum(_minutes(results, name) for name in alone):.1f}']
            )
        )
    return '\n'.join(lines) + '\n'


def _line(cells: Sequence[str]) -> str:
    return '| ' + ' | '.join(cells) + ' |'


def _minutes(results: Sequence[Result], name: str) -> float:
    return mean(result.minutes for result in results if result.variant == name)


def labels_table(results: Sequence[Result], facts: Facts) -> str:
    """Return a Markdown table of single labels: together against alone, and other joint rows."""
    names = [name for name in score_names(results) if _score(name) not in HEADLINES]
    present = _present(results, facts)
    joint = [row for row in present if not (row.only or row.without)]
    alone = {'alone_{}': 'alone, equal exposure', 'alone_{}_long': 'alone, equal cost'}
    if any(row.only and row.is_taught for row in present):
        alone[ALONE_TAUGHT] = 'alone with the teacher'
    head = ['label', *alone.values(), *(row.name for row in joint)]
    lines = [_line(head), '|---' * len(head) + '|']
    for name in names:
        source = facts.source_of[_test(name)]
        rows = [*(row.format(source) for row in alone), *(row.name for row in joint)]
        lines.append(_line([name, *(cell(values_of(results, row, name)) for row in rows)]))
    return '\n'.join(lines) + '\n'


@dataclass(frozen=True)
class Difference:
    """One score of two rows."""

    name: str
    points: float
    """Difference of the means in percent."""
    is_clear: bool | None
    """Whether it is more than chance; None with one seed."""

    @property
    def text(self) -> str:
        """The difference in words."""
        doubt = {True: '', False: ' (within chance)', None: ' (one seed)'}[self.is_clear]
        return f'{self.name} {self.points:+.1f}{doubt}'


def difference(name: str, ours: Sequence[float], theirs: Sequence[float]) -> Difference | None:
    """Return how one score of ours differs from theirs; None where one of them is missing.

    Chance is CLEAR standard deviations of the difference of the two means over the seeds.
    """
    if not ours or not theirs:
        return None
    gap = mean(ours) - mean(theirs)
    if min(len(ours), len(theirs)) < 2:
        return Difference(name, 100 * gap, None)
    noise = math.sqrt(stdev(ours) ** 2 / len(ours) + stdev(theirs) ** 2 / len(theirs))
    return Difference(name, 100 * gap, abs(gap) > CLEAR * noise)


def _differences(
    results: Sequence[Result], names: Sequence[str], ours: str, theirs: str, facts: Facts
) -> list[Difference]:
    """Return the differences of one row from another; '{}' in a name is the test set's dataset."""
    found = []
    for name in names:
        source = facts.source_of[_test(name)]
        one = difference(
            name,
            values_of(results, ours.format(source), name),
            values_of(results, theirs.format(source), name),
        )
        if one is not None:
            found.append(one)
    return found


def _verdict(found: Sequence[Difference]) -> str:
    """Return which scores are better and worse, in a sentence."""
    if not found:
        return 'Not measured: one of the rows is missing.'
    better = [one.text for one in found if one.points > 0 and one.is_clear is not False]
    worse = [one.text for one in found if one.points < 0 and one.is_clear is not False]
    same = [one.text for one in found if one.points == 0 or one.is_clear is False]
    parts = [f'Better on {len(better)} of {len(found)} scores' + _listed(better)]
    parts += ['worse on ' + str(len(worse)) + _listed(worse)]
    parts += [f'no difference on {len(same)}' + _listed(same)] if same else []
    return '; '.join(parts) + '.'


def _listed(texts: Sequence[str]) -> str:
    return f' ({", ".join(texts)})' if texts else ''


def answers(results: Sequence[Result], facts: Facts) -> str:
    """Return the questions of the page with answers from the numbers, as Markdown."""
    whole = headlines(results)
    single = [name for name in score_names(results) if name not in whole]
    joint = {row.name: row for row in facts.rows if not (row.only or row.without)}
    sections = [
        (
            'Does joint training beat training alone at equal exposure?',
            _verdict(_differences(results, whole, TOGETHER, 'alone_{}', facts)),
        ),
        (
            'And at equal cost, where a network of one dataset sees more of it?',
            _verdict(_differences(results, whole, TOGETHER, 'alone_{}_long', facts)),
        ),
        (
            'On which labels, at equal exposure?',
            _by_label(_differences(results, single, TOGETHER, 'alone_{}', facts)),
        ),
        *(
            [
                (
                    'And with signs apart and a teacher, which the datasets alone have too?',
                    _verdict(_differences(results, whole, TAUGHT, ALONE_TAUGHT, facts)),
                )
            ]
            if TAUGHT in joint
            else []
        ),
        *(
            (
                f'What does the tree with set loss and conditional head gain over "{row.title}"?',
                _verdict(_differences(results, whole, TOGETHER, name, facts)),
            )
            for name, row in joint.items()
            if name != TOGETHER
        ),
        ('At what cost?', _cost(results, facts)),
        ('What does a network know of a dataset that it never saw?', _unseen(results, facts)),
    ]
    return '\n\n'.join(f'**{question}** {answer}' for question, answer in sections) + '\n'


def _by_label(found: Sequence[Difference]) -> str:
    if not found:
        return 'Not measured: one of the rows is missing.'
    ranked = sorted(found, key=lambda one: -one.points)
    gains = [one.text for one in ranked if one.points > 0 and one.is_clear is not False]
    losses = [one.text for one in reversed(ranked) if one.points < 0 and one.is_clear is not False]
    rest = len(found) - len(gains) - len(losses)
    return (
        f'Gains: {", ".join(gains) or "none"}. Losses: {", ".join(losses) or "none"}. No '
        f'difference, or one within chance: {rest} of {len(found)}.'
    )


def _cost(results: Sequence[Result], facts: Facts) -> str:
    trained = {result.variant for result in results}
    if TOGETHER not in trained or not _has_all_alone(results, facts):
        return 'Not measured: one of the rows is missing.'
    alone = [f'alone_{name}' for name in facts.datasets]
    ours, count = facts.exposures[TOGETHER], len(alone)
    crops = sum(facts.exposures[name].crops for name in alone)
    size = sum(facts.parameters[name] for name in alone) / facts.parameters[TOGETHER]
    minutes = sum(_minutes(results, name) for name in alone)
    return (
        f'The joint network sees {ours.crops} crops and trains for '
        f'{_minutes(results, TOGETHER):.1f} minutes. {count} separate networks at equal exposure '
        f'see {crops} crops, train for {minutes:.1f} minutes, have {size:.1f} times the '
        f'parameters and take {count} passes for an image.'
    )


def _unseen(results: Sequence[Result], facts: Facts) -> str:
    sentences = []
    for row in _present(results, facts):
        if not row.without:
            continue
        names = [
            name for name in headlines(results) if facts.source_of[_test(name)] == row.without
        ]
        own = [cell(values_of(results, row.name, name)) for name in names]
        seen = [cell(values_of(results, TOGETHER, name)) for name in names]
        parts = [f'{n} {a} (seen: {b})' for n, a, b in zip(names, own, seen, strict=True)]
        others = _differences(
            results,
            [n for n in headlines(results) if facts.source_of[_test(n)] != row.without],
            TOGETHER,
            row.name,
            facts,
        )
        sentences.append(
            f'Without {row.without}: {", ".join(parts)}. What {row.without} adds to the others: '
            f'{_verdict(others)}'
        )
    return ' '.join(sentences) or 'Not measured: one of the rows is missing.'


def figure_rows(results: Sequence[Result], facts: Facts) -> list[Result]:
    """Return the results with the scores of whole test sets alone, for the figure."""
    whole = set(headlines(results))
    return [
        Result(
            one.variant,
            one.seed,
            {name: value for name, value in one.scores.items() if name in whole},
            one.minutes,
        )
        for one in results
    ]


def write_page(results: Sequence[Result], facts: Facts, folder: Path) -> Path:
    """Write comparison.md with its figure, and return its path."""
    seeds = sorted({result.seed for result in results})
    draw(figure_rows(results, facts), facts.rows, folder / 'comparison.png')
    parts = [
        f'Mean and standard deviation over {len(seeds)} seed{"s" * (len(seeds) != 1)} in %, '
        f'measured on {facts.measured_on} of each test set; the backbone starts from '
        f'{facts.start}. A difference counts where it is more than {CLEAR:g} standard deviations '
        'of the difference of the two means.',
        scores_table(results, facts).strip(),
        '![Scores by network, each seed a dot](comparison.png)',
        answers(results, facts).strip(),
        'What each row sees and costs:',
        costs_table(results, facts).strip(),
        'Single labels: IoU for pixel labels, boxes found, and signs found with their type:',
        labels_table(results, facts).strip(),
    ]
    page = folder / 'comparison.md'
    output_file(page).write_text('\n\n'.join(parts) + '\n', encoding='utf-8')
    return page
