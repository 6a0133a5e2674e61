# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Results of the comparison of networks: tables, accuracy against time, one image by all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev

from hiseg_ros.output_files import output_file
from hiseg_ros.training.comparison.classical_rows import order
from hiseg_ros.training.comparison.comparison import Result
from hiseg_ros.training.comparison.costs import SIZE, Cost
from hiseg_ros.training.comparison.networks import (
    AT_EVERY_PIXEL,
    BLOCKS,
    BOUNDARY_WIDTH,
    COMPARED,
    LABELS,
    POINTS,
    REFERENCE,
    TableRow,
)
from hiseg_ros.training.comparison.page import cell, score_names, values_of
from hiseg_ros.training.comparison.scores import ACCURACIES, MIOU
from hiseg_ros.types import RgbImage

WHOLE_SET = (f'boundary F {BOUNDARY_WIDTH}', *ACCURACIES.values())
"""Scores of the first test set, beside its mIoU, that are columns of the table."""

CLEAR = 2.0
"""Standard deviations of a difference from which it is named a gap."""


def sorted_by(results: Sequence[Result]) -> str:
    """Return the score that orders the rows: mIoU on the last test set, the unseen drive."""
    return [name for name in score_names(results) if name.endswith(': mIoU')][-1]


def columns_of(results: Sequence[Result]) -> list[str]:
    """Return the scores of the table.

    They are every mIoU, and on the first test set boundary F, the accuracies, and the IoU of
    LABELS.
    """
    names = score_names(results)
    _, own = _first_test_set(results)
    return [
        *(name for name in names if name.endswith(': mIoU')),
        *(name for name, title in own.items() if title in WHOLE_SET),
        *(name for name, title in own.items() if title.lower() in LABELS),
    ]


def _first_test_set(results: Sequence[Result]) -> tuple[str, dict[str, str]]:
    """Return the name of the first test set, and the titles of its scores by their names."""
    names = score_names(results)
    first = names[0].partition(': ')[0]
    return first, {
        name: title for name in names if (title := name.removeprefix(f'{first}: ')) != name
    }


def labels_table(results: Sequence[Result], rows: Sequence[TableRow]) -> str:
    """Return a Markdown table of the IoU of every label on the first test set, means over seeds.

    Rows are in the order of the score that sorts the others; empty where no label was measured.
    """
    first, own = _first_test_set(results)
    whole = {MIOU, *WHOLE_SET}
    labels = {name: title for name, title in own.items() if title not in whole}
    key = sorted_by(results)
    present = [row.name for row in rows if values_of(results, row.name, key)]
    present.sort(key=lambda name: -mean(values_of(results, name, key)))
    if not labels or not present:
        return ''
    lines = [f'| {first} | {" | ".join(labels.values())} |', '|---' * (1 + len(labels)) + '|']
    for row in present:
        values = [values_of(results, row, name) for name in labels]
        cells = [f'{100 * mean(of_seeds):.1f}' if of_seeds else '-' for of_seeds in values]
        lines.append(f'| {row} | {" | ".join(cells)} |')
    return '\n'.join(['**IoU of each label**', '', *lines])


def tables(results: Sequence[Result], rows: Sequence[TableRow], costs: Mapping[str, Cost]) -> str:
    """Return a Markdown table for each block, the best network first.

    Scores are means and sample standard deviations over the seeds in percent. Time is relative to
    `fusion`; a dash stands where a network cannot be exported, and where nothing is counted.
    """
    names, key = columns_of(results), sorted_by(results)
    reference = costs[REFERENCE].milliseconds if REFERENCE in costs else None
    parts = []
    for block, title in BLOCKS.items():
        if block == 'points':
            parts += points_table(results, rows)
            continue
        present = [row for row in rows if row.block == block and row.name in costs]
        if not present:
            continue
        present.sort(key=lambda row: -mean(values_of(results, row.name, key)))
        lines = [
            f'**{title}**',
            '',
            '| '
            + ' | '.join(['network', 'M parameters', 'GMAC', 'ms', 'x fusion', 'training min'])
            + ' | '
            + ' | '.join(names)
            + ' |',
            '|---' * (6 + len(names)) + '|',
        ]
        for row in present:
            cost = costs[row.name]
            took = cost.milliseconds
            ratio = f'{took / reference:.2f}' if took and reference else '-'
            own = [result.minutes for result in results if result.variant == row.name]
            minutes = mean(own)
            values = [values_of(results, row.name, name) for name in names]
            cells = [
                row.name,
                _millions(cost.parameters),
                '-' if cost.gmac is None else f'{cost.gmac:.2f}',
                f'{took:.0f}' if took else '-',
                ratio,
                f'{minutes:.1f}',
                # A score that some seeds lack (of an older version) has no mean over the seeds.
                *(cell(of_seeds if len(of_seeds) == len(own) else []) for of_seeds in values),
            ]
            lines.append('| ' + ' | '.join(cells) + ' |')
        parts.append('\n'.join(lines) + '\n')
    return '\n'.join(parts)


def _millions(count: int) -> str:
    """Return a number of parameters in millions; of small ones two digits that count."""
    return f'{count / 1e6:.2f}' if count >= 10_000 else f'{count / 1e6:.2g}'


def points_table(results: Sequence[Result], rows: Sequence[TableRow]) -> list[str]:
    """Return a Markdown table of PixelNet's training time and scores by points, [] without any.

    The row of the first block is part of it.
    """
    present = [row.name for row in rows if row.block == 'points']
    if not present:
        return []
    names = [name for name in columns_of(results) if name.endswith('mIoU')]
    lines = [
        f'**{BLOCKS["points"]}**',
        '',
        f'| points of an image | training min | {" | ".join(names)} |',
        '|---' * (2 + len(names)) + '|',
    ]
    titles = {name: str(points or 'all') for name, points in POINTS.items()}
    titles[AT_EVERY_PIXEL] = f'{POINTS["pixelnet"]}, computed at every pixel'
    for name, title in titles.items():
        own = [result.minutes for result in results if result.variant == name]
        if own:
            values = [cell(values_of(results, name, score)) for score in names]
            lines.append(f'| {title} | {mean(own):.1f} | {" | ".join(values)} |')
    return ['\n'.join(lines) + '\n']


def gaps(results: Sequence[Result], rows: Sequence[TableRow]) -> str:
    """Return which networks differ from `fusion` by more than chance, in a sentence.

    Chance is CLEAR standard deviations of the difference of two means over the seeds.
    """
    key = sorted_by(results)
    own = values_of(results, REFERENCE, key)
    compared = [row.name for row in rows if row.block in COMPARED and row.name != REFERENCE]
    found = {name: values_of(results, name, key) for name in compared}
    if len(own) < 2 or not any(len(values) > 1 for values in found.values()):
        return f'One seed, or no {REFERENCE}: which gaps are more than chance is not said.'
    better: list[str] = []
    worse: list[str] = []
    for name, values in found.items():
        if len(values) < 2:
            continue
        gap = mean(values) - mean(own)
        noise = math.sqrt(stdev(values) ** 2 / len(values) + stdev(own) ** 2 / len(own))
        if abs(gap) > CLEAR * noise:
            (better if gap > 0 else worse).append(f'{name} ({100 * gap:+.1f})')
    return (
        f'{key}, against {REFERENCE} by more than {CLEAR:g} standard deviations of the '
        f'difference: better {", ".join(better) or "none"}; worse {", ".join(worse) or "none"}.'
    )


def draw_accuracy_against_time(
    results: Sequence[Result], rows: Sequence[TableRow], costs: Mapping[str, Cost], path: Path
) -> None:
    """Draw each exported network as a point: milliseconds across, score up."""
    from matplotlib.figure import Figure  # slow to import

    key = sorted_by(results)
    figure = Figure((7.5, 5), layout='constrained')
    axis = figure.subplots()
    for row in rows:
        took = costs[row.name].milliseconds if row.name in costs else None
        if took is None or row.block not in COMPARED:
            continue
        values = [100 * value for value in values_of(results, row.name, key)]
        spread = stdev(values) if len(values) > 1 else 0
        axis.errorbar(took, mean(values), spread, fmt='o', color='#2a6fbb', capsize=2)
        axis.annotate(
            row.name, (took, mean(values)), xytext=(5, 3), textcoords='offset points', fontsize=8
        )
    axis.set_xlabel(f'milliseconds for {SIZE[1]}x{SIZE[0]} on one core, exported network')
    axis.set_ylabel(f'{key} (%)')
    axis.grid(alpha=0.3)
    figure.savefig(output_file(path), dpi=130)


def draw_strip(images: Mapping[str, RgbImage], path: Path) -> None:
    """Draw images of equal size side by side with their names above them."""
    from matplotlib.figure import Figure  # slow to import

    columns = min(4, len(images))
    lines = -(-len(images) // columns)
    height, width = next(iter(images.values())).shape[:2]
    figure = Figure((3 * columns, (3 * height / width + 0.25) * lines), layout='constrained')
    axes = list(figure.subplots(lines, columns, squeeze=False).flat)
    for axis in axes:
        axis.set_axis_off()
    for axis, (name, image) in zip(axes, images.items(), strict=False):
        axis.imshow(image)
        axis.set_title(name, fontsize=9)
    figure.savefig(output_file(path), dpi=110)


def write_page(
    results: Sequence[Result],
    rows: Sequence[TableRow],
    costs: Mapping[str, Cost],
    absent: Mapping[str, str],
    images: Mapping[str, RgbImage],
    folder: Path,
    start: str,
) -> Path:
    """Write comparison.md with its figures, and return its path.

    Args:
        results: Of all runs.
        rows: Those that were trained and measured.
        costs: By network.
        absent: By network: why it was left out.
        images: One image as labelled by each network, by name.
        folder: Where the files are written.
        start: What the backbones start from, in words.
    """
    draw_accuracy_against_time(results, rows, costs, folder / 'comparison.png')
    draw_strip(images, folder / 'strip.jpg')
    parts = [
        f'Backbones start from {start}; those of the last block from random numbers in any case.',
        tables(results, rows, costs),
        'Scores are percent, mean and sample standard deviation over the seeds; one without a '
        'deviation is of one seed.',
        gaps(results, rows),
        *filter(None, [order(results, rows, sorted_by(results)), labels_table(results, rows)]),
        '![Accuracy against time](comparison.png)',
        '![One image by all networks](strip.jpg)',
        *(f'Left out: {name}. {reason}' for name, reason in absent.items()),
    ]
    page = folder / 'comparison.md'
    output_file(page).write_text('\n\n'.join(parts) + '\n', encoding='utf-8')
    return page
