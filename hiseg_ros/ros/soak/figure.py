# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The figure of a soak test: latency, memory, threads and cores over time, faults marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hiseg_ros.output_files import output_file
from hiseg_ros.ros.soak.run import Outcome

LONG_S = 180.0
"""From this length on the time axis is in minutes."""

MOST_NUMBERS = 40
"""Faults whose number is written; of more, every second or third is."""

FAINT = '0.85'
SIZE_INCHES, DOTS_PER_INCH = (10.0, 8.4), 110


def draw(
    outcome: Outcome, windows: Mapping[str, Sequence[Mapping[str, float]]], path: Path
) -> None:
    """Draw the figure.

    Args:
        outcome: Of the run.
        windows: By camera: rows with 'at_s', 'median_ms' and 'p95_ms', in the order of time.
        path: Image to write; its ending picks the format.

    Raises:
        OSError: It cannot be written.
    """
    from matplotlib.figure import Figure  # slow to import
    from matplotlib.ticker import LogLocator, StrMethodFormatter

    unit_s, unit = (60.0, 'min') if outcome.seconds >= LONG_S else (1.0, 's')
    figure = Figure(SIZE_INCHES, layout='constrained')
    latency, memory, threads, cores = axes = figure.subplots(
        4, sharex=True, height_ratios=(2, 1, 1, 1)
    )
    for number, (camera, rows) in enumerate(windows.items()):
        times = [row['at_s'] / unit_s for row in rows]
        color = f'C{number}'
        latency.plot(times, [row['median_ms'] for row in rows], color=color, label=camera)
        latency.plot(times, [row['p95_ms'] for row in rows], color=color, lw=0.8, alpha=0.6)
    latency.plot([], [], color='0.4', label='median')
    latency.plot([], [], color='0.4', lw=0.8, alpha=0.6, label='95th percentile')
    # The first frames of a node on a busy machine take a hundred times as long as the others.
    latency.set_yscale('log')
    latency.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
    latency.yaxis.set_major_formatter(StrMethodFormatter('{x:g}'))
    latency.minorticks_off()
    lowest, highest = latency.get_ylim()
    latency.set_ylim(lowest / 1.5, 1.8 * highest)  # room for the legend
    latency.set_ylabel('stamp to publishing (ms)')
    latency.legend(ncols=len(windows) + 2, fontsize=8, frameon=False, loc='upper right')
    times = [sample.at_s / unit_s for sample in outcome.samples]
    for axis, values, title in (
        (memory, [sample.memory_mib for sample in outcome.samples], 'memory (MiB)'),
        (threads, [sample.threads for sample in outcome.samples], 'threads'),
        (cores, [sample.cores for sample in outcome.samples], 'busy cores'),
    ):
        axis.plot(times, values, color='0.25', lw=1.2)
        axis.set_ylabel(title)
        axis.set_ylim(0, 1.15 * axis.get_ylim()[1])
    _mark(axes, [fault['at_s'] / unit_s for fault in outcome.faults])
    for axis in axes:
        axis.spines[['top', 'right']].set_visible(False)
        axis.grid(axis='y', color=FAINT, lw=0.6)
        axis.set_axisbelow(True)
    cores.set_xlim(0, outcome.seconds / unit_s)
    cores.set_xlabel(f'time ({unit})')
    figure.align_ylabels()
    figure.savefig(output_file(path), dpi=DOTS_PER_INCH)


def _mark(axes: Sequence[Any], times: Sequence[float]) -> None:
    """Draw a line at each fault, its number above the first panel."""
    step = -(-len(times) // MOST_NUMBERS) or 1
    for number, time in enumerate(times, 1):
        for axis in axes:
            axis.axvline(time, color=FAINT, lw=0.8, zorder=0)
        if number % step == 0:
            axes[0].annotate(
                str(number), (time, 1), xycoords=('data', 'axes fraction'), xytext=(0, 3),
                textcoords='offset points', ha='center', fontsize=7, color='0.5',
            )  # fmt: skip
    if times:
        axes[0].set_title('faults by number', fontsize=8, color='0.5', loc='left', pad=14)
