# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Child processes: they report by JSON lines, end with their parent, and leave nothing."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hiseg_ros.errors import HisegError

SHARED_MEMORY = Path('/dev/shm')
EXIT_ERROR = 2


def report(event: str, **values: object) -> None:
    """Tell the parent process something, as one JSON line on the standard output."""
    print(json.dumps({'event': event, **values}), flush=True)


def run_child(main: Any) -> None:
    """Run a child's main function; a HisegError becomes the event 'error' and exit code 2."""
    try:
        code = main()
    except HisegError as error:
        report('error', message=str(error))
        code = EXIT_ERROR
    except KeyboardInterrupt:
        code = 0
    sys.exit(code)


def stop_requested() -> threading.Event:
    """Return an event that is set once the parent closes this process's standard input or dies."""
    stop = threading.Event()

    def watch() -> None:
        while sys.stdin.buffer.read(4096):
            pass
        stop.set()

    threading.Thread(target=watch, name='parent_watch', daemon=True).start()
    return stop


def interrupt_with_parent() -> None:
    """Send this process SIGINT once the parent closes its standard input or dies."""
    stop = stop_requested()

    def wait() -> None:
        stop.wait()
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=wait, name='parent_end', daemon=True).start()


class ChildProcess:
    """A child process in a session of its own; its messages go to a log file."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        events: queue.Queue[dict[str, Any]],
    ) -> None:
        """Start the process.

        Args:
            name: What to call it in events and errors.
            command: Program and arguments.
            environment: All its variables.
            log: File that gets what it writes to the standard error.
            events: Gets what it reports, each with its name under 'from', and at its end the
                event 'ended' with 'code'.
        """
        self.name = name
        self.log = log
        self._events = events
        self._shared_memory: set[Path] = set()
        with log.open('wb') as stream:
            self._process = subprocess.Popen(
                list(command),
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stream,
                start_new_session=True,  # Ctrl-C reaches the parent alone, which ends the children
            )
        self._reader = threading.Thread(target=self._read, name=f'{name}_events', daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None  # a pipe, see above
        for line in self._process.stdout:
            try:
                event = json.loads(line)
            except ValueError:
                continue  # not for the parent: a library's print
            if isinstance(event, dict):
                self._events.put({'from': self.name, **event})
        self._events.put({'from': self.name, 'event': 'ended', 'code': self._process.wait()})

    @property
    def process_id(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended yet."""
        return self._process.poll() is None

    def request_stop(self) -> None:
        """Close its standard input, which asks it to finish its work and end."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            try:
                self._process.stdin.close()
            except BrokenPipeError:
                pass  # it has ended already

    def end(self, timeout_s: float = 5.0) -> int:
        """Ask the process to stop, then interrupt it, at last kill it; return its exit code."""
        self.note_shared_memory()
        self.request_stop()
        for request in (None, signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            if request is not None and self.is_running:
                self.note_shared_memory()
                os.killpg(self._process.pid, request)
            try:
                code = self._process.wait(timeout_s)
                break
            except subprocess.TimeoutExpired:
                continue
        else:
            code = self._process.wait()
        self._reader.join(timeout_s)
        return code

    def note_shared_memory(self) -> None:
        """Remember the files of Fast DDS that the process has open now, should it be killed."""
        self._shared_memory |= shared_memory_of(self._process.pid)

    @property
    def shared_memory(self) -> frozenset[Path]:
        """Files of Fast DDS in /dev/shm that the process was seen to have open."""
        return frozenset(self._shared_memory)

    def last_error(self, marker: str = '') -> str:
        """Return the last line of its log that has the marker, from the marker on; '' if none."""
        lines = self.log.read_text(errors='replace').splitlines() if self.log.is_file() else []
        for line in reversed(lines):
            if line.strip() and marker in line:
                return line[line.index(marker) + len(marker) :].strip()
        return ''


def shared_memory_of(process_id: int) -> frozenset[Path]:
    """Return the files of Fast DDS in /dev/shm that a process has open; none once it has ended."""
    folder, names = Path('/proc') / str(process_id), []
    try:
        names += [line.split(maxsplit=5)[-1] for line in (folder / 'maps').open()]
        names += [os.readlink(link) for link in (folder / 'fd').iterdir()]
    except OSError:
        pass  # it has ended, or it belongs to somebody else
    paths = (Path(name.strip()) for name in names if 'fastrtps' in name)
    return frozenset(path for path in paths if path.parent == SHARED_MEMORY)


def end_all(children: Sequence[ChildProcess]) -> None:
    """End all processes of one ROS graph and remove what killed ones left in /dev/shm."""
    for child in children:
        child.note_shared_memory()
    for child in children:
        child.request_stop()
    deadline = time.monotonic() + 5.0
    for child in children:
        child.end(max(1.0, deadline - time.monotonic()))
    left = {path for child in children for path in child.shared_memory if path.exists()}
    if left:
        # Port numbers are given out anew once free: leave what another graph uses by now.
        others = (int(entry.name) for entry in Path('/proc').iterdir() if entry.name.isdigit())
        for path in left.difference(*(shared_memory_of(other) for other in others)):
            path.unlink(missing_ok=True)
