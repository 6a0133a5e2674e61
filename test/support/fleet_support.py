# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What the tests of fleets share: a replay in parts without Ray, in any order of the parts."""

from __future__ import annotations

import json
import random
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from replay_support import ColourEngine, mapping

from hiseg_ros.bags.cameras import choose_from
from hiseg_ros.bags.recording import open_recording
from hiseg_ros.fleet.drive_progress import DriveProgress
from hiseg_ros.fleet.merge import Merge, StoredPart, TracksNeededError, merge_parts
from hiseg_ros.fleet.part_run import PartRun
from hiseg_ros.fleet.recording_index import RecordingIndex, index_recording
from hiseg_ros.replay.frame_run import ReplayPlan
from hiseg_ros.replay.state_json import dumps, loads
from hiseg_ros.replay.truth import TruthTopic


class PartsReplay:
    """A replay whose parts are done in a random order, each as if on another machine."""

    def __init__(
        self,
        bag: Path,
        work: Path,
        *,
        truth: str | None = None,
        part_frames: int = 5,
        task_frames: int = 5,
        seed: int = 0,
        topics: tuple[str, ...] = (),
    ) -> None:
        """Read the recording once."""
        self.engine, self.work = ColourEngine(), work
        recording = open_recording(bag)
        cameras = choose_from([recording], topics, truth).cameras
        index = index_recording(recording, cameras, [], task_frames, part_frames)
        self.index = RecordingIndex.of(loads(dumps(index.state())))
        self.plan = ReplayPlan(
            [recording], cameras, part_frames=part_frames, facts={'name': 'test'}
        )
        self.truth = truth
        tasks = index.tasks(task_frames, part_frames)
        self.drive = {
            'tasks': json.loads(json.dumps([asdict(task) for task in tasks])),
            'lasts': [index.last_before(task.first) for task in tasks],
            'cameras': len(cameras),
        }
        self.progress = DriveProgress(self.drive)
        self.random = random.Random(seed)
        self.parts: dict[str, StoredPart] = {}
        self.done = 0
        """Number of tasks that were done, those included that were done again."""

    def _with_truth(self) -> ReplayPlan:
        if self.truth is None:
            return self.plan
        source = TruthTopic(self.plan.recordings, self.truth, self.plan.cameras[0].topic)
        return replace(self.plan, truth=source, mapping=mapping(self.engine.taxonomy))

    def do(self) -> None:
        """Do all tasks, several at the same time, and those again that began from an error."""
        while not self.progress.is_ready:
            batch = []
            while (found := self.progress.next_task()) is not None:
                batch.append(found)
            assert batch
            self.random.shuffle(batch)
            for task, carry in batch:
                key = f'{task.number}_{self.done}'
                folder = self.work / key
                folder.mkdir(parents=True)
                run = PartRun(self.engine, self._with_truth(), self.index, task, carry)
                results = loads(dumps(run.run(folder)))
                self.parts[key] = StoredPart(results, folder)
                self.done += 1
                summary = {'key': key, 'assumed': asdict(carry), 'found': results['found']}
                self.progress.done(task.number, json.loads(json.dumps(summary)))

    def merge(self, output: Path) -> dict[str, Any]:
        """Do everything and write the replay; return its metrics."""
        while True:
            self.do()
            labels = mapping(self.engine.taxonomy) if self.truth else None
            merge = Merge(self.engine.taxonomy, labels, self.index)
            parts = [self.parts[key] for key in self.progress.keys()]
            try:
                return merge_parts(merge, parts, output, self.plan.facts, lambda m, s: None)
            except TracksNeededError as found:
                self.progress.needs_tracks(found.task, found.signs)


class NamedEngine(ColourEngine):
    """The quick engine with all that a fleet says of its network."""

    backend, precision, decides_by_file = 'colours', 'float32', False

    def __init__(self, folder: Path) -> None:
        """Write a file in place of weights."""
        super().__init__()
        self.model_path = folder / 'colours.bin'
        self.model_path.write_bytes(b'colours')
        self.info: dict[str, Any] = {'name': 'colours'}
