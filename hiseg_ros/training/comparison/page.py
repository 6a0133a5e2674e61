# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Results of a comparison as a Markdown table and a figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev

from hiseg_ros.output_files import output_file
from hiseg_ros.training.comparison.comparison import Result, Variant


def score_names(results: Sequence[Result]) -> list[str]:
    """Return the names of all scores in the order in which they first occur."""
    return list(dict.fromkeys(name for result in results for name in result.scores))


def values_of(results: Sequence[Result], variant: str, score: str) -> list[float]:
    """Return one score of a variant, a value per seed."""
    return [r.scores[score] for r in results if r.variant == variant and score in r.scores]


def table(results: Sequence[Result], variants: Sequence[Variant]) -> str:
    """Return a Markdown table: a row per variant, mean and spread over the seeds in percent.

    The spread is the sample standard deviation; it is left out where there is one seed.
    """
    names = score_names(results)
    lines = [
        '| ' + ' | '.join(['variant', *names, 'training min']) + ' |',
        '|---' * (len(names) + 2) + '|',
    ]
    for variant in variants:
        minutes = [result.minutes for result in results if result.variant == variant.name]
        if not minutes:
            continue
        cells = [cell(values_of(results, variant.name, name)) for name in names]
        lines.append('| ' + ' | '.join([variant.title, *cells, f'{mean(minutes):.1f}']) + ' |')
    return '\n'.join(lines) + '\n'


def cell(values: Sequence[float]) -> str:
    """Return mean and sample standard deviation of shares in percent, '-' where there are none."""
    if not values:
        return '-'
    text = f'{100 * mean(values):.1f}'
    return text if len(values) == 1 else f'{text} ± {100 * stdev(values):.1f}'


def draw(results: Sequence[Result], variants: Sequence[Variant], path: Path) -> None:
    """Draw a figure with one panel per score: a bar for the mean, a dot for each seed.

    Args:
        results: Of all runs.
        variants: In the order of the bars.
        path: Image to write; its suffix selects the format.
    """
    from matplotlib.figure import Figure  # slow to import

    names = score_names(results)
    present = [v for v in variants if any(result.variant == v.name for result in results)]
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    size = (4.2 * columns, 0.9 + (0.9 + 0.36 * len(present)) * rows)
    figure = Figure(size, layout='constrained')
    axes = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for axis in axes.flat[len(names) :]:
        axis.set_visible(False)
    for axis, name in zip(axes.flat, names, strict=False):
        for position, variant in enumerate(present):
            values = [100 * value for value in values_of(results, variant.name, name)]
            if not values:
                continue
            color = '#8a8a8a' if variant.alone else '#2a6fbb'
            axis.barh(position, mean(values), color=color, height=0.7)
            axis.plot(
                values,
                [position] * len(values),
                'o',
                color='white',
                markeredgecolor='black',
                markersize=5,
            )
            axis.text(
                1.0,
                position,
                f' {mean(values):.1f}',
                transform=axis.get_yaxis_transform(),
                va='center',
                fontsize=9,
            )
        axis.set_title(f'{name} (%)', fontsize=10)
        axis.set_yticks(range(len(present)), [v.name for v in present])
        axis.set_xlim(left=0)
        axis.invert_yaxis() if axis is axes.flat[0] else None
        axis.spines[['top', 'right']].set_visible(False)
        axis.grid(axis='x', alpha=0.3)
    figure.suptitle('Mean over seeds (bars) and each seed (dots)', fontsize=10)
    figure.savefig(output_file(path), dpi=130)


def write_page(results: Sequence[Result], variants: Sequence[Variant], folder: Path) -> Path:
    """Write comparison.md with its figure, and return its path."""
    draw(results, variants, folder / 'comparison.png')
    page = folder / 'comparison.md'
    output_file(page).write_text(
        table(results, variants) + '\n![Scores by variant](comparison.png)\n', encoding='utf-8'
    )
    return page
