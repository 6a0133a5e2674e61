# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The results of a recording's tasks as those of one replay: the same files, byte for byte."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hiseg_ros.bags.bag_part import OutputTopic
from hiseg_ros.bags.message_stream import Damage
from hiseg_ros.errors import BagError, ConfigError
from hiseg_ros.fleet.part_run import with_signs
from hiseg_ros.fleet.recording_index import RecordingIndex
from hiseg_ros.fleet.sign_notes import UnknownMotionError, join
from hiseg_ros.fleet.tasks import Carry, start_carry
from hiseg_ros.replay.camera_track import CameraTrack
from hiseg_ros.replay.metrics import MAX_DAMAGES, metrics_of
from hiseg_ros.replay.replay_folder import ReplayFolder
from hiseg_ros.replay.state_json import dumps
from hiseg_ros.replay.stopwatch import Stopwatch
from hiseg_ros.replay.truth_scores import TruthScores
from hiseg_ros.taxonomy import Mapping as LabelMapping
from hiseg_ros.taxonomy import Taxonomy


class TracksNeededError(Exception):
    """A task has to be done again with the sign tracks that were there before it."""

    def __init__(self, task: int, signs: str) -> None:
        """Keep the number of the task and the state of the tracks, as `Carry.signs`."""
        super().__init__(task, signs)
        self.task, self.signs = task, signs


@dataclass(frozen=True)
class StoredPart:
    """Results of one task."""

    results: dict[str, Any]
    """What `PartRun.run` returned."""
    folder: Path
    """Folder with its files of the new bag."""


class Merge:
    """Counters of a recording, added up task by task."""

    def __init__(
        self,
        taxonomy: Taxonomy,
        mapping: LabelMapping | None,
        index: RecordingIndex,
        bit_depth: int | None = None,
    ) -> None:
        """Start at zero.

        Args:
            taxonomy: The label tree.
            mapping: Mapping of the ground truth, None without any.
            index: Of the recording.
            bit_depth: Bits of 16-bit samples as given; None for measured ones.
        """
        self._taxonomy, self._index, self._is_measured = taxonomy, index, bit_depth is None
        self._tracks = [CameraTrack(camera, taxonomy, bit_depth) for camera in index.cameras]
        self._scores = TruthScores(mapping, taxonomy) if mapping else None
        self._carry = start_carry(len(index.cameras))
        self._damages: list[Damage] = []
        self._unlisted = 0
        self._watch = Stopwatch()
        self._watch.elapsed_s = 0.0
        self._parts: list[dict[str, Any]] = []
        self._last: dict[str, Any] = {}

    def add(self, part: StoredPart, folder: ReplayFolder) -> None:
        """Add the next task.

        Args:
            part: Its results.
            folder: The folder of the replay, which gets the files.

        Raises:
            TracksNeededError: See there.
            ConfigError: The disk is full.
        """
        results = self._last = part.results
        number = results['task']['number']
        assumed, found = Carry.of(results['assumed']), Carry.of(results['found'])
        if not assumed.fits(self._carry, self._is_measured):
            raise ConfigError(
                f'Part {number + 1} does not follow the one before; expected the parts of one '
                'replay: run the same command again with --restart.'
            )
        before = dumps([track.metrics.signs.state() for track in self._tracks])
        rows_of: dict[int, list[dict[str, Any]]] = {}
        try:
            for track, notes in zip(self._tracks, results['signs'], strict=True):
                rows_of |= join(track.metrics.signs, notes)
        except UnknownMotionError:
            raise TracksNeededError(number, before) from None
        self._carry = self._carry.after(found, assumed, self._is_measured)
        self._add_tracks(results)
        self._add_scores(results)
        room = MAX_DAMAGES - len(self._damages)
        damages = [Damage(**row) for row in results['damages']]
        self._damages += damages[:room]
        self._unlisted += results['unlisted'] + len(damages[room:])
        self._add_time(results['watch'])
        first = results['task']['first']
        for file in results['files']:
            self._place(file, part.folder, folder, first, rows_of)
            first += len(file['lines'])

    def _place(
        self,
        file: dict[str, Any],
        source: Path,
        folder: ReplayFolder,
        first: int,
        rows_of: dict[int, list[dict[str, Any]]],
    ) -> None:
        [name] = file['about']['relative_file_paths']
        try:
            folder.bag.mkdir(exist_ok=True)
            link_or_copy(source / name, folder.bag / name)
        except OSError as error:
            raise ConfigError(
                f'The file {folder.bag / name} cannot be written ({error}); expected room for '
                'the results: make room and run the same command again.'
            ) from error
        lines = [
            with_signs(line, rows_of[frame]) if frame in rows_of else line
            for frame, line in enumerate(file['lines'], start=first)
        ]
        folder.commit(self._parts, file['about'], lines, {})

    def _add_tracks(self, results: dict[str, Any]) -> None:
        for track, row, carry in zip(
            self._tracks, results['tracks'], self._carry.cameras, strict=True
        ):
            figures = row['figures']
            track.metrics.confidence.histogram += figures['confidence']['histogram']
            stability, more = track.metrics.stability, figures['stability']
            stability.pairs += more['pairs']
            stability.steady += more['steady']
            stability.changed += more['changed']
            stability.changed_at_level += more['changed_at_level']
            track.received, track.unreadable = row['received'], row['unreadable']
            if row['image_size'] is not None:
                height, width = row['image_size']
                for stamp_ns in row['stamps_ns']:
                    track.saw(stamp_ns, (height, width))
            track.saw_sample(carry.largest)

    def _add_scores(self, results: dict[str, Any]) -> None:
        if self._scores is None:
            return
        self._scores.add_state(results['scores'], confidence=False)
        for sums in results['confidence']:
            self._scores.add_confidence(sums)
        for is_alike in results['train_ids']:
            self._scores.note_train_ids(is_alike)

    def _add_time(self, state: dict[str, Any]) -> None:
        for stage, seconds in state['seconds'].items():
            self._watch.seconds[stage] += seconds
        self._watch.elapsed_s += state['elapsed_s']
        self._watch.frames += state['frames']

    def finish(
        self,
        folder: ReplayFolder,
        facts: Mapping[str, Any],
        on_end: Callable[[Mapping[str, Any], Mapping[str, Any]], object],
    ) -> dict[str, Any]:
        """Write the results; return the content of metrics.json.

        Args:
            folder: The folder of the replay.
            facts: The inputs of the replay.
            on_end: As of `Replay.run`.

        Raises:
            BagError: There is no image.
            HisegError: The ground truth has trainIds.
        """
        damages = [Damage(**row) for row in self._index.damages]
        known = {(damage.bag, damage.file) for damage in damages}
        damages += self._damages
        if not self._parts:
            topics = ', '.join(camera.topic for camera in self._index.cameras)
            why = f': {damages[0]}' if damages else ''
            raise BagError(
                f'No image of {topics} was found{why}; expected at least one whole message: check '
                'the recording.'
            )
        last = self._last
        for row in last['truth_damages']:
            if (row['bag'], row['file']) not in known:
                damages.append(Damage(**row))
        metrics = metrics_of(
            facts,
            self._taxonomy,
            self._tracks,
            [OutputTopic(name, kind) for name, kind in last['topics']],
            self._scores,
            last['truth_topic'],
            damages,
            unlisted=self._unlisted,
            live=self._index.live,
        )
        if last['paired_by_time']:
            metrics['scores']['paired_by_time'] = last['paired_by_time']
        state = {
            'tracks': [track.state() for track in self._tracks],
            'scores': self._scores.state() if self._scores else None,
        }
        on_end(metrics, state)
        folder.finish(self._parts, metrics, self._watch.summary())
        return metrics


def merge_parts(
    merge: Merge,
    parts: Iterable[StoredPart],
    path: Path,
    facts: Mapping[str, Any],
    on_end: Callable[[Mapping[str, Any], Mapping[str, Any]], object],
) -> dict[str, Any]:
    """Write the results of all tasks of a recording; return the content of metrics.json.

    Args:
        merge: At zero.
        parts: All tasks in their order, read one by one.
        path: Folder of the replay.
        facts: The inputs of the replay.
        on_end: As of `Replay.run`.

    Raises:
        TracksNeededError: See there.
        HisegError: As of `Replay.run`.
    """
    folder = ReplayFolder(path, facts, restart=path.exists())
    done = False
    try:
        for part in parts:
            merge.add(part, folder)
        metrics = merge.finish(folder, facts, on_end)
        done = True
        return metrics
    finally:
        if not done:
            folder.clean()


def link_or_copy(source: Path, target: Path) -> None:
    """Make a file known under a second name, or copy it where the file system has no links."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        scratch = target.with_name(f'.{target.name}.tmp')
        shutil.copyfile(source, scratch)
        scratch.replace(target)
