# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Drives and images on a local Ray with two workers: a worker and the driver are killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from replay_support import contents, write_drive

from hiseg_ros.cli.__main__ import main

pytestmark = [pytest.mark.needs('fleet'), pytest.mark.slow, pytest.mark.timeout(1500)]

WEIGHTS = Path(__file__).resolve().parents[2] / 'models/street_lite.onnx'
PATIENCE_S = 600.0
DRIVES = 12


@pytest.fixture(scope='module')
def bags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the drives of three robots; the longest has three parts."""
    folder = tmp_path_factory.mktemp('bags')
    for number in range(DRIVES):
        robot = folder / f'robot_{number % 3}'
        robot.mkdir(exist_ok=True)
        count = 55 if number in (1, 7) else 3 + number % 4
        write_drive(robot / f'drive_{number:02d}', count)
    return folder


def command(bags: Path, output: Path, *more: str) -> list[str]:
    """Return the arguments of the verb; the exported network needs no torch."""
    return [
        'replay', str(bags / '*/*'), '--output', str(output), '--model', str(WEIGHTS),
        '--device', 'cpu', '--precision', 'float32', '--omit', 'probabilities', *more,
    ]  # fmt: skip


def processes_below(root: int) -> dict[int, str]:
    """Return the title of every process that a process has started, by id."""
    parents, titles = {}, {}
    for entry in Path('/proc').iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / 'stat').read_text()
            title = (entry / 'cmdline').read_bytes().replace(b'\0', b' ').decode(errors='replace')
        except OSError:
            continue
        number = int(entry.name)
        parents[number], titles[number] = int(stat.rpartition(')')[2].split()[1]), title
    below = {root}
    while more := {pid for pid, parent in parents.items() if parent in below} - below:
        below |= more
    return {pid: titles[pid] for pid in below - {root} if pid in titles}


def listening_at(pids: Iterable[int]) -> list[str]:
    """Return the addresses at which processes wait for connections, as Linux writes them."""
    sockets = set()
    for pid in pids:
        for entry in Path(f'/proc/{pid}/fd').glob('*'):
            with suppress(OSError):
                sockets.add(os.readlink(entry))
    rows = [
        line.split()
        for family in ('tcp', 'tcp6')
        for line in Path(f'/proc/net/{family}').read_text().splitlines()[1:]
    ]
    return [row[1] for row in rows if row[3] == '0A' and f'socket:[{row[9]}]' in sockets]


class Command:
    """`hiseg` in a process of its own."""

    def __init__(self, arguments: list[str], log: Path) -> None:
        self.log = log
        with log.open('w') as file:
            self.process = subprocess.Popen(
                [sys.executable, '-m', 'hiseg_ros.cli', *arguments],
                stdout=file, stderr=subprocess.STDOUT, env={**os.environ, 'OMP_NUM_THREADS': '1'},
            )  # fmt: skip

    def workers(self, kind: str = 'RemoteWorker') -> list[int]:
        below = processes_below(self.process.pid)
        return [pid for pid, title in below.items() if title.startswith(f'ray::{kind}')]

    def wait_until(self, is_so: object) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not is_so():  # type: ignore[operator]
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)


@pytest.fixture
def started() -> Iterator[list[Command]]:
    """Give a list for commands; whatever is left of them ends with the test."""
    commands: list[Command] = []
    yield commands
    for one in commands:
        for pid in (*processes_below(one.process.pid), one.process.pid):
            if one.process.poll() is None:
                os.kill(pid, signal.SIGKILL)


def test_twelve_drives_survive_a_dead_worker_and_a_dead_driver(
    bags: Path, tmp_path: Path, started: list[Command]
) -> None:
    """Bytes and figures are those of one machine that takes one drive after the other."""
    whole, output = tmp_path / 'whole', tmp_path / 'out'
    assert main(command(bags, whole, '--each')) == 0
    expected = contents(whole)
    assert len(list((whole / 'drives').iterdir())) == DRIVES

    def parts() -> int:
        found = list((output / 'unfinished').glob('*/*/summary.json'))
        return len(found) + len(list((output / 'summaries').glob('*.json')))

    arguments = command(bags, output, '--ray', '--workers', '2', '--task-frames', '25')
    first = Command(arguments, tmp_path / 'first.log')
    started.append(first)
    first.wait_until(lambda: parts() >= 1)
    left = processes_below(first.process.pid)
    addresses = listening_at([*left, first.process.pid])
    assert addresses
    assert [one for one in addresses if not one.partition(':')[0].endswith('0100007F')] == []
    os.kill(first.process.pid, signal.SIGKILL)
    first.process.wait()
    assert not (output / 'metrics.json').exists()
    done = {path.name for path in (output / 'summaries').glob('*.json')}
    # Nothing of the killed driver's Ray goes on.
    deadline = time.monotonic() + 120
    while any(_is_alive(pid, title) for pid, title in left.items()):
        assert time.monotonic() < deadline
        time.sleep(0.2)

    second = Command(arguments, tmp_path / 'second.log')
    started.append(second)
    before = parts()
    second.wait_until(lambda: parts() > before and len(second.workers()) == 2)
    # Both, since one of them may still load its network: then nothing of it has to be done again.
    for pid in second.workers():
        os.kill(pid, signal.SIGKILL)
    assert second.process.wait(PATIENCE_S) == 0, second.log.read_text()
    assert 'done again' in second.log.read_text()
    assert done <= {path.name for path in (output / 'summaries').glob('*.json')}
    found = contents(output)
    assert sorted(found) == sorted(expected)
    assert [name for name in expected if found[name] != expected[name]] == []


def _is_alive(pid: int, title: str) -> bool:
    try:
        now = Path(f'/proc/{pid}/cmdline').read_bytes().replace(b'\0', b' ').decode()
    except OSError:
        return False
    return now[:20] == title[:20] != ''


@pytest.fixture(scope='module')
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of images and label images, each another one."""
    folder = tmp_path_factory.mktemp('labelled')
    rng = np.random.default_rng(2)
    for name in ('images', 'labels'):
        (folder / name).mkdir()
    for number in range(24):
        small = rng.integers(0, 256, (6, 8, 3), np.uint8)
        image = cv2.resize(small, (320, 240), interpolation=cv2.INTER_CUBIC)
        ids = cv2.resize(rng.integers(0, 11, (6, 8), np.uint8), (320, 240),
                         interpolation=cv2.INTER_NEAREST)  # fmt: skip
        cv2.imwrite(str(folder / f'images/{number:02d}.jpg'), image)
        cv2.imwrite(str(folder / f'labels/{number:02d}.png'), ids)
    return folder


NETWORK = ['--model', str(WEIGHTS), '--device', 'cpu']


def test_images_are_segmented_though_a_worker_dies(
    labelled: Path, tmp_path: Path, started: list[Command]
) -> None:
    """Each file of `hiseg predict` is that of one machine."""
    whole, output = tmp_path / 'whole', tmp_path / 'out'
    images = [str(path) for path in sorted((labelled / 'images').iterdir())]
    arguments = ['predict', *images, *NETWORK, '--mapping', 'camvid']
    assert main([*arguments, '--output', str(whole)]) == 0
    run = Command(
        [*arguments, '--output', str(output), '--ray', '--workers', '2'], tmp_path / 'log'
    )
    started.append(run)
    run.wait_until(lambda: len(list(output.glob('*_labels.png'))) >= 2)
    os.kill(run.workers('RemoteNetwork')[0], signal.SIGKILL)
    assert run.process.wait(PATIENCE_S) == 0, run.log.read_text()
    found, expected = contents(output), contents(whole)
    assert sorted(found) == sorted(expected)
    assert [name for name in expected if found[name] != expected[name]] == []


def test_scores_are_those_of_one_machine_to_the_last_digit(
    labelled: Path, tmp_path: Path, started: list[Command]
) -> None:
    """With the worst images in the report, which need the names in their order."""
    arguments = ['evaluate', '--dataset', 'folder', '--root', str(labelled), *NETWORK,
                 '--mapping', 'camvid', '--limit', '15', '--boundary']  # fmt: skip
    whole, output = tmp_path / 'whole', tmp_path / 'out'
    files = [['--json', str(one / 's.json'), '--report', str(one)] for one in (whole, output)]
    assert main([*arguments, *files[0]]) == 0
    run = Command([*arguments, *files[1], '--ray', '--workers', '2'], tmp_path / 'log')
    started.append(run)
    assert run.process.wait(PATIENCE_S) == 0, run.log.read_text()
    found, expected = contents(output), contents(whole)
    assert sorted(found) == sorted(expected) != []
    assert [name for name in expected if found[name] != expected[name]] == []


def test_what_cannot_be_loaded_or_shared_ends_in_a_sentence(
    labelled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A network that is missing, more workers than cores, and a recording, which needs none."""
    arguments = ['evaluate', '--dataset', 'folder', '--root', str(labelled), '--mapping', 'camvid']
    lacking = [*arguments, '--model', str(tmp_path / 'none.onnx'), '--ray', '--workers', '1']
    assert main(lacking) == 2
    assert 'none.onnx' in capsys.readouterr().err
    assert main([*arguments, *NETWORK, '--ray', '--workers', '5000']) == 2
    assert '5000 workers need 5000 CPU' in capsys.readouterr().err
    recording = ['evaluate', '--dataset', 'recording', '--root', str(labelled), '--ray']
    assert main(recording) == 2
    assert '--ray is given for a recording' in capsys.readouterr().err


def test_an_address_that_does_not_answer_is_told_at_once(
    bags: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the half minute that Ray itself would try."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    begun = time.monotonic()
    arguments = ['replay', str(bags / '*/*'), '--output', str(tmp_path / 'out')]
    assert main([*arguments, '--ray', f'127.0.0.1:{port}']) == 2
    error = capsys.readouterr().err
    assert f'Ray does not answer at 127.0.0.1:{port}' in error and 'ray start --head' in error
    assert time.monotonic() - begun < 60
