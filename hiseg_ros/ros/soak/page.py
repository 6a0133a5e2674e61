# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What a soak run came to as files: soak.json, soak.md and soak.png."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hiseg_ros.benchmark.machine import describe_machine
from hiseg_ros.ros.soak.audit import Ledger
from hiseg_ros.ros.soak.curves import Panel, Series, draw
from hiseg_ros.ros.soak.run import Outcome

WINDOWS = 60
"""In which percentiles are taken, over the whole run; at least ten seconds each."""

HEADINGS = {
    'sent': 'sent by the camera',
    'away': 'while the node was told not to listen',
    'lost': 'lost, or replaced by a newer one before the node took it',
    'received': '**received by the node**',
    'processed': 'processed',
    'busy': 'dropped busy',
    'stale': 'dropped stale',
    'bad': 'dropped malformed',
    'unwanted': 'dropped unwanted',
    'stopped': 'dropped stopped',
    'memory': 'dropped memory',
    'unexplained': '**unexplained**',
    'results': 'results that arrived',
}
"""Of the table, by the ledger's names, in order."""

COUNTED = (
    'Sent = told not to listen + lost + received, and received = processed + dropped, of each',
    'camera. The cameras count what is sent and the reader counts the results. All between is',
    "counted by the node; what it never received it knows by gaps in the publishers' numbers. The",
    'run noted the number of each image that came to the node: every missing one lies in such a',
    'gap, or was sent while the node was told not to listen.',
)
"""Explains the table."""


def percentiles(points: Sequence[tuple[float, float]], seconds: float) -> list[dict[str, float]]:
    """Return time, median, 95th and 99th percentile of each window that holds a value.

    Args:
        points: Seconds and values; those that are not finite are left out.
        seconds: Length of the run.
    """
    width = max(seconds / WINDOWS, min(10.0, seconds / 4))
    found: dict[int, list[float]] = {}
    for at_s, value in points:
        if math.isfinite(value):
            found.setdefault(int(at_s / width), []).append(value)
    rows = []
    for window, values in sorted(found.items()):
        median, p95, p99 = np.percentile(values, (50, 95, 99))
        rows.append({
            'at_s': round((window + 0.5) * width, 1), 'median_ms': round(float(median), 1),
            'p95_ms': round(float(p95), 1), 'p99_ms': round(float(p99), 1), 'count': len(values),
        })  # fmt: skip
    return rows


def write(outcome: Outcome, folder: Path) -> None:
    """Write soak.json, soak.md and soak.png into a folder that exists.

    Raises:
        OSError: They cannot be written.
    """
    windows = {
        name: percentiles(points, outcome.seconds) for name, points in outcome.latencies.items()
    }
    facts = {**outcome.facts, 'model': Path(outcome.facts.get('model', '')).name}
    machine = describe_machine()
    content = {
        'is_good': not outcome.problems,
        'problems': list(outcome.problems),
        'plan': dataclasses.asdict(outcome.plan),
        'facts': facts,
        'machine': machine,
        'cameras': {
            name: {**dataclasses.asdict(ledger), 'unexplained': ledger.unexplained}
            for name, ledger in outcome.ledgers.items()
        },
        'faults': [dict(fault) for fault in outcome.faults],
        'growth': dict(outcome.growth),
        'latency': windows,
        'samples': [dataclasses.astuple(sample) for sample in outcome.samples],
    }
    (folder / 'soak.json').write_text(json.dumps(content, indent=1) + '\n')
    (folder / 'soak.md').write_text(_markdown(outcome, facts, machine))
    _draw(outcome, windows, folder / 'soak.png')


def _draw(outcome: Outcome, windows: dict[str, list[dict[str, float]]], path: Path) -> None:
    latency = [
        Series(f'{name} {label}', [(row['at_s'], row[key]) for row in rows], color, is_thin)
        for color, (name, rows) in enumerate(windows.items())
        for key, label, is_thin in (('median_ms', 'median', False), ('p95_ms', '95 %', True))
    ]
    samples = outcome.samples
    panels = [
        Panel('Latency from stamp to publishing [ms]', latency),
        Panel('Memory of the node [MiB]',
              [Series('resident', [(s.at_s, s.memory_mib) for s in samples])]),
        Panel('Threads of the node', [Series('threads', [(s.at_s, s.threads) for s in samples])]),
        Panel('Cores that the node kept busy',
              [Series('cores', [(s.at_s, s.cores) for s in samples])]),
    ]  # fmt: skip
    marks = [(fault['at_s'], str(number)) for number, fault in enumerate(outcome.faults, 1)]
    draw(panels, outcome.seconds, marks, path)


def _markdown(outcome: Outcome, facts: dict[str, str], machine: dict[str, Any]) -> str:
    plan = outcome.plan
    verdict = (
        'Every image is accounted for, and every fault had the end it has to have.'
        if not outcome.problems else
        f'{len(outcome.problems)} things did not go as they have to:'
    )  # fmt: skip
    minutes = round(plan.seconds / 60, 1)
    lines = [f'{minutes:g} minutes, a fault every {plan.period_s:g} s. {verdict}', '']
    lines += [f'- {problem}' for problem in outcome.problems[:50]]
    lines += [''] if outcome.problems else []
    lines += [
        f'`{facts["model"]}` in {facts["backend"]}, {facts["precision"]}, on {facts["device"]}; '
        f'{machine["processor"]}, {machine["threads"]} threads, load {machine["load"]} at the '
        'end.', '', '![curves](soak.png)', '',
        'The numbers above the curves are those of the faults.', '',
    ]  # fmt: skip
    lines += [*_ledgers(outcome), '', *COUNTED, '', *_latencies(outcome), '',
              *_faults(outcome), '']  # fmt: skip
    if grown := outcome.growth:
        lines += [
            f'Memory {grown["memory_before_mib"]:.0f} MiB in the second quarter, '
            f'{grown["memory_after_mib"]:.0f} MiB in the last one; threads '
            f'{grown["threads_before"]:g} and {grown["threads_after"]:g} (medians).',
        ]  # fmt: skip
    return '\n'.join(lines).rstrip() + '\n'


def _ledgers(outcome: Outcome) -> list[str]:
    def value(ledger: Ledger, heading: str) -> int:
        return int(getattr(ledger, heading))

    ledgers = outcome.ledgers
    lines = [f'| images | {" | ".join(ledgers)} | all |', f'|---|{"---:|" * (len(ledgers) + 1)}']
    for heading, text in HEADINGS.items():
        values = [value(ledger, heading) for ledger in ledgers.values()]
        lines.append(f'| {text} | {" | ".join(map(str, values))} | {sum(values)} |')
    return lines


def _latencies(outcome: Outcome) -> list[str]:
    lines = ['| camera | images | rate sent | results | median | 95 % | 99 % |',
             '|---|---|---:|---:|---:|---:|---:|']  # fmt: skip
    for camera in outcome.plan.cameras:
        values = [v for _, v in outcome.latencies[camera.name] if math.isfinite(v)]
        height, width = camera.size
        found = [f'{v:.0f} ms' for v in np.percentile(values or [math.nan], (50, 95, 99))]
        lines.append(
            f'| {camera.name} | {width}x{height} {camera.encoding} | {camera.rate_hz:g} Hz | '
            f'{len(values) / outcome.seconds:.2f} Hz | {" | ".join(found)} |'
        )
    return lines


def _faults(outcome: Outcome) -> list[str]:
    lines = ['| no. | at | fault | camera | what happened |', '|---:|---:|---|---|---|']
    for number, fault in enumerate(outcome.faults, 1):
        said = f'**{fault["problem"]}**' if fault['problem'] else fault['found']
        lines.append(
            f'| {number} | {fault["at_s"]:.0f} s | {fault["name"]} | {fault["camera"] or "all"} '
            f'| {said} |'
        )
    return lines
