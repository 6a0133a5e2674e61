# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg report`: write the report of a finished replay again, from its folder."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument('folder', type=Path, metavar='DIR', help='output folder of `hiseg replay`')
    parser.add_argument(
        '--output', type=Path, metavar='FILE', help='report to write (default: DIR/report.html)'
    )
    parser.add_argument(
        '--timing', action='store_true',
        help='add frame rate, time of each stage and memory, which differ from run to run',
    )  # fmt: skip


def run(options: argparse.Namespace) -> None:
    """Write the report."""
    from hiseg_ros.reports.replay_page import write_report

    path = write_report(options.folder, options.output, with_timing=options.timing)
    print(f'Report: {path} ({path.stat().st_size / 1e6:.1f} MB)')
