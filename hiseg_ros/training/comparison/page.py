# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What pages of comparisons share: cells of tables, and a figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev

from hiseg_ros.training.comparison.comparison import Result
from hiseg_ros.training.comparison.rows import Row


def score_names(results: Sequence[Result]) -> list[str]:
    """Return the names of all scores in the order in which they first occur."""
    return list(dict.fromkeys(name for result in results for name in result.scores))


def values_of(results: Sequence[Result], variant: str, score: str) -> list[float]:
    """Return one score of a variant, a value per seed."""
    return [r.scores[score] for r in results if r.variant == variant and score in r.scores]


def cell(values: Sequence[float]) -> str:
    """Return mean and sample standard deviation of shares in percent, '-' where there are none."""
    if not values:
        return '-'
    text = f'{100 * mean(values):.1f}'
    return text if len(values) == 1 else f'{text} ± {100 * stdev(values):.1f}'


def draw(results: Sequence[Result], rows: Sequence[Row], path: Path) -> None:
    """Draw a figure with one panel per score: a bar for the mean, a dot for each seed.

    Networks of one dataset are grey, joint ones blue, joint ones without a dataset brown.

    Args:
        results: Of all runs.
        rows: In the order of the bars.
        path: Image to write; its suffix selects the format.
    """
    from matplotlib.figure import Figure  # slow to import

    names = score_names(results)
    present = [row for row in rows if any(result.variant == row.name for result in results)]
    columns = min(3, len(names))
    lines = -(-len(names) // columns)
    size = (4.2 * columns, 0.9 + (0.9 + 0.36 * len(present)) * lines)
    figure = Figure(size, layout='constrained')
    axes = figure.subplots(lines, columns, squeeze=False, sharey=True)
    for axis in axes.flat[len(names) :]:
        axis.set_visible(False)
    for axis, name in zip(axes.flat, names, strict=False):
        for position, row in enumerate(present):
            values = [100 * value for value in values_of(results, row.name, name)]
            if not values:
                continue
            color = '#8a8a8a' if row.only else '#c98a2b' if row.without else '#2a6fbb'
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
        axis.set_yticks(range(len(present)), [row.name for row in present])
        axis.set_xlim(left=0)
        axis.invert_yaxis() if axis is axes.flat[0] else None
        axis.spines[['top', 'right']].set_visible(False)
        axis.grid(axis='x', alpha=0.3)
    figure.suptitle('Mean over seeds (bars) and each seed (dots)', fontsize=10)
    figure.savefig(path, dpi=130)
