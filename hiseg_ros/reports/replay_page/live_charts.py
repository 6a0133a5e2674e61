# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Charts of a recorded node's latency and drops over time, as SVG coordinates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hiseg_ros.reports.replay_page.findings import clock

LEFT, RIGHT, TOP, BOTTOM = 40.0, 332.0, 20.0, 150.0
"""Edges of the plotted area, in the units of the SVG."""

_EVERY = (1, 2, 5, 10, 20)
"""Possible numbers of pieces between two ticks of the time axis."""

STAGES = {
    'age': 'stamp to arrival at the node', 'queue': 'waiting', 'decode': 'message to image',
    'preprocess': 'image to network input', 'network': 'network', 'decision': 'decision',
    'messages': 'results to messages', 'publish': 'publishing', 'total': 'arrival to last publish',
    'latency': 'stamp to last publish',
}  # fmt: skip
"""Descriptions of the times that the node measures."""


@dataclass(frozen=True)
class Bar:
    """Bar of one piece of time: images with a result, and above them those without."""

    x: float
    width: float
    y: float
    height: float
    missed_y: float
    missed_height: float
    title: str


@dataclass(frozen=True)
class LiveCharts:
    """Charts of one camera."""

    camera: str
    median: str
    p95: str
    """Curves as SVG paths, interrupted where there was no result."""
    latency_ticks: tuple[tuple[float, str], ...]
    """(y, text in ms)."""
    bars: tuple[Bar, ...]
    count_ticks: tuple[tuple[float, str], ...]
    time_ticks: tuple[tuple[float, str], ...]
    """(x, text)."""
    rows: tuple[tuple[Any, ...], ...]
    """(time, images, without result, results, latency: median, 95 %, largest in ms)."""


def live_charts(live: Mapping[str, Any]) -> LiveCharts:
    """Return the charts of one row of `live` in metrics.json."""
    pieces = live['over_time']
    count, step_s = len(pieces['images']), pieces['step_s']
    width = (RIGHT - LEFT) / count
    latency = [value for value in pieces['latency_p95_ms'] if value is not None]
    top, ticks = _ticks(max(latency, default=1.0))
    most, count_ticks = _ticks(max(pieces['images']), whole=True)
    times = [clock(number * step_s) for number in range(count)]
    bars = []
    for number in range(count):
        images, missed = pieces['images'][number], pieces['without_result'][number]
        high, both = _height(images - missed, most), _height(images, most)
        title = f'from {times[number]}: {images} images, {missed} without a result'
        x = LEFT + number * width + 0.1 * width
        bars.append(
            Bar(
                round(x, 2), round(0.8 * width, 2), round(BOTTOM - high, 2), round(high, 2),
                round(BOTTOM - both, 2), round(both - high, 2), title,
            )
        )  # fmt: skip
    columns = ('images', 'without_result', 'results', 'latency_median_ms', 'latency_p95_ms',
               'latency_max_ms')  # fmt: skip
    return LiveCharts(
        live['camera'],
        _path(pieces['latency_median_ms'], width, top),
        _path(pieces['latency_p95_ms'], width, top),
        ticks, tuple(bars), count_ticks, _time_ticks(count, step_s),
        tuple(zip(times, *(pieces[name] for name in columns), strict=True)),
    )  # fmt: skip


def _height(value: float, most: float) -> float:
    return max(0.0, value) / most * (BOTTOM - TOP)


def _path(values: Sequence[float | None], width: float, top: float) -> str:
    """Return a curve through the middles of the pieces as an SVG path."""
    found, is_down = [], False
    for number, value in enumerate(values):
        if value is None:
            is_down = False
            continue
        x, y = LEFT + (number + 0.5) * width, BOTTOM - min(_height(value, top), BOTTOM - TOP)
        found.append(f'{"L" if is_down else "M"}{x:.2f} {y:.2f}{"" if is_down else "h0"}')
        is_down = True
    return ''.join(found)


def _ticks(largest: float, *, whole: bool = False) -> tuple[float, tuple[tuple[float, str], ...]]:
    """Return the end of an axis from zero and its ticks, 1, 2 or 5 times a power of ten apart."""
    step = 1.0 if whole else 0.01
    factors = (2, 2.5, 2)
    for turn in range(60):
        if 4 * step >= largest:
            break
        step *= factors[turn % 3]
    count = max(1, -int(-largest // step))
    top = count * step
    ticks = [(BOTTOM - _height(n * step, top), f'{n * step:g}') for n in range(count + 1)]
    return top, tuple((round(y, 2), text) for y, text in ticks)


def _time_ticks(count: int, step_s: float) -> tuple[tuple[float, str], ...]:
    """Return about six ticks of the time axis, at round numbers."""
    every = next((n for n in _EVERY if count <= 6 * n), -(-count // 6))
    width = (RIGHT - LEFT) / count
    return tuple(
        (round(LEFT + number * width, 2), clock(number * step_s).removesuffix('.0'))
        for number in range(0, count, every)
    )
