# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""One task: the frames of some files of a replay's new bag, with the same bytes as in one go."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hiseg_ros.bags.message_stream import MessageStream, StreamMessage
from hiseg_ros.bags.raw_message import RawMessage
from hiseg_ros.bags.stamps import header_stamp_ns
from hiseg_ros.errors import BagError, ImageError
from hiseg_ros.evaluation.train_ids import TrainIdNotes
from hiseg_ros.fleet.recording_index import RecordingIndex, damage_at
from hiseg_ros.fleet.sign_notes import SignNotes
from hiseg_ros.fleet.tasks import CameraCarry, Carry, Task
from hiseg_ros.inference.segmentation_engine import SegmentationEngine
from hiseg_ros.replay.frame_run import FrameRun, ReplayPlan
from hiseg_ros.replay.state_json import loads


class PartRun:
    """A task that is being done."""

    def __init__(
        self,
        engine: SegmentationEngine,
        plan: ReplayPlan,
        index: RecordingIndex,
        task: Task,
        carry: Carry,
    ) -> None:
        """Start from what is assumed of the frames before.

        Args:
            engine: The network.
            plan: Inputs and options of the replay, with one recording.
            index: Of that recording.
            task: The frames to do.
            carry: The assumption.
        """
        self._index, self._task, self._carry = index, task, carry
        taxonomy = engine.taxonomy
        signs = None if carry.signs is None else loads(carry.signs)
        self._notes = [
            SignNotes(taxonomy, None if signs is None else signs[number])
            for number in range(len(plan.cameras))
        ]
        # Only the first frames of a recording are looked at, see `TrainIdWatch`.
        self._train_ids = TrainIdNotes()
        self._run = run = FrameRun(engine, plan, self._notes, self._train_ids)
        run.frames = task.first
        before = index.received_before(task.first)
        for track, received, one in zip(run.tracks, before, carry.cameras, strict=True):
            track.received, track.unreadable = received, one.unreadable
            track.saw_sample(one.largest)
        self._last = [one.last for one in carry.cameras]
        self._confidence: list[Any] = []
        self._files: list[dict[str, Any]] = []

    def run(self, folder: Path) -> dict[str, Any]:
        """Do the task; return its results but for the files of the new bag.

        Args:
            folder: Folder for the files; other files of unfinished tasks in it are removed.

        Raises:
            BagError: The recording has fewer images than before, or the new bag cannot be written.
            HisegError: The ground truth does not fit the mapping or the images.
        """
        run, task = self._run, self._task
        stream, position = self._opened()
        try:
            for message in run.watch.timed(stream, 'read'):
                track = run.by_topic.get(message.raw.topic)
                if track is None:
                    run.bag.add_info(message.raw)
                    continue
                if position < task.first:
                    self._pass_by(message, position)
                elif position < task.stop:
                    self._process(message, position, folder)
                position += 1
                if position >= task.stop:
                    break
        finally:
            run.bag.abort()
        if position < task.stop:
            raise BagError(
                f'The recording has {position} images where {self._index.frames} were found '
                'before; expected that it does not change: run the same command again.'
            )
        return self._results()

    def _opened(self) -> tuple[MessageStream, int]:
        """Return the messages from where the task has to read, and the number of the first image.

        Where an earlier frame than usual is needed, everything is read.
        """
        run, index, first = self._run, self._index, self._task.first
        topics = {*run.by_topic, *run.bag.info_topics}
        entry = index.entries.get(first)
        needed = [one.last for one in self._carry.cameras if one.last is not None]
        if entry is None or min(needed, default=first) < entry.skipped:
            return MessageStream(run.plan.recordings, topics), 0
        for topic, time_ns, data in entry.infos:
            run.bag.add_info(RawMessage(topic, time_ns, data))
        run.bag.skip_frame()
        return MessageStream(run.plan.recordings, topics, entry.start_ns), entry.skipped

    def _pass_by(self, message: StreamMessage, position: int) -> None:
        """Take from a frame before the task what the next one is compared with."""
        run = self._run
        run.bag.skip_frame()
        number = int(self._index.camera_of[position])
        if position != self._carry.cameras[number].last:
            return
        track = run.tracks[number]
        with suppress(ImageError):  # then the assumption was wrong, and the task is done again
            found = run.segmented(message, track)
            stamp_ns = header_stamp_ns(found.image)
            self._notes[number].before = track.metrics.begin_after(
                stamp_ns, found.rgb, found.segmentation.labels
            )

    def _process(self, message: StreamMessage, position: int, folder: Path) -> None:
        run, number = self._run, int(self._index.camera_of[position])
        file_number, count = self._task.files[len(self._files)]
        listed = len(run.damages)
        if run.process(message, run.tracks[number], folder, file_number):
            self._last[number] = position
        else:
            found = run.damages[listed:]
            run.damages[listed:] = [damage_at(self._index, position, one) for one in found]
        if run.scores is not None:
            self._confidence.append(run.scores.take_confidence())
        if len(run.lines) == count:
            about = run.bag.end(folder)
            self._files.append({'about': about, 'lines': run.lines[:]})
            run.lines.clear()

    def _results(self) -> dict[str, Any]:
        run, truth = self._run, self._run.plan.truth
        found = Carry(
            tuple(
                CameraCarry(track.unreadable, track.bit_depth.largest, last)
                for track, last in zip(run.tracks, self._last, strict=True)
            )
        )
        return {
            'task': asdict(self._task),
            'assumed': asdict(self._carry),
            'found': asdict(found),
            'files': self._files,
            'damages': [damage.as_json() for damage in run.damages],
            'unlisted': run.unlisted,
            'topics': [[topic.name, topic.message_type] for topic in run.bag.topics],
            'truth_topic': truth.topic if truth else None,
            'truth_damages': [one.as_json() for one in truth.damages] if truth else [],
            'paired_by_time': truth.paired_by_time if truth else 0,
            'tracks': [track.state() for track in run.tracks],
            'signs': [notes.state() for notes in self._notes],
            'scores': run.scores.state() if run.scores else None,
            'confidence': self._confidence,
            'train_ids': self._train_ids.are_alike,
            'watch': run.watch.state(),
        }


def with_signs(line: str, rows: list[dict[str, Any]]) -> str:
    """Return a line of frames.jsonl with the rows of its signs."""
    record = json.loads(line)
    record['signs'] = rows
    return json.dumps(record, separators=(',', ':')) + '\n'
