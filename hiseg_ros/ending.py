# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A program ends within two seconds of SIGINT or SIGTERM, even where no line of Python can run.

Python runs signal handlers between two lines of the first thread. A library that hangs there, as
a middleware that waits for its own threads, keeps them from running, and other threads too where
it holds the interpreter's lock. So a small process beside the program hears of each signal from
Python's C code and kills the program if it is still there when the time is over.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

LIMIT_S = 1.9

VARIABLE = 'HISEG_END_S'
"""Environment variable with another limit in seconds."""

_STOP = (signal.SIGINT, signal.SIGTERM)
_TAKE_TIME = 255
"""Written where signals are, and the number of none."""

_told = -1


class Terminated(KeyboardInterrupt):
    """SIGTERM, where it is handled as Ctrl-C is."""


def end_in_time() -> None:
    """Start the process that ends this one; called once, at the start of a program.

    It makes the first two signals raise KeyboardInterrupt, as Ctrl-C does, so that files and
    children are left in order. Handlers may be set to others afterwards.
    """
    global _told
    signal.signal(signal.SIGTERM, _terminate)
    try:
        limit_s = float(os.environ.get(VARIABLE, LIMIT_S))
        heard, _told = os.pipe()
        program = os.pidfd_open(os.getpid())
    except (OSError, ValueError, AttributeError):
        return  # an old kernel, or no files left: the signals alone have to do
    child = os.fork()
    if child == 0:
        # Forked twice: it is no child of the program, which may wait for its children.
        if os.fork() == 0:
            _watch(heard, program, limit_s)
        os._exit(0)
    os.waitpid(child, 0)
    os.close(heard)
    os.close(program)
    os.set_blocking(_told, False)
    signal.set_wakeup_fd(_told, warn_on_full_buffer=False)


@contextmanager
def on_stop(act: Callable[[], object]) -> Iterator[None]:
    """Call something at SIGINT and at SIGTERM instead of raising, until the block is left."""
    before = {number: signal.signal(number, lambda *_: act()) for number in _STOP}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def take_time() -> None:
    """Let the program go on after the last signal, as where it asked for results to be written."""
    if _told >= 0:
        with suppress(OSError):
            os.write(_told, bytes([_TAKE_TIME]))


def _terminate(number: int, frame: object) -> None:
    raise Terminated


def _watch(heard: int, program: int, limit_s: float) -> None:
    """Kill the program where a signal was not followed by its end; never returns."""
    try:
        for number in (*_STOP, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)
        kept = {heard, program}
        for name in os.listdir('/proc/self/fd'):
            if int(name) not in kept:
                with suppress(OSError):
                    os.close(int(name))
        end_s: float | None = None
        while True:
            left = None if end_s is None else max(0.0, end_s - time.monotonic())
            if not select.select([heard], [], [], left)[0]:
                signal.pidfd_send_signal(program, signal.SIGKILL)
                break
            told = os.read(heard, 256)
            if not told:
                break  # the program has ended
            if _TAKE_TIME in told:
                end_s = None
            elif end_s is None and any(number in _STOP for number in told):
                end_s = time.monotonic() + limit_s
    finally:
        os._exit(0)
