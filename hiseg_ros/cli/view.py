# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg view`: show a recording with its results in Rerun."""

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
"""Exit code where the recording is damaged and everything readable was shown."""

LEAST_ROOM = 100_000_000
"""Free bytes that are kept on the disk: once it is full, Rerun's writer may wait forever."""


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
        help='start S seconds after the first message (default: %(default)s)',
    )
    parser.add_argument(
        '--seconds', type=positive, metavar='S', help='show S seconds (default: to the end)'
    )
    parser.add_argument(
        '--every',
        type=positive_integer,
        default=1,
        metavar='N',
        help='show every Nth frame: the viewer keeps what it shows in memory',
    )
    parser.add_argument(
        '--level',
        type=positive_integer,
        action='append',
        metavar='N',
        help='level of the tree whose probabilities are shown, may be repeated (default: all)',
    )


def run(options: argparse.Namespace) -> int:
    """Open the viewer or write a file; return 0, or 3 where the recording is damaged."""
    if importlib.util.find_spec('rerun') is None:
        raise ConfigError(
            "Python has no module rerun; expected the package rerun-sdk: `pip install '.[view]'` "
            'in the checkout, or `pip install rerun-sdk`.'
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
        print(f'written: {options.save}; open it with `rerun {options.save}`')
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
    """Stream all messages with a progress bar.

    Raises:
        RuntimeError: Rerun's connection or file failed.
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
    """Check that the file can be written.

    Raises:
        ConfigError: It cannot, or its suffix is not .rrd.
    """
    if path.suffix != '.rrd':
        raise ConfigError(f'--save is {path}; expected a name that ends in .rrd.')
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
    """Check that there is free space on the disk.

    Raises:
        ConfigError: There is less than LEAST_ROOM.
    """
    free = shutil.disk_usage(path.parent)[2]
    if free < LEAST_ROOM:
        raise ConfigError(
            f'The disk of {path} has {free // 10**6} MB of free space; expected at least '
            f'{LEAST_ROOM // 10**6} MB: choose another with --save, or show less with --every, '
            '--seconds or --level.'
        )
