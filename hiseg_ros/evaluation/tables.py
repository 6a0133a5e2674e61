# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Scores that were asked for as tables of plain text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hiseg_ros.evaluation.four_figures import FIGURES
from hiseg_ros.evaluation.report import percent, points


def extra_tables(scores: Mapping[str, Any]) -> str:
    """Return the tables of what is in the scores, such as splits and boundaries; '' for none."""
    parts = []
    if 'four_figures' in scores:
        parts.append(_splits(scores['four_figures']))
    if 'boundary' in scores:
        parts.append(_boundary(scores['boundary']))
    if 'common' in scores:
        parts.append(_common(scores['common']))
    if 'context' in scores:
        parts.append(_context(scores['context']))
    return '\n\n'.join(parts)


def _splits(splits: Mapping[str, Mapping[str, Any]]) -> str:
    head = ['%', 'images', *FIGURES.values()]
    rows = [
        [split, str(figures['images']), *(percent(figures[key]) for key in FIGURES)]
        for split, figures in splits.items()
    ]
    return aligned([head, *rows])


def _boundary(boundary: Mapping[str, Any]) -> str:
    widths = boundary['widths']
    names = list(boundary['true_boundary_pixels'])
    head = ['%', *(f'F {width}' for width in widths), *(f'IoU in {width}' for width in widths)]
    keys = ('f_by_label', 'trimap_iou_by_label')
    rows = [
        [name, *(percent(one[key][name]) for key in keys for one in widths.values())]
        for name in names
    ]
    means = [percent(one[key]) for key in ('f', 'trimap_miou') for one in widths.values()]
    return aligned([head, *rows, ['mean', *means]])


def _common(common: Mapping[str, Any]) -> str:
    sets = common['sets']
    rows = [
        [name, percent(common['iou'][name]), *(' + '.join(labels[one]) for one in sets)]
        for name, labels in common['classes'].items()
    ]
    counted = len(common['classes']) - len(common['absent'])
    lines = [
        aligned([['common class', 'IoU %', *sets], *rows]),
        f'mean over {counted} of {len(common["classes"])} common classes: '
        f'{percent(common["miou"])} %',
    ]
    if common['absent']:
        lines.append(f'neither true nor predicted here: {", ".join(common["absent"])}')
    lines += [
        f'labels of {one} in no common class: {", ".join(names)}'
        for one, names in common['left_out'].items()
        if names
    ]
    return '\n'.join(lines)


def _context(context: Mapping[str, Any]) -> str:
    matrix = context['matrix']
    head = ['removed', 'times', 'still seen %', *matrix['columns']]
    rows = [
        [
            name,
            str(context['removals'][name]),
            percent(context['hallucination'][name]),
            *(
                points(value) + ('' if images >= context['min_images'] else '?') if images else ''
                for value, images in zip(values, counts, strict=True)
            ),
        ]
        for name, values, counts in zip(
            matrix['rows'], matrix['context'], matrix['images'], strict=True
        )
        if context['removals'][name]
    ]
    control = ', less that of the control' if context['has_control'] else ''
    lines = [
        f'points of IoU that a label (column) loses when objects are removed (row){control}; '
        f'"?": fewer than {context["min_images"]} images, not in the mean',
        aligned([head, *rows]),
        f'context dependence: {points(context["context_dependence"])} points, mean over '
        f'{context["pairs"]} pairs of labels',
    ]
    lines += [f'left out: {name}, {count} images' for name, count in context['left_out'].items()]
    return '\n'.join(lines)


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of text in columns, two spaces apart."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return '\n'.join(
        '  '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
