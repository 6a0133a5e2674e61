# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A worker: one network that stays loaded, and the steps of a recording that it does with it.

Every step writes into the output folder, under a name by content and by a rename: a step that is
done twice, by a worker that was thought dead, leaves the same files. Only small values pass
between a worker and the driver.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hiseg_ros.bags.pairing import Pairing
from hiseg_ros.bags.recording import Recording, open_recording
from hiseg_ros.errors import ConfigError, HisegError, reason_of
from hiseg_ros.fleet.drive_summary import SUMMARIES, drive_summary
from hiseg_ros.fleet.merge import Merge, StoredPart, TracksNeededError, merge_parts
from hiseg_ros.fleet.part_run import PartRun
from hiseg_ros.fleet.recording_index import RecordingIndex, index_recording
from hiseg_ros.fleet.sources import Source, drop_copy, local_path, signature
from hiseg_ros.fleet.tasks import Carry, Task, task_key
from hiseg_ros.replay.fingerprint import recording_facts
from hiseg_ros.replay.frame_run import ReplayPlan
from hiseg_ros.replay.order import OpenedOrder, ReplayOrder
from hiseg_ros.replay.replay_folder import METRICS, PART_FRAMES, WORK
from hiseg_ros.replay.state_json import dumps, loads
from hiseg_ros.reports.replay_page import FILE_NAME, write_report

DRIVES, UNFINISHED = 'drives', 'unfinished'
"""Folders in the output folder: the finished replays, and what the others have so far."""


class FleetWorker:
    """One loaded network and the recordings that it has open."""

    def __init__(
        self,
        order: ReplayOrder,
        output: Path,
        task_frames: int,
        *,
        first_part: int = PART_FRAMES,
        engine: Any = None,
    ) -> None:
        """Load the network.

        Args:
            order: What is asked of each replay.
            output: Output folder of the fleet, which all workers see under this path.
            task_frames: Fewest frames of a task.
            first_part: Frames of the first files of a new bag.
            engine: A network that is loaded already.

        Raises:
            HisegError: The network cannot be used.
        """
        self._opened = OpenedOrder(order, order.engine() if engine is None else engine)
        self._output, self._task_frames, self._first_part = output, task_frames, first_part
        self._plan: tuple[str, ReplayPlan, RecordingIndex] | None = None
        self._pairings: dict[str, Pairing | None] = {}

    def about(self) -> dict[str, Any]:
        """Return the facts that all workers must share, and where this one runs."""
        return {
            'facts': self._opened.common_facts(),
            'node': socket.gethostname(),
            'taxonomy': self._opened.engine.taxonomy,
            'mapping': self._opened.mapping,
        }

    def index(self, source: Source, robot: str) -> dict[str, Any]:
        """Read a recording once; return its folder's name, its tasks and what the driver says.

        Args:
            source: The recording.
            robot: Name of its robot.

        Raises:
            HisegError: It is no recording, has no camera, or is not reachable.
        """
        version = signature(source)
        note = self._output / UNFINISHED / 'sources' / f'{version}.json'
        if note.is_file():
            known: dict[str, Any] = json.loads(note.read_text())
            if (
                is_done(self._output, known['replay_folder'])
                or _index_file(self._output, known).is_file()
            ):
                return known
        recording = open_recording(local_path(source, version))
        choice = self._opened.order.choice([recording])
        facts = [recording_facts(recording)]
        folder = drive_folder(folder_name(recording), facts)
        index = index_recording(
            recording, choice.cameras, facts, self._task_frames, self._first_part
        )
        tasks = index.tasks(self._task_frames, self._first_part)
        found = {
            'replay_folder': folder,
            'version': version,
            'robot': robot,
            'frames': index.frames,
            'tasks': [asdict(task) for task in tasks],
            'lasts': [index.last_before(task.first) for task in tasks],
            'cameras': len(choice.cameras),
            'left_out': choice.left_out_text(),
        }
        write_text(_index_file(self._output, found), dumps(index.state()))
        write_text(note, json.dumps(found))
        return found

    def _opened_plan(self, source: Source, drive: Mapping[str, Any]) -> _Opened:
        """Return plan and index of a recording; those of the last one stay open."""
        folder = drive['replay_folder']
        if self._plan is None or self._plan[0] != folder:
            index = RecordingIndex.of(loads(_index_file(self._output, drive).read_text()))
            recording = open_recording(local_path(source, drive['version']))
            facts = self._opened.facts([recording], index.cameras, index.facts)
            plan = ReplayPlan([recording], index.cameras, facts=facts)
            self._plan = (folder, plan, index)
        return self._plan[1], self._plan[2]

    def part(
        self, source: Source, drive: Mapping[str, Any], task: Task, carry: Carry
    ) -> dict[str, Any]:
        """Do a task unless its results are there; return what the driver needs of them.

        Args:
            source: The recording.
            drive: What `index` returned.
            task: The frames.
            carry: What is assumed of the frames before.

        Raises:
            HisegError: See `PartRun.run`.
        """
        plan, index = self._opened_plan(source, drive)
        key = task_key(dict(plan.facts), task, carry)
        place = self._output / UNFINISHED / drive['replay_folder'] / key
        note = place / 'summary.json'
        if not note.is_file():
            pairing = self._pairings.get(drive['replay_folder'])
            whole = self._opened.plan(plan.recordings, plan.cameras, dict(plan.facts), pairing)
            self._pairings = {drive['replay_folder']: getattr(whole.truth, 'pairing', None)}
            scratch = place.with_name(f'{key}.{socket.gethostname()}.{os.getpid()}')
            shutil.rmtree(scratch, ignore_errors=True)
            run = PartRun(self._opened.engine, whole, index, task, carry)
            try:
                scratch.mkdir(parents=True)
                results = run.run(scratch)
                write_text(scratch / 'part.json', dumps(results))
                summary = {'key': key, 'assumed': asdict(carry), 'found': results['found']}
                write_text(scratch / 'summary.json', json.dumps(summary))
                _settle(scratch, place)
            except OSError as error:
                raise ConfigError(
                    f'The folder {place} cannot be written ({error}); expected room for the '
                    'results: make room and run the same command again.'
                ) from error
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
        found: dict[str, Any] = json.loads(note.read_text())
        return found

    def merge(self, source: Source, drive: Mapping[str, Any], keys: list[str]) -> dict[str, Any]:
        """Write the replay of a recording from its tasks, with its report and its summary.

        Args:
            source: The recording.
            drive: What `index` returned.
            keys: Names of the tasks' results, in their order.

        Returns:
            Nothing, or under 'again' the number of a task that is to be done with the sign tracks
            under 'signs'.

        Raises:
            HisegError: The disk is full, or the ground truth has trainIds.
        """
        folder = drive['replay_folder']
        path = self._output / DRIVES / folder
        summary = self._output / SUMMARIES / f'{folder}.json'
        if not ((path / METRICS).is_file() and summary.is_file()):
            plan, index = self._opened_plan(source, drive)
            work = self._output / UNFINISHED / folder
            parts = (
                StoredPart(loads((work / key / 'part.json').read_text()), work / key)
                for key in keys
            )
            merge = Merge(
                self._opened.engine.taxonomy, self._opened.mapping, index,
                self._opened.order.bit_depth,
            )  # fmt: skip

            def on_end(metrics: Mapping[str, Any], state: Mapping[str, Any]) -> None:
                kept = drive_summary(folder, drive['robot'], metrics, state, path)
                write_text(summary, dumps(kept), self._output / UNFINISHED)

            try:
                merge_parts(merge, parts, path, plan.facts, on_end)
            except TracksNeededError as found:
                return {'again': found.task, 'signs': found.signs}
        # A worker that died after the last figures has left its working files there.
        shutil.rmtree(path / WORK, ignore_errors=True)
        if not (path / FILE_NAME).is_file():
            write_report(path)
        shutil.rmtree(self._output / UNFINISHED / folder, ignore_errors=True)
        self._plan = None
        drop_copy(source, drive['version'])
        return {}


_Opened = tuple[ReplayPlan, RecordingIndex]


def sentence_of(error: HisegError | OSError) -> str:
    """Return what is told of a recording that an error ends; the others go on."""
    if isinstance(error, HisegError):
        return str(error)
    return f'{error}; expected readable recordings and a writable output folder.'


def folder_name(recording: Recording) -> str:
    """Return a recording's name without suffixes and without characters that shells dislike."""
    stem = recording.path.name
    for suffix in ('.zstd', '.mcap', '.db3', '.bag'):
        stem = stem.removesuffix(suffix)
    return ''.join(c if c.isalnum() or c in '-_.' else '_' for c in stem).lstrip('.') or 'bag'


def is_done(output: Path, folder: str) -> bool:
    """Return whether the replay of a recording is complete, with its report and its summary."""
    names = (METRICS, FILE_NAME)
    summary = output / SUMMARIES / f'{folder}.json'
    return summary.is_file() and all((output / DRIVES / folder / n).is_file() for n in names)


def _index_file(output: Path, drive: Mapping[str, Any]) -> Path:
    return output / UNFINISHED / str(drive['replay_folder']) / 'index.json'


def drive_folder(name: str, files: Sequence[Mapping[str, Any]]) -> str:
    """Return the name of a replay's folder, by the content of its recording.

    Args:
        name: See `folder_name`.
        files: What `recording_facts` returned.
    """
    content = hashlib.sha256(json.dumps(list(files), sort_keys=True).encode()).hexdigest()
    return f'{name}-{content[:8]}'


def write_text(path: Path, text: str, work: Path | None = None) -> None:
    """Write a file by a rename.

    Args:
        path: The file.
        text: Its content.
        work: Folder for the unfinished file, which a killed process leaves there; None for that
            of the file.

    Raises:
        ConfigError: The disk is full.
    """
    scratch = (work or path.parent) / f'.{path.name}.{socket.gethostname()}.{os.getpid()}'
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch.parent.mkdir(parents=True, exist_ok=True)
        with scratch.open('w') as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    except OSError as error:
        scratch.unlink(missing_ok=True)
        raise ConfigError(
            f'The file {path} cannot be written ({reason_of(error)}); expected room for the '
            'results: make room and run the same command again.'
        ) from error


def _settle(scratch: Path, place: Path) -> None:
    """Give finished results their name; those of another worker, which are equal, stay."""
    try:
        scratch.rename(place)
    except OSError:
        if not (place / 'summary.json').is_file():
            raise
