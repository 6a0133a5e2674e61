# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The driver: gives workers the steps of all recordings, and takes a dead worker's step again.

It holds no results. Killed and started again, it finds what the workers have written and goes on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from hiseg_ros.fleet.drive_progress import DriveProgress
from hiseg_ros.fleet.sources import Source
from hiseg_ros.fleet.worker import is_done

MAX_TRIES = 3
"""Times that a step is begun: one that takes its worker down would do so for ever."""


@dataclass(frozen=True)
class Step:
    """Something that a worker does."""

    method: str
    """'index', 'part' or 'merge' of `FleetWorker`."""
    drive: int
    """Number of the recording."""
    arguments: tuple[Any, ...]
    part: int | None = None


@dataclass(frozen=True)
class Ended:
    """How a step ended."""

    step: Step
    value: Any = None
    error: str = ''
    """A sentence, '' where it succeeded."""
    is_lost: bool = False
    """Whether the worker died in it."""


class Pool(Protocol):
    """Workers that do steps at the same time."""

    def has_room(self) -> bool:
        """Return whether a worker can take a step; more would only wait in memory."""

    def submit(self, step: Step) -> None:
        """Begin a step."""

    def wait(self) -> Sequence[Ended]:
        """Wait until at least one step has ended; return those that have."""


@dataclass
class FleetResult:
    """What a run did."""

    folders: dict[str, str] = field(default_factory=dict)
    """Name of the robot by the name of the folder of each finished replay."""
    failed: list[dict[str, str]] = field(default_factory=list)
    """'recording', 'robot' and 'reason' of those without a result."""
    frames: int = 0
    """Number of frames of the tasks of this run."""
    tries: int = 0
    """Number of steps that were begun again after a worker had died."""


class Driver:
    """One run over all recordings."""

    def __init__(
        self,
        sources: Sequence[Source],
        robots: Sequence[str],
        output: Path,
        pool: Pool,
        *,
        is_measured: bool = True,
        tell: Callable[[str], object] = print,
        on_frames: Callable[[int, int], object] = lambda done, total: None,
    ) -> None:
        """Prepare.

        Args:
            sources: The recordings.
            robots: The name of the robot of each.
            output: Output folder of the fleet.
            pool: The workers.
            is_measured: Whether bit depths are measured, not given.
            tell: Called with a line of text.
            on_frames: Called with the numbers of frames that are done, and of all as far as known;
                recordings that were not read yet count as the mean of the others.
        """
        self._sources, self._robots, self._output = sources, robots, output
        self._pool, self._is_measured = pool, is_measured
        self._tell, self._on_frames = tell, on_frames
        self._unread = deque(range(len(sources)))
        self._drives: dict[int, DriveProgress] = {}
        self._finished_frames: dict[int, int] = {}
        self._tries: dict[tuple[str, int, int | None], int] = {}
        self._seen: dict[str, int] = {}
        self._running = 0
        self.result = FleetResult()

    def run(self) -> FleetResult:
        """Do everything that can be done."""
        while True:
            while self._pool.has_room() and (step := self._next_step()) is not None:
                self._pool.submit(step)
                self._running += 1
            if not self._running:
                return self.result
            for ended in self._pool.wait():
                self._running -= 1
                self._take(ended)
                self._show()

    def _next_step(self) -> Step | None:
        """Return the next step: to finish a recording comes before to begin another."""
        for number, drive in self._drives.items():
            if drive.is_ready:
                return Step('merge', number, (self._sources[number], drive.drive, drive.keys()))
        for number, drive in self._drives.items():
            found = drive.next_task()
            if found is not None:
                task, carry = found
                arguments = (self._sources[number], drive.drive, task, carry)
                return Step('part', number, arguments, task.number)
        if self._unread:
            number = self._unread.popleft()
            return Step('index', number, (self._sources[number], self._robots[number]))
        return None

    def _take(self, ended: Ended) -> None:
        step = ended.step
        if ended.is_lost:
            self._lost(step, ended.error)
        elif ended.error:
            self._fail(step, ended.error)
        elif step.method == 'index':
            self._begin(step.drive, ended.value)
        elif (drive := self._drives.get(step.drive)) is None:
            return  # another part of it has failed
        elif step.method == 'part':
            assert step.part is not None
            drive.done(step.part, ended.value)
            self.result.frames += drive.tasks[step.part].frames
        elif 'again' in ended.value:
            drive.needs_tracks(ended.value['again'], ended.value['signs'])
        else:
            self._end(step.drive, drive.drive)

    def _begin(self, number: int, drive: dict[str, Any]) -> None:
        folder, source = drive['replay_folder'], self._sources[number]
        if folder in self._seen:
            first = self._sources[self._seen[folder]].location
            self._tell(f'{source.location} is a copy of {first}: replayed once.')
            # The robot is that of the first copy, whichever a worker has read first.
            self._seen[folder] = min(number, self._seen[folder])
            if folder in self.result.folders:
                self.result.folders[folder] = self._robots[self._seen[folder]]
            return
        self._seen[folder] = number
        if drive['left_out']:
            self._tell(f'{source.name}: {drive["left_out"]}')
        if is_done(self._output, folder):
            self._end(number, drive)
            return
        self._drives[number] = DriveProgress(drive, is_measured=self._is_measured)

    def _end(self, number: int, drive: Mapping[str, Any]) -> None:
        self._drives.pop(number, None)
        self._finished_frames[number] = drive['frames']
        folder = drive['replay_folder']
        self.result.folders[folder] = self._robots[self._seen[folder]]

    def _lost(self, step: Step, why: str) -> None:
        key = (step.method, step.drive, step.part)
        self._tries[key] = self._tries.get(key, 1) + 1
        where = self._where(step)
        if self._tries[key] > MAX_TRIES:
            self._fail(
                step,
                f'the worker died {MAX_TRIES} times ({why}); expected it to live: check the '
                'memory of the machine, or use fewer workers.',
            )
            return
        self.result.tries += 1
        self._tell(f'{where}: the worker died ({why}); it is done again.')
        drive = self._drives.get(step.drive)
        if step.method == 'index':
            self._unread.appendleft(step.drive)
        elif drive is not None and step.part is not None:
            drive.give_back(step.part)
        elif drive is not None:
            drive.merge_again()

    def _fail(self, step: Step, reason: str) -> None:
        """Give a recording up; the others go on."""
        if step.method != 'index' and step.drive not in self._drives:
            return  # it has failed before
        source, text = self._sources[step.drive], f'{self._where(step)}: {reason}'
        self._drives.pop(step.drive, None)
        self._tell(text)
        self.result.failed.append(
            {'recording': source.location, 'robot': self._robots[step.drive], 'reason': text}
        )

    def _where(self, step: Step) -> str:
        name, drive = self._sources[step.drive].name, self._drives.get(step.drive)
        if step.part is None or drive is None:
            return name
        return f'{name}, part {step.part + 1} of {len(drive.tasks)}'

    def _show(self) -> None:
        done = sum(self._finished_frames.values())
        known = done + sum(drive.drive['frames'] for drive in self._drives.values())
        count = len(self._finished_frames) + len(self._drives)
        done += sum(drive.frames_done for drive in self._drives.values())
        total = known + round(len(self._unread) * known / max(1, count))
        self._on_frames(done, total)
