# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Options for the speed, the repetitions and the clock of a live replay."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterable

from hiseg_ros.cli.shared.numbers import positive, positive_integer

FOREVER = 0
"""Number of rounds that stands for a replay until Ctrl-C."""


def add_pace(parser: argparse.ArgumentParser) -> None:
    """Declare --rate, --loop and --clock."""
    parser.add_argument(
        '--rate',
        type=positive,
        default=1.0,
        metavar='FACTOR',
        help='speed of the replay relative to the recording (default: %(default)s)',
    )
    parser.add_argument(
        '--loop',
        type=positive_integer,
        nargs='?',
        const=FOREVER,
        default=1,
        metavar='N',
        help='replay N times; without a number until Ctrl-C (default: once)',
    )
    parser.add_argument(
        '--clock',
        action='store_true',
        help='keep the recorded stamps and publish /clock, which jumps back when the recording '
        'starts again (default: stamp the images with the current time, as a camera does)',
    )


def repeated(times: int) -> Iterable[int]:
    """Return an iterable with one element per round."""
    return itertools.count() if times == FOREVER else range(times)
