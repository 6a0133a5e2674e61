# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Results of a soak test as files: soak.json, soak.md and soak.png."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hiseg_ros.benchmark.machine import describe_machine
from hiseg_ros.output_files import output_file
from hiseg_ros.ros.soak.figure import draw
from hiseg_ros.ros.soak.run import Outcome

WINDOWS = 60
"""Number of windows of a run in which percentiles are computed; each is at least ten seconds."""

CATEGORIES = {
    'sent': 'sent by the camera',
    'away': 'while the node was meant not to subscribe',
    'lost': 'lost, or replaced by a newer one before the node took it',
    'received': '**received by the node**',
    'processed': 'processed',
    'busy': 'dropped busy',
    'stale': 'dropped stale',
    'bad': 'dropped malformed',
    'unwanted': 'dropped unwanted',
    'stopped': 'dropped stopped',
    'memory': 'dropped memory',
    'rate': 'dropped rate',
    'unexplained': '**unexplained**',
    'results': 'results that arrived',
}
"""Rows of the table, by the names of `FrameCounts`, in order."""

COUNTED = (
    'For each camera, sent = meant not to subscribe + lost + received, and received = processed +',
    'dropped. The test counts the images that are sent and the results that arrive; the node',
    "counts the others, and lost images by gaps in the publishers' sequence numbers. The test",
    'also recorded the number of each image that reached the node: every missing one lies in such',
    'a gap, or was sent while the node was meant not to subscribe.',
)
"""Explanation below the table."""


def percentiles(points: Sequence[tuple[float, float]], seconds: float) -> list[dict[str, float]]:
    """Return time, median, 95th and 99th percentile of each window that holds a value.

    Args:
        points: Seconds since the start, and values in ms; values that are not finite are left
            out.
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
            name: {**dataclasses.asdict(counts), 'unexplained': counts.unexplained}
            for name, counts in outcome.counts.items()
        },
        'faults': [dict(fault) for fault in outcome.faults],
        'growth': dict(outcome.growth),
        'latency': windows,
        'samples': [dataclasses.astuple(sample) for sample in outcome.samples],
    }
    output_file(folder / 'soak.json').write_text(json.dumps(content, indent=1) + '\n')
    output_file(folder / 'soak.md').write_text(_markdown(outcome, facts, machine))
    draw(outcome, windows, folder / 'soak.png')


def _markdown(outcome: Outcome, facts: dict[str, str], machine: dict[str, Any]) -> str:
    plan = outcome.plan
    verdict = (
        'Every image is accounted for, and the node reacted to every fault as expected.'
        if not outcome.problems else
        f'{len(outcome.problems)} things were not as expected:'
    )  # fmt: skip
    minutes = round(plan.seconds / 60, 1)
    lines = [f'{minutes:g} minutes, a fault every {plan.period_s:g} s. {verdict}', '']
    lines += [f'- {problem}' for problem in outcome.problems[:50]]
    lines += [''] if outcome.problems else []
    lines += [
        f'`{facts["model"]}` in {facts["backend"]}, {facts["precision"]}, on {facts["device"]}; '
        f'{machine["processor"]}, {machine["threads"]} threads, load {machine["load"]} at the '
        'end.', '', '![curves](soak.png)', '',
        'The vertical lines are the faults, with their numbers above.', '',
    ]  # fmt: skip
    lines += [*_counts_table(outcome), '', *COUNTED, '', *_latencies(outcome), '',
              *_faults(outcome), '']  # fmt: skip
    if grown := outcome.growth:
        lines += [
            f'Memory {grown["memory_before_mib"]:.0f} MiB in the second quarter, '
            f'{grown["memory_after_mib"]:.0f} MiB in the last one; threads '
            f'{grown["threads_before"]:g} and {grown["threads_after"]:g} (medians).',
        ]  # fmt: skip
    return '\n'.join(lines).rstrip() + '\n'


def _counts_table(outcome: Outcome) -> list[str]:
    counts = outcome.counts
    lines = [f'| images | {" | ".join(counts)} | all |', f'|---|{"---:|" * (len(counts) + 1)}']
    for category, text in CATEGORIES.items():
        values = [int(getattr(camera, category)) for camera in counts.values()]
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
