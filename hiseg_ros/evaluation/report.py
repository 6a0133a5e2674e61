# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Report of an evaluation as one HTML page: tables, heat map, bars, diagram and images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2

from hiseg_ros.errors import ConfigError
from hiseg_ros.evaluation.best_and_worst import Image
from hiseg_ros.evaluation.context_run import ContextImage
from hiseg_ros.evaluation.four_figures import FIGURES, four_figures
from hiseg_ros.output_files import output_file

TEMPLATE = Path(__file__).with_name('report.html.j2')
FILE_NAME = 'report.html'
NOTHING = '–'


@dataclass(frozen=True)
class Report:
    """Content of a report."""

    title: str
    facts: Mapping[str, str]
    """Facts of the run by name, in words."""
    scores: Mapping[str, Any]
    """Result of `evaluate_pixels` or `evaluate_signs`, or the summary of one confusion."""
    colors: Mapping[str, str] = field(default_factory=dict)
    """'#rrggbb' by label name, for the legend."""
    worst: Sequence[Image] = ()
    best: Sequence[Image] = ()
    context: Sequence[ContextImage] = ()
    """Removals of objects that changed other labels most."""


def render_report(report: Report) -> str:
    """Return the page as HTML: everything in one file, no script, nothing from the network."""
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {'percent': percent, 'grouped': grouped, 'points': points}
    scores = dict(report.scores)
    # A recording has one decision only; its scores are not nested.
    is_single = 'miou' in scores
    dense = scores if is_single else scores.get('summed')
    return environment.from_string(TEMPLATE.read_text('utf-8')).render(
        report=report,
        scores=scores,
        dense=dense,
        titles=FIGURES,
        nodes=None if is_single else scores.get('nodes'),
        figures=_figures(report, dense) if dense else None,
        confusions={
            split: heat_map(one['confusion'], 'pixels')
            for split, one in list(scores.get('four_figures', {}).items())[1:]
        },
        confusion=heat_map(dense['confusion'], 'pixels') if dense else None,
        categories=(
            heat_map(scores['category_confusion'], 'signs')
            if 'category_confusion' in scores
            else None
        ),
    )


def _figures(report: Report, dense: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """Return mean, weighted and category IoU and images by split; of one split where no more."""
    found: Mapping[str, Mapping[str, Any]] | None = report.scores.get('four_figures')
    if found is not None:
        return found
    images = report.scores.get('images', report.scores.get('frames'))
    return {report.facts.get('split', 'all'): {'images': images, **four_figures(dense)}}


def write_report(report: Report, folder: Path) -> Path:
    """Write the page to a folder, which is made, and return the file's path.

    Raises:
        ConfigError: The folder or the file cannot be written.
    """
    path = folder / FILE_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        output_file(path).write_text(render_report(report), 'utf-8')
    except OSError as problem:
        raise ConfigError(
            f'The report {path} cannot be written ({problem}); expected a folder with the right '
            'to write.'
        ) from problem
    return path


@dataclass(frozen=True)
class HeatRow:
    """A row of a heat map: (count, share of its row, share of its column), shares in percent."""

    name: str
    cells: Sequence[tuple[int, float, float]]


@dataclass(frozen=True)
class HeatMap:
    """A confusion matrix, normalised both ways."""

    unit: str
    columns: Sequence[str]
    rows: Sequence[HeatRow]


def heat_map(confusion: Mapping[str, Any], unit: str) -> HeatMap:
    """Return a confusion with shares of rows and of columns.

    Shares of a row show the predictions for a true label, shares of a column the true labels of a
    prediction.

    Args:
        confusion: Names of 'rows' and 'columns', and counts under the name of their unit.
        unit: What is counted.
    """
    counts: list[list[int]] = confusion[unit]
    row_sums = [sum(row) for row in counts]
    column_sums = [sum(column) for column in zip(*counts, strict=True)]

    def share(part: int, whole: int) -> float:
        return round(100 * part / whole, 1) if whole else 0.0

    rows = [
        HeatRow(
            name,
            [
                (count, share(count, row_sum), share(count, column_sum))
                for count, column_sum in zip(row, column_sums, strict=True)
            ],
        )
        for name, row, row_sum in zip(confusion['rows'], counts, row_sums, strict=True)
    ]
    return HeatMap(unit, confusion['columns'], rows)


def percent(value: float | None, digits: int = 1) -> str:
    """Return a share in percent, a dash where there is none."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f'{100 * value:.{digits}f}'


def points(value: float | None) -> str:
    """Return a difference of shares in percentage points with its sign, a dash for none."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f'{100 * value:+.1f}'


def grouped(value: int) -> str:
    """Return a whole number with a thin space every three digits."""
    return f'{value:,}'.replace(',', '\u202f')
