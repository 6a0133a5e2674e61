# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Child processes that report events as JSON lines, end with their parent, and clean up.

Beside what ros2 launch does: a child gets no signal of the terminal, ends when the parent is
killed, and shared memory of killed ones is removed.
"""

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
from hiseg_ros.output_files import output_file

SHARED_MEMORY = Path('/dev/shm')
EXIT_ERROR = 2


def report(event: str, **values: object) -> None:
    """Report an event to the parent process, as one JSON line on standard output."""
    print(json.dumps({'event': event, **values}), flush=True)


def run_child(main: Any) -> None:
    """Run a child's main function and exit; a HisegError is reported and gives exit code 2."""
    try:
        code = main()
    except HisegError as error:
        report('error', message=str(error))
        code = EXIT_ERROR
    except KeyboardInterrupt:
        code = 0
    sys.exit(code)


def stop_requested() -> threading.Event:
    """Return an event that is set when the parent closes this process's standard input or ends."""
    stop = threading.Event()

    def watch() -> None:
        while sys.stdin.buffer.read(4096):
            pass
        stop.set()

    threading.Thread(target=watch, name='parent_watch', daemon=True).start()
    return stop


def interrupt_with_parent() -> None:
    """Send this process SIGINT when the parent closes its standard input or ends."""
    stop = stop_requested()

    def wait() -> None:
        stop.wait()
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=wait, name='parent_end', daemon=True).start()


class ChildProcess:
    """A child process in a session of its own; its standard error goes to a log file."""

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
            name: Name in events and errors.
            command: Program and arguments.
            environment: All environment variables.
            log: File for its standard error.
            events: Queue for its events, each with its name as 'from'; the last one is 'ended'
                with the exit 'code'. Filled in a thread of this object.
        """
        self.name = name
        self.log = log
        self._events = events
        self._shared_memory: set[Path] = set()
        with output_file(log).open('wb') as stream:
            self._process = subprocess.Popen(
                list(command),
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stream,
                start_new_session=True,  # only the parent gets Ctrl-C, and ends the children
            )
        self._reader = threading.Thread(target=self._read, name=f'{name}_events', daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None  # a pipe, see above
        for line in self._process.stdout:
            try:
                event = json.loads(line)
            except ValueError:
                continue  # not an event: printed by a library
            if isinstance(event, dict):
                self._events.put({'from': self.name, **event})
        self._events.put({'from': self.name, 'event': 'ended', 'code': self._process.wait()})

    @property
    def process_id(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended yet."""
        return self._process.poll() is None

    def request_stop(self) -> None:
        """Close its standard input, which asks it to finish and end."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            try:
                self._process.stdin.close()
            except BrokenPipeError:
                pass  # the process has ended

    def end(self, timeout_s: float = 5.0) -> int:
        """End the process; return its exit code.

        Args:
            timeout_s: How long to wait each time: for the request to stop, SIGINT and SIGTERM;
                then the process is killed.
        """
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

    def kill(self) -> None:
        """Kill the process, if it still runs."""
        if self.is_running:
            self.note_shared_memory()
            os.killpg(self._process.pid, signal.SIGKILL)

    def note_shared_memory(self) -> None:
        """Remember the files of Fast DDS that are open now, to remove them if it is killed."""
        self._shared_memory |= shared_memory_of(self._process.pid)

    @property
    def shared_memory(self) -> frozenset[Path]:
        """Files of Fast DDS in /dev/shm that the process had open when they were noted."""
        return frozenset(self._shared_memory)

    def last_error(self, marker: str = '') -> str:
        """Return the text after the marker in the last line of its log with it; '' if none."""
        lines = self.log.read_text(errors='replace').splitlines() if self.log.is_file() else []
        for line in reversed(lines):
            if line.strip() and marker in line:
                return line[line.index(marker) + len(marker) :].strip()
        return ''


def shared_memory_of(process_id: int) -> frozenset[Path]:
    """Return the files of Fast DDS in /dev/shm that a process has open; none if it has ended."""
    folder, names = Path('/proc') / str(process_id), []
    try:
        names += [line.split(maxsplit=5)[-1] for line in (folder / 'maps').open()]
        names += [os.readlink(link) for link in (folder / 'fd').iterdir()]
    except OSError:
        pass  # it has ended, or it belongs to another user
    paths = (Path(name.strip()) for name in names if 'fastrtps' in name)
    return frozenset(path for path in paths if path.parent == SHARED_MEMORY)


def end_all(children: Sequence[ChildProcess], patience_s: float | None = None) -> None:
    """End all processes of a ROS graph, and remove files that killed ones left in /dev/shm.

    Args:
        children: The processes.
        patience_s: How long to wait before all that still run are killed; None asks each of them
            several times, for some seconds.
    """
    for child in children:
        child.note_shared_memory()
    for child in children:
        child.request_stop()
    deadline = time.monotonic() + (5.0 if patience_s is None else patience_s)
    if patience_s is not None:
        while time.monotonic() < deadline and any(child.is_running for child in children):
            time.sleep(0.02)
        for child in children:
            child.kill()
    for child in children:
        child.end(max(1.0, deadline - time.monotonic()))
    left = {path for child in children for path in child.shared_memory if path.exists()}
    if left:
        # Names contain port numbers, which are reused: keep files that another graph has open.
        others = (int(entry.name) for entry in Path('/proc').iterdir() if entry.name.isdigit())
        for path in left.difference(*(shared_memory_of(other) for other in others)):
            path.unlink(missing_ok=True)
