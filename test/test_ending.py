# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Programs end within two seconds of SIGINT and SIGTERM, whatever a library does meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hiseg_ros.ending import on_stop

HANGS = {
    'in C with the lock': 'hang(ctypes.PyDLL(None))',
    'in C without the lock': 'hang(ctypes.CDLL(None))',
    'in Python': """
while True:
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        pass""",
    'in another thread': """
threading.Timer(0.1, hang, args=[ctypes.PyDLL(None)]).start()
time.sleep(60)""",
    'with handlers of its own': """
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda *_: None)
hang(ctypes.PyDLL(None))""",
}
PROGRAM = """
import ctypes, signal, sys, threading, time
from hiseg_ros.ending import end_in_time, take_time
end_in_time()

def hang(library):
    mutex = ctypes.create_string_buffer(64)
    for _ in range(2):  # the second time it waits for itself; no signal interrupts that
        library.pthread_mutex_lock(mutex)

print('on', flush=True)
"""


def run(program: str) -> subprocess.Popen[str]:
    environment = {key: value for key, value in os.environ.items() if key != 'HISEG_END_S'}
    process = subprocess.Popen(
        [sys.executable, '-c', PROGRAM + program],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == 'on\n'
    return process


def watchers_of(group: int) -> list[int]:
    """Return the processes that hold the same pipe ends as this test's programs."""
    found = []
    for entry in Path('/proc').iterdir():
        try:
            is_one = entry.name.isdigit() and os.getpgid(int(entry.name)) == group
            text = (entry / 'cmdline').read_bytes() if is_one else b''
        except OSError:
            continue
        if b'end_in_time()' in text:
            found.append(int(entry.name))
    return found


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize('hang', HANGS)
def test_a_program_that_hangs_is_ended(hang: str, number: signal.Signals) -> None:
    with run(HANGS[hang]) as process:
        time.sleep(0.5)
        began = time.monotonic()
        process.send_signal(number)
        process.wait(20)
        assert time.monotonic() - began < 4.0  # 1.9 and what a busy machine takes
        assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_program_may_put_things_in_order(number: signal.Signals) -> None:
    program = """
try:
    time.sleep(60)
except KeyboardInterrupt:
    print('in order', flush=True)
    sys.exit(130)
"""
    with run(program) as process:
        time.sleep(0.2)
        process.send_signal(number)
        assert process.stdout is not None
        assert process.stdout.read() == 'in order\n'
        assert process.wait(20) == 130


def test_a_program_may_take_its_time_where_it_says_so() -> None:
    program = """
try:
    time.sleep(60)
except KeyboardInterrupt:
    take_time()
    time.sleep(2.5)
    print('written', flush=True)
"""
    with run(program) as process:
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        assert process.stdout.read() == 'written\n'
        assert process.wait(20) == 0


def test_the_watching_process_ends_with_the_program_and_is_none_of_its_children() -> None:
    program = """
import os
folder = f'/proc/{os.getpid()}/task/{os.getpid()}/children'
print(len(open(folder).read().split()), flush=True)
sys.stdin.read()
"""
    environment = dict(os.environ)
    process = subprocess.Popen(
        [sys.executable, '-c', PROGRAM + program], env=environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == 'on\n'
    assert process.stdout.readline() == '0\n'
    assert len(watchers_of(process.pid)) == 2  # both have the program's command line
    process.communicate()
    deadline = time.monotonic() + 10
    while watchers_of(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not watchers_of(process.pid)


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize('after_s', [0.0, 0.3])
@pytest.mark.parametrize(
    'module', ['hiseg_ros.cli', pytest.param('node', marks=pytest.mark.needs('ros'))]
)
def test_a_signal_before_start_up_is_through_ends_the_program(
    module: str, after_s: float, number: signal.Signals
) -> None:
    environment = {key: value for key, value in os.environ.items() if key != 'HISEG_END_S'}
    command = [sys.executable, '-m', 'hiseg_ros.cli', 'predict', '/nowhere.png', '--output', '/x']
    if module == 'node':
        start = 'from hiseg_ros.ros.node.segmentation_node import main; raise SystemExit(main())'
        command = [sys.executable, '-c', start]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        time.sleep(after_s)
        process.send_signal(number)
        began = time.monotonic()
        process.wait(20)
        assert time.monotonic() - began < 3.0


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_stop_is_told_within_the_block_only(number: signal.Signals) -> None:
    """What handled the signal before handles it again, also where the block ends by an error."""
    before = signal.signal(number, signal.SIG_IGN)
    told: list[str] = []
    try:
        with pytest.raises(ValueError, match='out'), on_stop(lambda: told.append('stop')):
            signal.raise_signal(number)
            signal.raise_signal(number)
            raise ValueError('out')
        signal.raise_signal(number)
        assert told == ['stop', 'stop']
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)
