# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""How fast, how often and in which time a recording is replayed live."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterable

from hiseg_ros.cli.shared.numbers import positive, positive_integer

FOREVER = 0
"""Rounds of a replay that ends when it is interrupted."""


def add_pace(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments that say how fast, how often and in which time."""
    parser.add_argument(
        '--rate',
        type=positive,
        default=1.0,
        metavar='FACTOR',
        help='factor on the speed of the replay (default: %(default)s)',
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
        'begins anew (default: stamp the images with the time of now, as a camera does)',
    )


def repeated(times: int) -> Iterable[int]:
    """Return numbers for so many rounds."""
    return itertools.count() if times == FOREVER else range(times)
