# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg view`: a recording with its results in Rerun."""

from __future__ import annotations

import argparse
import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiseg_ros.cli.shared.numbers import non_negative, positive, positive_integer
from hiseg_ros.errors import ConfigError, HisegError

if TYPE_CHECKING:
    from hiseg_ros.viewer.show import Show

DAMAGED = 3
"""Exit code where all was shown up to a damage in the recording, as of `hiseg replay`."""

LEAST_ROOM = 100_000_000
"""Bytes on the disk. Once it is full Rerun's writer may wait for ever."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        'recording',
        type=Path,
        metavar='BAG_OR_REPLAY',
        help='output folder of `hiseg replay` or `hiseg demo`, or a rosbag2 with the topics of '
        'the node',
    )
    parser.add_argument(
        '--save', type=Path, metavar='FILE.rrd', help='write a file instead of opening the viewer'
    )
    parser.add_argument(
        '--start',
        type=non_negative,
        default=0.0,
        metavar='S',
        help='begin so many seconds after the first message (default: %(default)s)',
    )
    parser.add_argument('--seconds', type=positive, metavar='S', help='show so much of it')
    parser.add_argument(
        '--every',
        type=positive_integer,
        default=1,
        metavar='N',
        help='show one frame of N: the viewer keeps what it shows in memory',
    )
    parser.add_argument(
        '--level',
        type=positive_integer,
        action='append',
        metavar='N',
        help='show the probabilities of this level of the tree, may be repeated (default: all)',
    )


def run(options: argparse.Namespace) -> int:
    """Show or write; return 0, or 3 where the recording is damaged."""
    if importlib.util.find_spec('rerun') is None:
        raise ConfigError(
            "Rerun is not here; expected the Python package rerun-sdk: `pip install '.[view]'` in "
            'the checkout, or `pip install rerun-sdk`.'
        )
    from hiseg_ros.viewer.show import Part, Show
    from hiseg_ros.viewer.source import open_source

    part = Part(options.start, options.seconds, options.every, options.level)
    show = Show(open_source(options.recording), part)
    for camera in show.cameras:
        image = 'no images' if camera.image is None else camera.image.name
        print(f'{camera.node}: {image}, probabilities of {len(camera.levels)} levels')
    if options.save is None:
        _open(show)
    else:
        _save(show, options.save)
        print(f'Written: {options.save}; open it with `rerun {options.save}`.')
    for damage in show.damages[:10]:
        print(f'Damage in {damage}')
    return DAMAGED if show.damages else 0


def _open(show: Show) -> None:
    from hiseg_ros.viewer.program import open_viewer

    stream, viewer = show.new_stream(), open_viewer()
    stream.connect_grpc(viewer.address, default_blueprint=show.layout())
    try:
        _run(show, stream, lambda: viewer.is_open)
    except RuntimeError:
        if viewer.is_open:
            raise
    if not viewer.is_open:
        print('The viewer was closed.')


def _save(show: Show, path: Path) -> None:
    _check_place(path)
    stream = show.new_stream()

    def has_room() -> bool:
        _check_room(path)
        return True

    try:
        has_room()
        stream.save(path, default_blueprint=show.layout())
        _run(show, stream, has_room)
    except (HisegError, RuntimeError) as error:
        path.unlink(missing_ok=True)
        if isinstance(error, HisegError):
            raise
        raise ConfigError(
            f'The file {path} could not be written to its end ({error}); expected a place that '
            'can be written to: name another with --save.'
        ) from error


def _run(show: Show, stream: Any, is_wanted: Callable[[], bool]) -> None:
    """Stream all with a progress bar.

    Raises:
        RuntimeError: Rerun could not get rid of it.
    """
    from tqdm import tqdm

    with tqdm(total=show.messages, unit='message', dynamic_ncols=True, mininterval=0.5) as bar:

        def count() -> bool:
            bar.update()
            return is_wanted()

        show.run(stream, count)
    stream.flush()
    stream.disconnect()


def _check_place(path: Path) -> None:
    """Check that a file can be written.

    Raises:
        ConfigError: It cannot.
    """
    if path.suffix != '.rrd':
        raise ConfigError(f'--save names {path}; expected a file that ends in .rrd.')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open('wb'):
            pass
    except OSError as error:
        raise ConfigError(
            f'The file {path} cannot be written ({error}); expected a place that can be written '
            'to: name another with --save.'
        ) from error


def _check_room(path: Path) -> None:
    """Check that a file has room to grow.

    Raises:
        ConfigError: It has little.
    """
    free = shutil.disk_usage(path.parent)[2]
    if free < LEAST_ROOM:
        raise ConfigError(
            f'The place of {path} has {free // 10**6} MB of room; expected at least '
            f'{LEAST_ROOM // 10**6} MB: name another with --save, or show less with --every, '
            '--seconds or --level.'
        )
