# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Offline replay: recordings through the engine, frame by frame, into a new bag and metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hiseg_ros.bags.message_stream import Damage, MessageStream, StreamMessage
from hiseg_ros.errors import BagError
from hiseg_ros.inference.segmentation_engine import SegmentationEngine
from hiseg_ros.replay.camera_track import CameraTrack
from hiseg_ros.replay.frame_run import FrameRun, ReplayPlan
from hiseg_ros.replay.metrics import metrics_of
from hiseg_ros.replay.recorded_node import LiveRun
from hiseg_ros.replay.replay_folder import ReplayFolder, part_frames

__all__ = ['Replay', 'ReplayPlan']


class Replay:
    """One replay, from the beginning or from where an earlier run ended."""

    def __init__(self, engine: SegmentationEngine, plan: ReplayPlan, folder: ReplayFolder) -> None:
        """Prepare, and load the state of an earlier run.

        Raises:
            ConfigError: Parts of the earlier run are missing or damaged.
        """
        self._run = FrameRun(engine, plan)
        self._plan, self._folder = plan, folder
        self._parts: list[dict[str, Any]] = []
        self._state = folder.load()
        if self._state is not None:
            self._load(self._state)

    @property
    def frames(self) -> int:
        """Number of images processed so far, unreadable ones included."""
        return self._run.frames

    def run(
        self,
        on_frame: Callable[[int], object] = lambda frames: None,
        on_end: Callable[[Mapping[str, Any], Mapping[str, Any]], object] = lambda m, s: None,
    ) -> dict[str, Any]:
        """Replay to the end and write the results.

        Args:
            on_frame: Called after each image, in the calling thread, with the number of images so
                far.
            on_end: Called before the results are marked as complete, in the calling thread, with
                the content of metrics.json and the state of all counters.

        Returns:
            The content of metrics.json.

        Raises:
            BagError: There is no image, or the new bag cannot be written.
            HisegError: The ground truth does not fit the mapping or the images.
        """
        run, by_topic = self._run, self._run.by_topic
        live = LiveRun(run.topics, list(by_topic))
        stream = MessageStream(
            self._plan.recordings, {*by_topic, *run.bag.info_topics, *live.topics}
        )
        position, resumed_at = 0, self.frames
        try:
            for message in run.watch.timed(stream, 'read'):
                if message.raw.topic in live.topics:
                    live.add(message)
                    continue
                if message.raw.topic not in by_topic:
                    run.bag.add_info(message.raw)
                    continue
                live.add_image(message.raw)
                position += 1
                if position > resumed_at:
                    self._process(message, by_topic[message.raw.topic])
                else:
                    run.bag.skip_frame()
                    if position == resumed_at and self._state is not None:
                        run.watch.load(
                            self._state['watch']
                        )  # the time for skipping does not count
                on_frame(position)
            if run.lines:
                self._commit()
        finally:
            run.bag.abort()
        return self._finish(stream, live, on_end)

    def _process(self, message: StreamMessage, track: CameraTrack) -> None:
        number = len(self._parts)
        self._run.process(message, track, self._folder.work, number)
        if len(self._run.lines) >= part_frames(number, self._plan.part_frames):
            self._commit()

    def _commit(self) -> None:
        """Close the part, and save it with the state after it."""
        about = self._run.bag.end(self._folder.bag)
        self._folder.commit(self._parts, about, self._run.lines, self._counters())
        self._run.lines.clear()

    def _counters(self) -> dict[str, Any]:
        run = self._run
        return {
            'frames': run.frames,
            'damages': [damage.as_json() for damage in run.damages],
            'unlisted': run.unlisted,
            'tracks': [track.state() for track in run.tracks],
            'scores': run.scores.state() if run.scores else None,
            'watch': run.watch.state(),
        }

    def _load(self, state: dict[str, Any]) -> None:
        run, self._parts = self._run, state['parts']
        run.frames = state['frames']
        run.damages = [Damage(**row) for row in state['damages']]
        run.unlisted = state.get('unlisted', 0)  # earlier versions listed all
        for track, row in zip(run.tracks, state['tracks'], strict=True):
            track.load(row)
        if run.scores is not None:
            run.scores.load(state['scores'])
        run.watch.load(state['watch'])

    def _finish(
        self,
        stream: MessageStream,
        live: LiveRun,
        on_end: Callable[[Mapping[str, Any], Mapping[str, Any]], object],
    ) -> dict[str, Any]:
        run, truth = self._run, self._plan.truth
        damages = [*stream.damages, *run.damages]
        # A damage that affects images and ground truth alike is listed once.
        known = {(damage.bag, damage.file) for damage in stream.damages}
        for damage in truth.damages if truth else []:
            if (damage.bag, damage.file) not in known:
                damages.append(damage)
        if not self._parts:
            why = f': {damages[0]}' if damages else ''
            raise BagError(
                f'No image of {", ".join(t.camera.topic for t in run.tracks)} was found{why}; '
                'expected at least one whole message: check the recording.'
            )
        metrics = metrics_of(
            self._plan.facts,
            run.engine.taxonomy,
            run.tracks,
            run.bag.topics,
            run.scores,
            truth.topic if truth else None,
            damages,
            unlisted=run.unlisted,
            live=live.summary(),
        )
        if truth is not None and truth.paired_by_time:
            metrics['scores']['paired_by_time'] = truth.paired_by_time
        on_end(metrics, self._counters())
        self._folder.finish(self._parts, metrics, run.watch.summary())
        return metrics
