# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Measurements as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]


def markdown(result: Row) -> str:
    """Return a page with the machine's description and a table for each kind of measurement."""
    machine = result['machine']
    packages = ', '.join(f'{name} {found}' for name, found in machine['packages'].items())
    parts = [
        f'Measured with `{result["command"]}` on: {machine["processor"]} '
        f'({machine["cores"]} cores, {machine["threads"]} threads used'
        f'{"; " + " ".join(machine["formats"]) if machine["formats"] else ""}), '
        f'{machine["memory_gib"]} GiB, '
        f'{", ".join(machine["gpus"]) or "no GPU"}; Python {machine["python"]}, {packages}; '
        f'load before the start: {machine["load"]}.',
    ]
    if result.get('engines'):
        parts.append(_engines(result['engines']))
    if result.get('graph'):
        parts.append(_graph(result['graph']))
    return '\n\n'.join(parts) + '\n'


def _engines(rows: Sequence[Row]) -> str:
    title = ('size', 'back-end', 'images/s', 'frame ms (p95)', 'prepare', 'network', 'decision',
             'decision share', 'host MiB', 'device MiB', 'J/frame', 'labels as reference', 'mIoU')
    lines = []
    for row in rows:
        size = _size(row)
        size += f', {row["cameras"]} cameras' if row.get('cameras', 1) > 1 else ''
        name = f'{row["backend"]} {row["precision"]}'
        if 'error' in row:
            lines.append([size, name, f'not here: {row["error"]}'])
            continue
        stages = row['stages_ms']
        lines.append([
            size, name, _number(row['images_per_s']),
            f'{stages["frame"]["median"]:.1f} ({stages["frame"]["p95"]:.1f})',
            *(f'{stages[stage]["median"]:.1f}' for stage in ('preprocess', 'network', 'decision')),
            _percent(row['decision_share']), _number(row['host_peak_mib']),
            _number(row['device_peak_mib']), _number(row['joules_per_frame']),
            _percent(row['labels_equal_to_reference'], 2), _percent(row.get('miou'), 1),
        ])
    return _table(title, lines)


def _graph(rows: Sequence[Row]) -> str:
    title = ('size', 'back-end', 'camera Hz', 'labelled frames/s', 'lost', 'latency ms (p95)',
             'engine ms', 'around it ms', 'node CPU, cores', 'node MiB')
    lines = []
    for row in rows:
        latency = row['latency_ms'] or {'median': float('nan'), 'p95': float('nan')}
        lines.append([
            _size(row), f'{row["backend"]} {row["precision"]}',
            f'{row["camera_hz"]:.1f}{" (sustained)" if row["is_sustained"] else ""}',
            _number(row['frames_per_s']), _percent(row['lost']),
            f'{latency["median"]:.1f} ({latency["p95"]:.1f})', _number(row['engine_ms']),
            _number(row['overhead_ms']), _number(row['cores']), _number(row['host_peak_mib']),
        ])
    return _table(title, lines)


def _size(row: Row) -> str:
    size = 'x'.join(map(str, row['size']))
    return size + (f', network at {row["input_height"]}' if row.get('input_height') else '')


def _table(title: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [title, ['---'] * len(title), *rows]
    return '\n'.join(f'| {" | ".join(cells)} |' for cells in lines)


def _number(value: float | None) -> str:
    return '' if value is None else f'{value:g}'


def _percent(share: float | None, digits: int = 1) -> str:
    return '' if share is None else f'{100 * share:.{digits}f} %'
