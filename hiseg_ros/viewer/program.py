# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Starting the Rerun viewer as a process that is reachable from this machine only.

rerun.spawn has no option to listen on this machine only, and does not wait for the viewer.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass

from hiseg_ros.errors import ConfigError

START_S = 60.0
"""Time limit of a start; the first one on a busy machine compiles shaders."""

COMMAND = (sys.executable, '-m', 'rerun')


@dataclass(frozen=True)
class Viewer:
    """A running viewer."""

    address: str
    process: subprocess.Popen[bytes]

    @property
    def is_open(self) -> bool:
        """Whether its process is still running."""
        return self.process.poll() is None


def open_viewer(command: Sequence[str] = COMMAND) -> Viewer:
    """Start the viewer; it keeps running when this process ends.

    Raises:
        ConfigError: There is no display, or the viewer did not start.
    """
    if sys.platform == 'linux' and not {'DISPLAY', 'WAYLAND_DISPLAY'} & set(os.environ):
        raise ConfigError(
            'There is no display here; expected one for the viewer: write a file with --save '
            'FILE.rrd and open it where there is one, with `rerun FILE.rrd`, or in a browser '
            'with `rerun --web-viewer FILE.rrd`.'
        )
    port = _free_port()
    # By default Rerun listens on all interfaces.
    arguments = ['--bind', '127.0.0.1', '--port', str(port), '--expect-data-soon']
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True,
        )  # fmt: skip
        deadline = time.monotonic() + START_S
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                _kill(process)
                said.seek(0)
                lines = said.read().decode(errors='replace').strip().splitlines() or ['nothing']
                raise ConfigError(
                    f"Rerun's viewer did not start; expected a window, it said: {lines[-1]} "
                    'Write a file with --save FILE.rrd instead.'
                )
            time.sleep(0.1)
    return Viewer(f'rerun+http://127.0.0.1:{port}/proxy', process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(
            process.pid, signal.SIGKILL
        )  # Rerun's Python script and the program that it started
    except ProcessLookupError:
        pass  # it has ended already
    process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(('127.0.0.1', port)) == 0
