# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Measurements as Markdown tables."""

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
        parts += [_caption('Engines', result['engines']), _engines(result['engines'])]
    if result.get('graph'):
        caption = _caption('The node in a ROS graph', result['graph'])
        parts += [caption, _graph(result['graph'])]
    if result.get('arithmetic'):
        parts.append(_arithmetic(result['arithmetic']))
    if result.get('profile'):
        parts += [_profile(profile) for profile in result['profile']]
    if result.get('messages'):
        parts.append(_messages(result['messages']))
    if result.get('peers'):
        parts.append(_peers(result['peers']))
    if result.get('subtree'):
        parts += [_subtree(cost) for cost in result['subtree']]
    return '\n\n'.join(parts) + '\n'


def _caption(what: str, rows: Sequence[Row]) -> str:
    """Return the caption of a table, with the reference of its labels."""
    names = [f'`{name}`' for name in dict.fromkeys(row.get('reference') for row in rows) if name]
    if not names:
        return f'{what}; no backend runs the network in float32 here, so labels are not compared:'
    return f'{what}; the reference of the labels is {", ".join(names)}:'


def _engines(rows: Sequence[Row]) -> str:
    title = (
        'size',
        'backend',
        'images/s',
        'frame ms (p95)',
        'prepare',
        'network',
        'decision',
        'decision share',
        'host MiB',
        'device MiB',
        'J/frame',
        'labels as reference',
        'mIoU',
        'frame / limit',
    )
    lines = []
    for row in rows:
        size, name = _size(row), _name(row)
        if 'error' in row:
            lines.append([size, name, f'not available: {row["error"]}'])
            continue
        stages = row['stages_ms']
        lines.append(
            [
                size,
                name,
                _number(row['images_per_s']),
                f'{stages["frame"]["median"]:.1f} ({stages["frame"]["p95"]:.1f})',
                *(
                    f'{stages[stage]["median"]:.1f}'
                    for stage in ('preprocess', 'network', 'decision')
                ),
                _percent(row['decision_share']),
                _number(row['host_peak_mib']),
                _number(row['device_peak_mib']),
                _number(row['joules_per_frame']),
                _percent(row['labels_equal_to_reference'], 2),
                _percent(row.get('miou'), 1),
                _number(row.get('frame_over_limit')),
            ]
        )
    return _table(title, lines)


def _graph(rows: Sequence[Row]) -> str:
    title = (
        'size',
        'backend',
        'camera Hz',
        'labelled frames/s',
        'lost',
        'latency ms (p95)',
        'engine ms',
        'around it ms',
        'node CPU, cores',
        'node MiB',
        'device MiB',
        'labels as reference',
    )
    lines = []
    for row in rows:
        if 'error' in row:
            lines.append([_size(row), _name(row), f'not available: {row["error"]}'])
            continue
        latency = row['latency_ms'] or {'median': float('nan'), 'p95': float('nan')}
        lines.append(
            [
                _size(row),
                _name(row),
                f'{row["camera_hz"]:.1f}{" (sustained)" if row["is_sustained"] else ""}',
                _number(row['frames_per_s']),
                _percent(row['lost']),
                f'{latency["median"]:.1f} ({latency["p95"]:.1f})',
                _number(row['engine_ms']),
                _number(row['overhead_ms']),
                _number(row['cores']),
                _number(row['host_peak_mib']),
                _number(row.get('device_used_mib')),
                _percent(row.get('labels_equal_to_reference'), 2),
            ]
        )
    return _table(title, lines)


def _profile(profile: Row) -> str:
    """Return the table of a network's layers."""
    height, width = profile['input_size']
    caption = (
        f'Layers of {profile["model"]} in {profile["precision"]} at {height}x{width}, by '
        f"OpenVINO's counters; a run took {profile['network_ms']['median']:.1f} ms:"
    )
    lines = [[layer['kind'], layer['kernel'], f'{layer["ms"]:.2f}'] for layer in profile['layers']]
    return f'{caption}\n\n{_table(("layer", "kernel", "ms"), lines)}'


def _messages(rows: Sequence[Row]) -> str:
    """Return the table of the messages of a frame."""
    title = (
        'size',
        'backend',
        'messages',
        'number',
        'MB',
        'ms (p95)',
        'CPU ms (p95)',
        'one by one / together, CPU',
    )
    lines = [
        [
            _size(row),
            _name(row),
            row['messages'],
            str(row['count']),
            _number(row['megabytes']),
            *(f'{row[kind]["median"]:.2f} ({row[kind]["p95"]:.2f})' for kind in ('ms', 'cpu_ms')),
            _number(row['one_by_one']),
        ]
        for row in rows
    ]
    return f'Building the messages of a frame, not publishing them:\n\n{_table(title, lines)}'


def _peers(rows: Sequence[Row]) -> str:
    """Return the table of networks beside ours, the fastest of each size and runtime first."""
    title = (
        'size',
        'network',
        'backend',
        'MB',
        'outputs',
        'ms (p95)',
        'ours ms (p95)',
        'time / ours (10th to 90th percentile)',
    )
    lines = []
    for row in sorted(rows, key=_place):
        size, file = _size(row), row.get('file', 'ours')
        backend = f'{row["backend"]} {row["precision"]}' if 'backend' in row else ''
        if 'error' in row:
            lines.append([size, file, backend, f'not measured: {row["error"]}'])
            continue
        outputs = ', '.join('x'.join(map(str, shape)) for shape in row['outputs'])
        of, ours = row['network_ms'], row['ours_ms']
        lines.append(
            [
                size,
                file,
                backend,
                _number(row['megabytes']),
                outputs,
                f'{of["median"]:.1f} ({of["p95"]:.1f})',
                f'{ours["median"]:.1f} ({ours["p95"]:.1f})',
                f'{row["ratio"]:.2f} ({row["ratio_low"]:.2f} to {row["ratio_high"]:.2f})',
            ]
        )
    models = dict.fromkeys(row['model'] for row in rows if 'model' in row)
    beside = f', beside {" and ".join(f"`{model}`" for model in models)}' if models else ''
    caption = f'Networks alone, from their input to their output, in turns{beside}:'
    return f'{caption}\n\n{_table(title, lines)}'


def _place(row: Row) -> tuple[Any, ...]:
    """Return by what the rows of `_peers` are sorted: errors last."""
    choice = (row.get('backend', '~'), row.get('precision', ''))
    return ('error' in row, row['size'], choice, row.get('ratio', 0.0), row.get('file', ''))


def _subtree(cost: Row) -> str:
    """Return the table of heads with more and fewer classes."""
    size, input_size = ('x'.join(map(str, cost[name])) for name in ('size', 'input_size'))
    caption = (
        f'{cost["leaves"]} classes more below {cost["node"]}, which has '
        f'{_percent(cost["node_share"], 3)} of the pixels, behind {cost["model"]} in '
        f'{cost["precision"]} at {size}, network at {input_size}; the rest of the frame takes '
        f'{cost["common_ms"]:.1f} ms ({cost["common_cpu_ms"]:.1f} of the CPU):'
    )
    lines = [
        [
            head['name'],
            str(head['classes']),
            f'{head["ms"]:.2f}',
            f'{head["cpu_ms"]:.2f}',
            f'{head["frame"]:.3f}',
            f'{head["cpu_frame"]:.3f}',
        ]
        for head in cost['heads']
    ]
    title = ('head', 'classes', 'head ms', 'CPU ms', 'frame', 'frame by CPU time')
    return f'{caption}\n\n{_table(title, lines)}'


def _arithmetic(rows: Sequence[Row]) -> str:
    """Return the arithmetic of the networks and the peak of the device."""
    said = []
    for row in rows:
        if 'error' in row:
            said.append(f'not measured: {row["error"]}')
        elif 'gflop' in row:
            said.append(f'{row["model"]} at {_size(row)}: {row["gflop"]:g} GFLOP per image')
        else:
            said.append(
                f'products of {row["peak_precision"]} matrices: {row["peak_tflops"]:g} TFLOP/s, '
                'the peak that gives the lower limit of a frame'
            )
    return 'Arithmetic:\n\n' + '\n'.join(f'- {text}' for text in said)


def _size(row: Row) -> str:
    size = 'x'.join(map(str, row['size']))
    size += _network_size(row)
    if (row.get('cameras') or 1) > 1:
        size += f', {row["cameras"]} cameras'
        if 'batched' in row:
            size += ' in a batch' if row['batched'] else ' one by one'
    return size


def _network_size(row: Row) -> str:
    """Return the network's input height where it is not that of the weights."""
    height = row.get('input_height')
    if height != 'auto':
        return f', network at {height}' if height else ''
    heights = row.get('network_heights') or ['unknown']
    return f', network at {" to ".join(map(str, dict.fromkeys(heights)))} (auto)'


def _name(row: Row) -> str:
    name = f'{row["backend"]} {row["precision"]}'
    return f'{row["network"]}: {name}' if 'network' in row else name


def _table(title: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table without the columns that are empty in every row."""
    whole = [row for row in rows if len(row) == len(title)]
    kept = [place for place in range(len(title)) if not whole or any(row[place] for row in whole)]
    lines = [[row[place] for place in kept if place < len(row)] for row in (title, *rows)]
    lines.insert(1, ['---'] * len(kept))
    return '\n'.join(f'| {" | ".join(cells)} |' for cells in lines)


def _number(value: float | None) -> str:
    return '' if value is None else f'{value:g}'


def _percent(share: float | None, digits: int = 1) -> str:
    return '' if share is None else f'{100 * share:.{digits}f} %'
