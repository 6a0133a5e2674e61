# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Opening the viewer: a process of its own that gets the data over the loopback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from replay_support import CAMERA
from viewer_support import Saved

from hiseg_ros.bags.raw_message import RawMessage
from hiseg_ros.cli.__main__ import main
from hiseg_ros.errors import ConfigError
from hiseg_ros.viewer import program
from hiseg_ros.viewer.scene import Scene

pytestmark = pytest.mark.needs('torch')


def test_without_a_display_a_file_is_proposed(
    replayed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ('DISPLAY', 'WAYLAND_DISPLAY'):
        monkeypatch.delenv(name, raising=False)
    assert main(['view', str(replayed)]) == 2
    assert '--save FILE.rrd' in capsys.readouterr().err


def test_a_viewer_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('DISPLAY', ':77')
    with pytest.raises(ConfigError, match='no graphics card'):
        program.open_viewer([sys.executable, '-c', 'raise SystemExit("no graphics card")'])


@pytest.fixture
def started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Let Rerun's server without a window stand in; it writes down what the viewer would get."""
    monkeypatch.setenv('DISPLAY', ':77')
    started: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def start(command: list[str], **options: object) -> subprocess.Popen[bytes]:
        assert command[command.index('--bind') + 1] == '127.0.0.1'
        received = ['--save', str(tmp_path / 'received.rrd')]
        started.append(popen([*command, *received], **options))  # type: ignore[call-overload]
        return started[-1]

    monkeypatch.setattr(program.subprocess, 'Popen', start)
    yield started
    for process in started:
        program._kill(process)


@pytest.mark.filterwarnings('ignore:RRD file has no footer')
def test_the_viewer_gets_all_over_the_loopback_and_stays_open(
    replayed: Path, tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    assert main(['view', str(replayed), '--level', '1']) == 0
    time.sleep(1.0)
    assert started[0].poll() is None
    os.killpg(started[0].pid, signal.SIGTERM)
    started[0].wait(30)
    assert len(Saved(tmp_path / 'received.rrd').rows[CAMERA]) == 12


def test_a_viewer_that_is_closed_early_ends_the_reading(
    replayed: Path,
    started: list[subprocess.Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    read: list[RawMessage] = []
    log = Scene.log

    def close(self: Scene, raw: RawMessage) -> None:
        log(self, raw)
        read.append(raw)
        if len(read) == 5:
            program._kill(started[0])

    monkeypatch.setattr(Scene, 'log', close)
    assert main(['view', str(replayed)]) == 0
    assert len(read) == 5
    assert 'The viewer was closed.' in capsys.readouterr().out
