# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Child processes report events, end on request, and leave nothing in shared memory."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hiseg_ros.ros.harness.child_process import (
    SHARED_MEMORY,
    ChildProcess,
    end_all,
    shared_memory_of,
)

HEAD = 'import sys, time, mmap\nfrom hiseg_ros.ros.harness.child_process import *\n'
STUBBORN = (
    'import signal\n'
    'for number in (signal.SIGINT, signal.SIGTERM):\n'
    '    signal.signal(number, signal.SIG_IGN)\n'
)
OPEN_SEGMENT = (
    'file = open(sys.argv[1], "w+b")\n'
    'file.truncate(4096)\n'
    'view = mmap.mmap(file.fileno(), 4096)\n'
    'report("ready")\n'
    'time.sleep(60)\n'
)


class Children:
    """Starts children and reads what they report."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.events: queue.Queue[dict[str, Any]] = queue.Queue()
        self.started: list[ChildProcess] = []

    def __call__(self, program: str, *arguments: str) -> ChildProcess:
        name = f'child{len(self.started)}'
        command = [sys.executable, '-c', HEAD + program, *arguments]
        log = self.folder / f'{name}.log'
        child = ChildProcess(name, command, os.environ, log, self.events)
        self.started.append(child)
        return child

    def event(self, kind: str) -> dict[str, Any]:
        while (event := self.events.get(timeout=30))['event'] != kind:
            pass
        return event


@pytest.fixture
def children(tmp_path: Path) -> Iterator[Children]:
    children = Children(tmp_path)
    yield children
    for child in children.started:
        child.end(0.5)


@pytest.fixture
def segment() -> Iterator[Path]:
    """Return the path of a file like those Fast DDS makes."""
    path = SHARED_MEMORY / f'fastrtps_hiseg_test_{uuid.uuid4().hex}'
    yield path
    path.unlink(missing_ok=True)


def test_a_child_reports_by_lines_of_json(children: Children) -> None:
    children('print("a library talks")\nreport("progress", frames=3)\n')
    assert children.event('progress') == {'from': 'child0', 'event': 'progress', 'frames': 3}
    assert children.event('ended')['code'] == 0


def test_an_error_of_ours_is_one_event_and_exit_code_2(children: Children) -> None:
    children(
        'from hiseg_ros.errors import BagError\n'
        'def main(): raise BagError("The bag is empty.")\n'
        'run_child(main)\n'
    )
    assert children.event('error')['message'] == 'The bag is empty.'
    assert children.event('ended')['code'] == 2


def test_the_last_line_of_the_log_is_the_reason(children: Children) -> None:
    child = children('raise RuntimeError("no more disk")\n')
    assert children.event('ended')['code'] == 1
    assert child.last_error() == 'RuntimeError: no more disk'
    assert child.last_error('RuntimeError: ') == 'no more disk'
    assert child.last_error('a marker that is not there') == ''


def test_a_child_that_watches_its_parent_stops_when_asked(children: Children) -> None:
    child = children('stop = stop_requested()\nreport("ready")\nstop.wait(60)\nsys.exit(7)\n')
    children.event('ready')
    assert child.end() == 7


def test_a_child_that_is_interrupted_with_its_parent_ends(children: Children) -> None:
    child = children(
        'interrupt_with_parent()\n'
        'def main():\n'
        '    report("ready")\n'
        '    time.sleep(60)\n'
        'run_child(main)\n'
    )
    children.event('ready')
    assert child.end() == 0


def test_a_stubborn_child_is_killed(children: Children) -> None:
    child = children(STUBBORN + 'report("ready")\ntime.sleep(60)\n')
    children.event('ready')
    assert child.end(0.3) == -signal.SIGKILL


def test_a_child_does_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    parent = (
        'import os, queue, sys\n'
        'from pathlib import Path\n'
        'from hiseg_ros.ros.harness.child_process import ChildProcess\n'
        'program = "from hiseg_ros.ros.harness.child_process import *\\n"\n'
        'program += "interrupt_with_parent(); report(\'ready\', pid=os.getpid())\\n"\n'
        'program += "time.sleep(60)"\n'
        'events = queue.Queue()\n'
        'command = [sys.executable, "-c", program]\n'
        'child = ChildProcess("c", command, os.environ, Path(sys.argv[1]), events)\n'
        'print(events.get()["pid"], flush=True)\n'
        'events.get()\n'
    )
    process = subprocess.Popen(
        [sys.executable, '-c', parent, str(tmp_path / 'log')], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    child = Path('/proc') / process.stdout.readline().strip()
    assert child.is_dir()
    process.kill()
    process.wait()
    process.stdout.close()
    until(lambda: not child.is_dir(), 'the child has ended')


def test_what_a_killed_child_had_in_shared_memory_is_removed(
    children: Children, segment: Path
) -> None:
    child = children(OPEN_SEGMENT, str(segment))
    children.event('ready')
    child.note_shared_memory()
    assert child.shared_memory == {segment}
    os.kill(child_id(child), signal.SIGKILL)
    children.event('ended')
    assert segment.exists()
    end_all([child])
    assert not segment.exists()


def test_what_another_process_still_uses_stays(children: Children, segment: Path) -> None:
    mine = children(STUBBORN + OPEN_SEGMENT, str(segment))
    other = children(OPEN_SEGMENT, str(segment))
    children.event('ready')
    children.event('ready')
    mine.note_shared_memory()
    os.kill(child_id(mine), signal.SIGKILL)
    end_all([mine])
    assert segment.exists()
    assert shared_memory_of(child_id(other)) == {segment}


def child_id(child: ChildProcess) -> int:
    return child._process.pid


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f'not within 30 s: {what}'
        time.sleep(0.05)
