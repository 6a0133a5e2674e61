# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The page over many replays: worst drives and frames, trends by day and robot."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import jinja2

from hiseg_ros.evaluation.report import grouped, percent

SHOWN_FRAMES = 20
"""Number of the worst frames by each measure."""

TITLES = {
    'miou': 'Lowest mIoU',
    'confidence': 'Lowest mean confidence',
    'flicker': 'Most label flicker',
}


def write_fleet_page(metrics: Mapping[str, Any]) -> str:
    """Return the page as HTML; the same metrics give the same bytes.

    Args:
        metrics: Content of the fleet's metrics.json.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent, encoding='utf-8'),
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    environment.filters |= {'percent': percent, 'grouped': grouped}
    drives = list(metrics['drives'])
    has_scores = any(drive['miou'] is not None for drive in drives)

    def badness(drive: Mapping[str, Any]) -> tuple[float, float, str]:
        miou = drive['miou']
        return (
            (1.0 if miou is None else miou) if has_scores else 0.0,
            -(drive['low_share'] or 0.0),
            str(drive['replay_folder']),
        )

    top = {
        name: max((drive[name] or 0.0 for drive in drives), default=0.0)
        for name in ('low_share', 'flicker')
    }
    frames = [(title, _worst(drives, name)) for name, title in TITLES.items()]
    return environment.get_template('fleet_page.html.j2').render(
        metrics=metrics,
        whole=metrics['all'],
        has_scores=has_scores,
        top=top,
        frames=[(title, rows) for title, rows in frames if rows],
        drives=sorted(drives, key=badness),
        order='mIoU, lowest first' if has_scores else 'low confidence, most first',
    )


def _worst(drives: list[Mapping[str, Any]], measure: str) -> list[dict[str, Any]]:
    rows = [
        {**row, 'replay_folder': drive['replay_folder'], 'time': _time(row['time_ns'])}
        for drive in drives
        for row in drive['worst'][measure]
    ]
    sign = -1 if measure == 'flicker' else 1
    rows.sort(key=lambda row: (sign * row['value'], row['replay_folder'], row['frame']))
    return rows[:SHOWN_FRAMES]


def _time(time_ns: int) -> str:
    return f'{datetime.fromtimestamp(time_ns / 1e9, timezone.utc):%Y-%m-%d %H:%M:%S}'
