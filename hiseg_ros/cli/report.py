# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg report`: the page of a finished replay once more, from its folder."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        'folder', type=Path, metavar='DIR', help='what `hiseg replay --output DIR` wrote'
    )
    parser.add_argument(
        '--output', type=Path, metavar='FILE', help='the page (default: DIR/report.html)'
    )
    parser.add_argument(
        '--timing', action='store_true',
        help='add rate, time of each stage and memory of that run; no two runs have the same',
    )  # fmt: skip


def run(options: argparse.Namespace) -> None:
    """Write the page."""
    from hiseg_ros.reports.replay_page import write_report

    path = write_report(options.folder, options.output, with_timing=options.timing)
    print(f'Report: {path} ({path.stat().st_size / 1e6:.1f} MB)')
