# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg soak`: soak test of the node with three cameras and a fault every half minute."""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Iterator
from pathlib import Path

from hiseg_ros.cli.shared.numbers import input_height, positive
from hiseg_ros.errors import ConfigError
from hiseg_ros.types import RgbImage

IMAGES = 6
"""Images that are drawn for each camera and sent in turn."""

FRAMES_BETWEEN = 20
"""Frames of the drive from one of them to the next, so that they differ."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        '--minutes',
        type=positive,
        default=30.0,
        metavar='M',
        help='length of the test (default: 30)',
    )
    parser.add_argument(
        '--period', type=positive, default=30.0, metavar='S',
        help='seconds from one fault to the next (default: 30)',
    )  # fmt: skip
    parser.add_argument(
        '--output', type=Path, default=Path('soak'), metavar='DIR',
        help='folder for soak.json, soak.md, soak.png and logs/ (default: soak)',
    )  # fmt: skip
    parser.add_argument(
        '--model', default='', metavar='FILE', help='model file (default: the shipped network)'
    )
    parser.add_argument('--backend', default='auto', help="as the node's parameter")
    parser.add_argument('--device', default='auto', help="as the node's parameter")
    parser.add_argument('--precision', default='auto', help="as the node's parameter")
    parser.add_argument(
        '--input-height',
        type=input_height,
        default='auto',
        metavar='H',
        help="as the node's parameter (default: auto)",
    )


def run(options: argparse.Namespace) -> int:
    """Run the soak test and write its files; return 1 where something did not add up.

    Raises:
        ConfigError: matplotlib or ROS is missing, the node cannot be configured, or the output
            cannot be written.
    """
    if importlib.util.find_spec('matplotlib') is None:  # now, not after half an hour
        raise ConfigError(
            'Python has no module matplotlib, which draws soak.png; expected it in this '
            'environment: pip install matplotlib, or `make setup` in a checkout.'
        )
    try:
        from hiseg_ros.ros.soak.page import write
        from hiseg_ros.ros.soak.plan import SoakPlan
        from hiseg_ros.ros.soak.run import soak
    except ModuleNotFoundError as error:
        raise ConfigError(
            f'Python has no module {error.name}, which belongs to ROS; expected a ROS '
            'environment: run `make soak` in a checkout, or source ROS first.'
        ) from error
    model = options.model and str(Path(options.model).expanduser().resolve())
    plan = SoakPlan(
        seconds=60 * options.minutes, period_s=options.period, model=model,
        backend=options.backend, device=options.device, precision=options.precision,
        input_height=options.input_height,
    )  # fmt: skip
    images = {
        camera.name: list(drawn(seed, camera.size)) for seed, camera in enumerate(plan.cameras)
    }
    try:
        options.output.mkdir(parents=True, exist_ok=True)
        outcome = soak(plan, images, options.output / 'logs', lambda line: print(line, flush=True))
        write(outcome, options.output)
    except OSError as error:
        raise ConfigError(
            f'{options.output} cannot be written ({error}); expected a folder with free space.'
        ) from error
    for problem in outcome.problems[:50]:
        print(f'NOT AS EXPECTED: {problem}')
    print(f'{"Not good" if outcome.problems else "Good"}: see {options.output / "soak.md"}')
    return 1 if outcome.problems else 0


def drawn(seed: int, size: tuple[int, int]) -> Iterator[RgbImage]:
    """Yield images of a drawn drive, (H, W, 3) uint8 each."""
    from hiseg_ros.datasets.scenes import Drive

    drive = Drive(seed, size, 10.0)
    for number in range(IMAGES):
        yield drive.frame(number * FRAMES_BETWEEN).rgb
