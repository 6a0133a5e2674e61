# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg synthesize`: write drawn scenes in the layout of a published dataset."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from hiseg_ros.datasets.registry import names_of_drawn_formats


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        '--format',
        required=True,
        choices=names_of_drawn_formats(),
        help='dataset whose layout is written',
    )
    parser.add_argument('--output', type=Path, required=True, metavar='DIR', help='empty folder')
    parser.add_argument('--count', type=int, required=True, metavar='N', help='number of scenes')
    parser.add_argument(
        '--size',
        type=_size,
        metavar='HxW',
        help="height and width in pixels (default: the dataset's)",
    )
    parser.add_argument('--seed', type=int, default=0, help='seed of the scenes')
    parser.add_argument(
        '--split',
        choices=['train', 'val'],
        help='split of all scenes (default: every fifth goes to val); gtsdb has no folders of '
        'splits: there every fifth number is held out',
    )
    parser.add_argument(
        '--without',
        action='append',
        default=[],
        metavar='LABEL',
        help='leave out the objects of this label, such as Car, with their shadows; all else is '
        'as without this option; may be given several times',
    )


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r'(\d{1,5})x(\d{1,5})', text)
    if match is None:
        raise argparse.ArgumentTypeError(f'{text!r} is not a size; expected HxW, such as 512x1024')
    return int(match[1]), int(match[2])


def run(options: argparse.Namespace) -> None:
    """Draw and write the scenes, and print their number by split."""
    from hiseg_ros.datasets.drawn_export import write_drawn_scenes

    counts = write_drawn_scenes(
        options.format,
        options.output,
        options.count,
        options.size,
        options.seed,
        options.split,
        options.without,
    )
    print(f'{options.output}: {counts["train"]} train and {counts["val"]} val scenes')
