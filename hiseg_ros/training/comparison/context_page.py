# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Results of training with and without removed objects: tables, an answer, and images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev

from hiseg_ros.output_files import output_file
from hiseg_ros.training.comparison.comparison import Result
from hiseg_ros.training.comparison.context import (
    ARROW,
    DEPENDENCE,
    HEADLINES,
    PLAIN,
    REMOVAL,
    ContextRow,
)
from hiseg_ros.training.comparison.network_page import CLEAR, draw_strip
from hiseg_ros.training.comparison.page import cell, draw, score_names, values_of
from hiseg_ros.training.comparison.rows import Row
from hiseg_ros.training.comparison.scores import MIOU
from hiseg_ros.types import RgbImage

MOST = 12
"""Pairs of labels in the table of each test set: those that depend most in the plain row."""


def names_of_sets(results: Sequence[Result]) -> list[str]:
    """Return the names of the test sets."""
    return list(dict.fromkeys(name.partition(': ')[0] for name in score_names(results)))


def scores_table(results: Sequence[Result], rows: Sequence[ContextRow]) -> str:
    """Return a Markdown table for each test set: mIoU and the means over pairs of labels."""
    parts = []
    for test in names_of_sets(results):
        known = score_names(results)
        names = [name for name in HEADLINES if f'{test}: {name}' in known]
        lines = [
            f'**{test}**',
            '',
            f'| row | {" | ".join(names)} | training min |',
            '|---' * (len(names) + 2) + '|',
        ]
        for row in rows:
            own = [result.minutes for result in results if result.variant == row.name]
            if own:
                cells = [cell(values_of(results, row.name, f'{test}: {name}')) for name in names]
                lines.append(f'| {row.title} | {" | ".join(cells)} | {mean(own):.1f} |')
        parts.append('\n'.join(lines) + '\n')
    return '\n'.join(parts)


def pairs_table(results: Sequence[Result], rows: Sequence[ContextRow]) -> str:
    """Return a Markdown table of the pairs of labels that depend most on each other.

    Cells are points of IoU that the affected label loses, less those that it loses to the control.
    """
    present = [row for row in rows if any(result.variant == row.name for result in results)]
    lines = [
        f'| test set | removed | affected | {" | ".join(row.title for row in present)} |',
        '|---' * (3 + len(present)) + '|',
    ]
    for test in names_of_sets(results):
        names = [
            name for name in score_names(results) if name.startswith(f'{test}: ') and ARROW in name
        ]
        first = present[0].name

        def loss(name: str, row: str = first) -> float:
            values = values_of(results, row, name)
            return -mean(values) if values else math.inf

        for name in sorted(names, key=loss)[:MOST]:
            label, removed = name.removeprefix(f'{test}: ').split(ARROW)
            cells = [cell(values_of(results, row.name, name)) for row in present]
            lines.append(f'| {test} | {removed} | {label} | {" | ".join(cells)} |')
    return '\n'.join(lines) + '\n'


def answers(results: Sequence[Result]) -> str:
    """Return for each test set whether removal lowers context dependence, and what mIoU does.

    A difference of means counts from CLEAR of its standard deviations on; mIoU is kept where its
    mean lies within one standard deviation of the plain runs.
    """
    return '\n'.join(_answer(results, test) for test in names_of_sets(results))


def _answer(results: Sequence[Result], test: str) -> str:
    depends = [values_of(results, row, f'{test}: {DEPENDENCE}') for row in (PLAIN, REMOVAL)]
    quality = [values_of(results, row, f'{test}: {MIOU}') for row in (PLAIN, REMOVAL)]
    if any(len(values) < 2 for values in (*depends, *quality)):
        return f'{test}: fewer than two seeds of both rows, so nothing is said.'
    gap = mean(depends[1]) - mean(depends[0])
    noise = math.sqrt(sum(stdev(values) ** 2 / len(values) for values in depends))
    verdict = 'lowers' if gap < -CLEAR * noise else 'raises' if gap > CLEAR * noise else ''
    change = (
        f'removal {verdict} context dependence by {abs(100 * gap):.2f} points'
        if verdict
        else f'removal changes context dependence by {100 * gap:+.2f} points, which may be chance'
    )
    shift, spread = mean(quality[1]) - mean(quality[0]), stdev(quality[0])
    kept = 'within' if abs(shift) <= spread else 'beyond'
    return (
        f'{test}: {change}; mIoU moves by {100 * shift:+.1f} points, {kept} one standard '
        f'deviation of the plain runs ({100 * spread:.1f}).'
    )


def write_page(
    results: Sequence[Result],
    rows: Sequence[ContextRow],
    images: Mapping[str, RgbImage],
    folder: Path,
) -> Path:
    """Write comparison.md with its figures, and return its path.

    Args:
        results: Of all runs.
        rows: Ways of training.
        images: An image with and without objects, and its labels by each network, by name.
        folder: Where the files are written.
    """
    short = (f': {DEPENDENCE}', f': {MIOU}')
    headlines = [
        replace(one, scores={k: v for k, v in one.scores.items() if k.endswith(short)})
        for one in results
    ]
    draw(headlines, [Row(row.name, row.title) for row in rows], folder / 'comparison.png')
    parts = [
        scores_table(results, rows),
        answers(results),
        pairs_table(results, rows),
        '![mIoU and context dependence](comparison.png)',
    ]
    if images:
        draw_strip(images, folder / 'strip.jpg')
        parts.append('![One image with and without objects by all networks](strip.jpg)')
    page = folder / 'comparison.md'
    output_file(page).write_text('\n\n'.join(parts) + '\n', encoding='utf-8')
    return page
