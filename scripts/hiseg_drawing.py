# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The drawing of the demo's drive, by a process beside the other steps of `make demo`.

Standard library only; runs on Python 3.8 or later.
"""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

PACKAGES = (
    'apsw', 'backports-zstd', 'lz4', 'numpy', 'opencv-python-headless', 'pillow', 'pyyaml',
    'rosbags', 'ruamel-yaml', 'tqdm', 'typing-extensions',
)  # fmt: skip
"""Packages of requirements/runtime.txt that the drawing of a drive imports."""

DRAW = 'from hiseg_ros.cli.shared.drawn_drive import drawn_drive; drawn_drive()'
PATIENCE_S = 20.0
"""How long a drawing that is to end may clean up."""


class Drawing:
    """A process that draws the drive of the demo beside the other steps, with lower priority.

    Should it fail, nothing is lost: `hiseg demo` draws what is not there, and says what is wrong.
    """

    def __init__(self, python: Path, root: Path, is_wanted: bool = True) -> None:
        """Start nothing yet.

        Args:
            python: The interpreter that draws.
            root: The checkout.
            is_wanted: Whether there is anything to draw; else nothing is ever started.
        """
        self.is_wanted = is_wanted
        self._python = python
        self._root = root
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start once; the packages of `PACKAGES` are to be installed."""
        if self.is_wanted and self._process is None:
            # A session of its own, since Ctrl-C is passed on by `stop`.
            self._process = subprocess.Popen(
                ['nice', '-n', '10', str(self._python), '-c', DRAW],
                env={**os.environ, 'PYTHONPATH': str(self._root)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Wait until the drive is there, if it was started."""
        if self._process is not None and self._process.poll() is None:
            print('== the drive of the demo, drawn meanwhile, is being finished', flush=True)
            self._process.wait()

    def stop(self) -> None:
        """End it, as Ctrl-C does, so that no half bag is left."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGINT)
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def pinned_lines(root: Path) -> list[str]:
    """Return the lines of requirements/runtime.txt that pin the packages of `PACKAGES`."""
    lines = (root / 'requirements' / 'runtime.txt').read_text().splitlines()
    return [line for line in lines if line.partition('==')[0] in PACKAGES]
