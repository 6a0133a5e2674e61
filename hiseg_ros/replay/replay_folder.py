# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The output folder of a replay: finished parts, the state to resume from, and the results."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hiseg_ros.bags.bag_part import metadata_text
from hiseg_ros.errors import ConfigError
from hiseg_ros.evaluation.scores_json import as_json
from hiseg_ros.output_files import opened_lock, output_file, output_folder
from hiseg_ros.replay.state_json import dumps, loads

BAG, FRAMES, METRICS, TIMING, RUN, WORK = (
    'replay.mcap', 'frames.jsonl', 'metrics.json', 'timing.json', 'run.json', 'unfinished',
)  # fmt: skip
"""Names in the output folder; the bag and the unfinished work are folders."""

PART_FRAMES = 25
"""Frames in each of the first files of the bag."""
PARTS_OF_A_LENGTH = 20
"""Number of files after which the frames per file double: few files for a long drive, and little
lost when the process is killed."""


def part_frames(number: int, first: int = PART_FRAMES) -> int:
    """Return the number of frames in a file of the bag.

    Args:
        number: Number of the file, from 0.
        first: Frames in the first files.
    """
    return first * 2 ** (number // PARTS_OF_A_LENGTH)


class ReplayFolder:
    """The folder that a replay is written to and resumed from; locked while it is in use."""

    def __init__(self, path: Path, facts: Mapping[str, Any], *, restart: bool = False) -> None:
        """Make the folder, or open that of an earlier replay of the same inputs.

        Args:
            path: The folder.
            facts: The inputs of the replay; those of an earlier one must be equal.
            restart: Whether to remove an earlier replay first.

        Raises:
            ConfigError: It cannot be written, holds foreign files or a replay of other recordings,
                weights or options, or another process is writing it.
        """
        self.path, self.bag, self.work = path, path / BAG, path / WORK
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._check_content(path, restart)
            self.work.mkdir(exist_ok=True)
            self._lock = opened_lock(output_folder(self.work), path)
            if restart:
                self._remove()
            self._check_facts(json.loads(json.dumps(facts)))
        except OSError as error:
            raise ConfigError(
                f'The folder {path} cannot be used ({error}); expected one that can be written: '
                'name another with --output.'
            ) from error

    def _check_content(self, path: Path, restart: bool) -> None:
        ours = {BAG, FRAMES, METRICS, TIMING, RUN, WORK, 'report.html'}
        foreign = sorted({entry.name for entry in path.iterdir()} - ours)
        is_ours = (path / RUN).is_file() or (path / WORK).is_dir()
        if foreign and (restart or not is_ours):
            raise ConfigError(
                f'The folder {path} holds {", ".join(foreign[:5])}; expected a new or empty one, '
                'or that of an earlier replay: name another with --output.'
            )

    def _remove(self) -> None:
        for name in (METRICS, TIMING, FRAMES, RUN, 'report.html'):
            (self.path / name).unlink(missing_ok=True)
        shutil.rmtree(self.bag, ignore_errors=True)
        for entry in self.work.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry.name != 'lock':
                entry.unlink()

    def _check_facts(self, facts: dict[str, Any]) -> None:
        file = self.path / RUN
        is_begun = self.is_complete or (self.work / 'state.json').is_file()
        if not (is_begun and file.is_file()):
            self._write(RUN, json.dumps(facts, indent=2) + '\n')
            return
        try:
            known = json.loads(file.read_text())
        except ValueError as error:
            raise self._unusable(f'{RUN} is damaged') from error
        different = [key for key in {**facts, **known} if facts.get(key) != known.get(key)]
        if different:
            raise self._unusable(f'the replay there has another {" and ".join(different)}')

    def _unusable(self, why: str) -> ConfigError:
        return ConfigError(
            f'The replay in {self.path} cannot be resumed: {why}; expected the same recordings, '
            'weights and options: name another --output, or begin anew with --restart.'
        )

    @property
    def is_complete(self) -> bool:
        """Whether an earlier run has finished this replay."""
        return (self.path / METRICS).is_file()

    def metrics(self) -> dict[str, Any]:
        """Return the results of a finished replay.

        Raises:
            ConfigError: They are damaged.
        """
        try:
            found: dict[str, Any] = json.loads((self.path / METRICS).read_text())
        except ValueError as error:
            raise self._unusable(f'{METRICS} is damaged') from error
        self.clean()
        return found

    def load(self) -> dict[str, Any] | None:
        """Return the state after the last finished part, None before the first.

        Raises:
            ConfigError: A part is missing or damaged.
        """
        file = self.work / 'state.json'
        if not file.is_file():
            return None
        try:
            state: dict[str, Any] = loads(file.read_text())
        except ValueError as error:
            raise self._unusable('its state is damaged') from error
        for number, part in enumerate(state['parts']):
            [name] = part['about']['relative_file_paths']
            for path, size in (
                (self.bag / name, part['bag_bytes']),
                (self._lines(number), part['lines_bytes']),
            ):
                if not path.is_file() or path.stat().st_size != size:
                    raise self._unusable(f'{path.name} is missing or has changed')
        return state

    def commit(
        self,
        parts: list[dict[str, Any]],
        about: dict[str, Any],
        lines: Sequence[str],
        state: Mapping[str, Any],
    ) -> None:
        """Save a part with the state after it; a resumed run continues behind it.

        Args:
            parts: The parts before; the new one is appended.
            about: Metadata of the new part's file, which is already in the bag's folder.
            lines: Records of its frames.
            state: State of all counters after this part.

        Raises:
            ConfigError: The disk is full.
        """
        number = len(parts)
        [name] = about['relative_file_paths']
        self._write(self._lines(number).relative_to(self.path), ''.join(lines))
        parts.append(
            {
                'about': about,
                'bag_bytes': (self.bag / name).stat().st_size,
                'lines_bytes': self._lines(number).stat().st_size,
            }
        )
        self._write(f'{WORK}/state.json', dumps({**state, 'parts': parts}))

    def finish(
        self,
        parts: Sequence[dict[str, Any]],
        metrics: Mapping[str, Any],
        timing: Mapping[str, Any],
    ) -> None:
        """Write the results; metrics.json is written last and marks them complete.

        Raises:
            ConfigError: The disk is full.
        """
        self._write(f'{BAG}/metadata.yaml', metadata_text([part['about'] for part in parts]))
        scratch = self.work / 'all_frames.jsonl'
        try:
            with output_file(scratch).open('wb') as target:
                for number in range(len(parts)):
                    with self._lines(number).open('rb') as source:
                        shutil.copyfileobj(source, target)
            scratch.replace(self.path / FRAMES)
        except OSError as error:
            raise self._full(error) from error
        self._write(TIMING, json.dumps(timing, indent=2) + '\n')
        self._write(METRICS, as_json(metrics) + '\n')
        self.clean()

    def release(self) -> None:
        """Release the lock; what there is so far stays, to be resumed."""
        self._lock.close()

    def clean(self) -> None:
        """Release the lock and remove the files that only an unfinished replay needs."""
        self._lock.close()
        shutil.rmtree(self.work, ignore_errors=True)

    def _lines(self, number: int) -> Path:
        return self.work / f'frames_{number}.jsonl'

    def _write(self, name: str | Path, text: str) -> None:
        """Write a file atomically."""
        path = self.path / name
        scratch = self.work / f'{path.name}.tmp'
        try:
            with output_file(scratch).open('w') as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            scratch.replace(path)
        except OSError as error:
            raise self._full(error) from error

    def _full(self, error: OSError) -> ConfigError:
        return ConfigError(
            f'The folder {self.path} cannot be written ({error}); expected room for the results: '
            'make room and run the same command again.'
        )
