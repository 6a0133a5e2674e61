# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Pytest plugin: how the workers of a test run take turns.

`@pytest.mark.alone` is for tests that measure time or look at the whole machine: no other worker
tests meanwhile. Every test holds a lock: most of them share it, one that is alone has it to
itself.

Files with slow tests come first, so that the workers end at about the same time.

With one process nothing is locked, and the order is the usual one.
"""

from __future__ import annotations

import fcntl
import os
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class Turns:
    """Lets tests of several processes run side by side, or one of them alone."""

    def __init__(self, folder: Path) -> None:
        """Open the locks.

        Args:
            folder: The same for all processes of a run; exists.
        """
        self._queue = os.open(folder / 'turns_queue.lock', os.O_RDWR | os.O_CREAT)
        self._room = os.open(folder / 'turns_room.lock', os.O_RDWR | os.O_CREAT)

    @contextmanager
    def turn(self, alone: bool) -> Iterator[None]:
        """Wait for a turn and hold it.

        Args:
            alone: Whether nobody else may have one at the same time.
        """
        # Who waits for the room keeps the queue, so that those who come later do not overtake.
        fcntl.flock(self._queue, fcntl.LOCK_EX)
        fcntl.flock(self._room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(self._queue, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(self._room, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the locks."""
        os.close(self._queue)
        os.close(self._room)


class TurnsPlugin:
    """Gives every test of a worker its turn."""

    def __init__(self, turns: Turns) -> None:
        """Use these turns."""
        self._turns = turns

    # Outermost, so that waiting does not count for the timeout of the test.
    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Run the test in its turn."""
        with self._turns.turn(item.get_closest_marker('alone') is not None):
            return (yield)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Put files with many slow tests first; the order within a file stays."""
        slow = Counter(item.path for item in items if item.get_closest_marker('slow'))
        items.sort(key=lambda item: -slow[item.path])


def pytest_configure(config: pytest.Config) -> None:
    """Give the tests of a worker their turns."""
    if hasattr(config, 'workerinput'):
        # Beside the workers' own folders.
        folder = Path(config.getoption('basetemp')).parent
        folder.mkdir(parents=True, exist_ok=True)
        config.pluginmanager.register(TurnsPlugin(Turns(folder)), 'hiseg_turns')
