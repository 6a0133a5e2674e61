# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Results of the comparison of mined with random images: table, figure, and what it finds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev

from hiseg_ros.output_files import output_file
from hiseg_ros.training.comparison.comparison import Result
from hiseg_ros.training.comparison.mined_images import MINED, RANDOM, START, Chosen, variant
from hiseg_ros.training.comparison.page import cell, score_names, values_of

CLEAR = 2.0
"""Standard errors of a mean difference from which it is called more than chance."""


def main_scores(results: Sequence[Result]) -> list[str]:
    """Return the names of the scores that are compared: mIoU on each test set."""
    return [name for name in score_names(results) if name.endswith(': mIoU')]


def table(results: Sequence[Result], budgets: Sequence[int]) -> str:
    """Return a Markdown table with a row for each variant, in percent."""
    names = score_names(results)
    rows = [(START, ''), *((kind, str(b)) for b in budgets for kind in (RANDOM, MINED))]
    lines = ['| images | chosen | training min | ' + ' | '.join(names) + ' |']
    lines.append('|---' * (3 + len(names)) + '|')
    for kind, budget in rows:
        name = variant(kind, int(budget)) if budget else kind
        minutes = [result.minutes for result in results if result.variant == name]
        if not minutes:
            continue
        cells = [
            budget or str(budgets[0] // 2),
            kind if budget else 'random, the start of all',
            f'{mean(minutes):.1f}',
            *(cell(values_of(results, name, score)) for score in names),
        ]
        lines.append('| ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines)


def differences(results: Sequence[Result], budget: int, score: str) -> list[float]:
    """Return mined minus random for each seed that has both, in points."""
    by_seed = {
        (result.variant, result.seed): result.scores[score]
        for result in results
        if score in result.scores
    }
    pairs = [
        (by_seed[variant(MINED, budget), seed], by_seed[variant(RANDOM, budget), seed])
        for name, seed in by_seed
        if name == variant(MINED, budget) and (variant(RANDOM, budget), seed) in by_seed
    ]
    return [100 * (mined - random) for mined, random in pairs]


def finding(results: Sequence[Result], budget: int, score: str) -> str:
    """Return in a sentence whether mined images beat random ones."""
    found = differences(results, budget, score)
    if not found:
        return f'{score}, {budget} images: no seed has both.'
    gap = mean(found)
    what = f'{score}, {budget} images: mined {gap:+.1f} points against random'
    if len(found) < 2:
        return f'{what} with one seed; whether that is more than chance is not said.'
    noise = stdev(found) / math.sqrt(len(found))
    told = f'{what} (± {stdev(found):.1f} over {len(found)} seeds)'
    if gap > CLEAR * noise:
        return f'{told}: mined images are better.'
    if gap < -CLEAR * noise:
        return f'{told}: mined images are worse.'
    return f'{told}: no difference beyond {CLEAR:g} standard errors; mining does not show a gain.'


def findings(results: Sequence[Result], budgets: Sequence[int]) -> str:
    """Return a Markdown list with the finding of each budget and test set."""
    return '\n'.join(
        f'- {finding(results, budget, score)}'
        for score in main_scores(results)
        for budget in budgets
    )


def drives_table(rounds: Sequence[Chosen]) -> str:
    """Return a Markdown table with the images of each drive, a mean over the seeds."""
    counts = {
        name: Counter(one.partition('_')[0] for chosen in rounds for one in chosen.names[name])
        for name in rounds[0].names
    }
    drives = sorted({drive for count in counts.values() for drive in count})
    if len(drives) > 12:  # names that tell no drives
        return ''
    lines = ['| images of | ' + ' | '.join(drives) + ' |', '|---' * (1 + len(drives)) + '|']
    lines += [
        f'| {name} | ' + ' | '.join(f'{count[d] / len(rounds):.1f}' for d in drives) + ' |'
        for name, count in counts.items()
    ]
    return '\n'.join(lines)


def draw(results: Sequence[Result], budgets: Sequence[int], path: Path) -> None:
    """Draw mIoU over the number of images, a panel for each test set, a dot for each seed."""
    from matplotlib.figure import Figure  # slow to import

    scores = main_scores(results)
    figure = Figure((4.6 * len(scores), 3.6), layout='constrained')
    for axis, score in zip(figure.subplots(1, len(scores), squeeze=False)[0], scores, strict=True):
        begin = [100 * value for value in values_of(results, START, score)]
        for kind, color in ((RANDOM, '#8a8a8a'), (MINED, '#2a6fbb')):
            points = [(budgets[0] // 2, begin)]
            points += [
                (b, [100 * value for value in values_of(results, variant(kind, b), score)])
                for b in budgets
            ]
            points = [(images, values) for images, values in points if values]
            axis.plot(
                [images for images, _ in points],
                [mean(values) for _, values in points],
                color=color,
                label=kind,
            )
            for images, values in points:
                axis.plot([images] * len(values), values, 'o', color=color, markersize=4)
        axis.set_title(f'{score} (%)', fontsize=10)
        axis.set_xlabel('labelled images')
        axis.grid(alpha=0.3)
        axis.legend(fontsize=9)
    figure.savefig(output_file(path), dpi=130)


def write_page(
    results: Sequence[Result],
    rounds: Sequence[Chosen],
    budgets: Sequence[int],
    settings: str,
    folder: Path,
) -> Path:
    """Write comparison.md with its figure, and return its path.

    Args:
        results: Of all runs.
        rounds: The images of each seed.
        budgets: Numbers of images.
        settings: What all runs share, in words.
        folder: Where the files are written.
    """
    draw(results, budgets, folder / 'comparison.png')
    parts = [
        '# Mined images against random ones',
        settings,
        findings(results, budgets),
        table(results, budgets),
        drives_table(rounds),
        '![mIoU over labelled images](comparison.png)',
    ]
    page = folder / 'comparison.md'
    text = '\n\n'.join(part for part in parts if part)
    output_file(page).write_text(text + '\n', encoding='utf-8')
    return page
