# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Offline replay: recordings through the engine, frame by frame, into a new bag and metrics."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hiseg_ros.bags.cameras import Camera
from hiseg_ros.bags.hiseg_types import decode
from hiseg_ros.bags.message_stream import Damage, MessageStream, StreamMessage
from hiseg_ros.bags.recording import Recording
from hiseg_ros.bags.stamps import header_stamp_ns
from hiseg_ros.errors import BagError, ImageError
from hiseg_ros.images.image_message import rgb_of
from hiseg_ros.inference.segmentation_engine import SegmentationEngine
from hiseg_ros.postprocessing.grid import at_grid
from hiseg_ros.regions import MIN_PROBABILITY, subclass_masks
from hiseg_ros.replay.camera_track import CameraTrack
from hiseg_ros.replay.frame_messages import CAMERA_INFO, FrameResult
from hiseg_ros.replay.metrics import MAX_DAMAGES, metrics_of
from hiseg_ros.replay.new_bag import NewBag
from hiseg_ros.replay.recorded_node import LiveRun
from hiseg_ros.replay.replay_folder import PART_FRAMES, ReplayFolder, part_frames
from hiseg_ros.replay.sign_tracks import Moment
from hiseg_ros.replay.stopwatch import Stopwatch
from hiseg_ros.replay.truth import Truth, TruthSource
from hiseg_ros.replay.truth_scores import TruthScores
from hiseg_ros.taxonomy import Mapping as LabelMapping
from hiseg_ros.types import RgbImage, Segmentation


@dataclass(frozen=True)
class ReplayPlan:
    """Inputs and options of a replay."""

    recordings: Sequence[Recording]
    cameras: Sequence[Camera]
    truth: TruthSource | None = None
    """Ground truth of the first camera, None without any."""
    mapping: LabelMapping | None = None
    """Mapping of the ground truth's label ids."""
    omit: frozenset[str] = frozenset()
    """Kinds of messages to leave out, some of `frame_messages.PARTS`."""
    bit_depth: int | None = None
    """Bits of the 16-bit samples of all cameras; None measures those of each."""
    refine: Callable[[RgbImage, Segmentation], Segmentation] | None = None
    """Step after the network, such as a CRF; None for none."""
    part_frames: int = PART_FRAMES
    facts: Mapping[str, Any] = field(default_factory=dict)
    """The inputs as plain values, for metrics.json."""


class Replay:
    """One replay, from the beginning or from where an earlier run ended."""

    def __init__(self, engine: SegmentationEngine, plan: ReplayPlan, folder: ReplayFolder) -> None:
        """Prepare, and load the state of an earlier run.

        Raises:
            ConfigError: Parts of the earlier run are missing or damaged.
        """
        self._engine, self._plan, self._folder = engine, plan, folder
        self._watch = Stopwatch()
        self._tracks = [
            CameraTrack(camera, engine.taxonomy, plan.bit_depth) for camera in plan.cameras
        ]
        self._topics = [topic for one in plan.recordings for topic in one.topics]
        infos = {topic.name for topic in self._topics if topic.message_type == CAMERA_INFO}
        truth = plan.truth
        self._bag = NewBag(
            plan.cameras,
            frozenset(camera.info_topic for camera in plan.cameras) & infos,
            None if truth is None else (truth.topic, truth.message_type),
            engine.taxonomy,
            plan.omit,
            self._watch,
        )
        self._scores = TruthScores(plan.mapping, engine.taxonomy) if plan.mapping else None
        self._damages: list[Damage] = []
        self._unlisted = 0
        self._lines: list[str] = []
        self._parts: list[dict[str, Any]] = []
        self._state = folder.load()
        self.frames = 0
        """Number of images processed so far, unreadable ones included."""
        if self._state is not None:
            self._load(self._state)

    def run(self, on_frame: Callable[[int], object] = lambda frames: None) -> dict[str, Any]:
        """Replay to the end and write the results.

        Args:
            on_frame: Called after each image, in the calling thread, with the number of images so
                far.

        Returns:
            The content of metrics.json.

        Raises:
            BagError: There is no image, or the new bag cannot be written.
            HisegError: The ground truth does not fit the mapping or the images.
        """
        by_topic = {track.camera.topic: track for track in self._tracks}
        live = LiveRun(self._topics, list(by_topic))
        stream = MessageStream(
            self._plan.recordings, {*by_topic, *self._bag.info_topics, *live.topics}
        )
        position, resumed_at = 0, self.frames
        try:
            for message in self._watch.timed(stream, 'read'):
                if message.raw.topic in live.topics:
                    live.add(message)
                    continue
                if message.raw.topic not in by_topic:
                    self._bag.add_info(message.raw)
                    continue
                live.add_image(message.raw)
                position += 1
                if position > resumed_at:
                    self._process(message, by_topic[message.raw.topic])
                else:
                    self._bag.skip_frame()
                    if position == resumed_at and self._state is not None:
                        self._watch.load(
                            self._state['watch']
                        )  # the time for skipping does not count
                on_frame(position)
            if self._lines:
                self._commit()
        finally:
            self._bag.abort()
        return self._finish(stream, live)

    def _process(self, message: StreamMessage, track: CameraTrack) -> None:
        """Segment one image, write its messages and count it."""
        time_ns = message.raw.time_ns
        self._bag.begin(self._folder.work, len(self._parts), time_ns)
        track.received += 1
        record: dict[str, Any] = {
            'frame': self.frames, 'camera': self._tracks.index(track), 'time_ns': time_ns
        }  # fmt: skip
        try:
            with self._watch.stage('decode'):
                image = decode(message.raw, track.camera.message_type)
                rgb = rgb_of(image, track.bit_depth)
            with self._watch.stage('segment'):
                segmentation = published = self._engine.segment(rgb)
                if self._plan.refine is not None:
                    segmentation = self._plan.refine(rgb, segmentation)
                    published = _on_grid_of(published, segmentation)
        except ImageError as error:
            track.unreadable += 1
            self._note(message.damage(str(error)))
            self._bag.skip_frame()
            record |= {'stamp_ns': None, 'error': str(error)}
        else:
            record |= self._count(message, track, image, rgb, segmentation, published)
        self._lines.append(json.dumps(record, separators=(',', ':')) + '\n')
        self.frames += 1
        self._watch.frames += 1
        if len(self._lines) >= part_frames(len(self._parts), self._plan.part_frames):
            self._commit()

    def _count(
        self,
        message: StreamMessage,
        track: CameraTrack,
        image: Any,
        rgb: RgbImage,
        segmentation: Segmentation,
        published: Segmentation,
    ) -> dict[str, Any]:
        """Count and write one whole frame; return the rest of its record.

        Args:
            message: As recorded.
            track: Its camera.
            image: The decoded message.
            rgb: Its image.
            segmentation: What is counted.
            published: What messages are made of: the same, with probabilities on the network's
                grid.
        """
        taxonomy = self._engine.taxonomy
        moment = Moment(self.frames, header_stamp_ns(image))
        track.saw(moment.stamp_ns, (rgb.shape[0], rgb.shape[1]))
        truth, scores = None, None
        with self._watch.stage('truth'):
            if self._scores is not None and track is self._tracks[0]:
                truth = self._truth(moment, message.raw.time_ns)
                scores = self._scores.add(truth, segmentation)
        with self._watch.stage('figures'):
            masks = subclass_masks(segmentation, taxonomy, min_probability=MIN_PROBABILITY)
            metrics = track.metrics.add(moment, rgb, segmentation, masks)
        info = self._bag.info_of(track.camera)
        result = FrameResult(
            image.header,
            rgb,
            published,
            masks,
            track.counters,
            self._engine.device,
            None if info is None else decode(info, CAMERA_INFO),
        )
        self._bag.write(track.camera, message.raw, truth, result)
        return {'stamp_ns': moment.stamp_ns, **metrics, 'scores': scores}

    def _truth(self, moment: Moment, time_ns: int) -> Truth | None:
        if self._plan.truth is None:
            return None
        found = self._plan.truth.at(moment.frame, moment.stamp_ns, time_ns)
        if isinstance(found, Damage):
            self._note(found)
            return None
        return found

    def _note(self, damage: Damage) -> None:
        """Keep a damage, or only count it where the list is full."""
        if len(self._damages) < MAX_DAMAGES:
            self._damages.append(damage)
        else:
            self._unlisted += 1

    def _commit(self) -> None:
        """Close the part, and save it with the state after it."""
        about = self._bag.end(self._folder.bag)
        state = {
            'frames': self.frames,
            'damages': [damage.as_json() for damage in self._damages],
            'unlisted': self._unlisted,
            'tracks': [track.state() for track in self._tracks],
            'scores': self._scores.state() if self._scores else None,
            'watch': self._watch.state(),
        }
        self._folder.commit(self._parts, about, self._lines, state)
        self._lines.clear()

    def _load(self, state: dict[str, Any]) -> None:
        self.frames, self._parts = state['frames'], state['parts']
        self._damages = [Damage(**row) for row in state['damages']]
        self._unlisted = state.get('unlisted', 0)  # earlier versions listed all
        for track, row in zip(self._tracks, state['tracks'], strict=True):
            track.load(row)
        if self._scores is not None:
            self._scores.load(state['scores'])
        self._watch.load(state['watch'])

    def _finish(self, stream: MessageStream, live: LiveRun) -> dict[str, Any]:
        damages = [*stream.damages, *self._damages]
        # A damage that affects images and ground truth alike is listed once.
        known = {(damage.bag, damage.file) for damage in stream.damages}
        for damage in self._plan.truth.damages if self._plan.truth else []:
            if (damage.bag, damage.file) not in known:
                damages.append(damage)
        if not self._parts:
            why = f': {damages[0]}' if damages else ''
            raise BagError(
                f'No image of {", ".join(t.camera.topic for t in self._tracks)} was found{why}; '
                'expected at least one whole message: check the recording.'
            )
        metrics = metrics_of(
            self._plan.facts,
            self._engine.taxonomy,
            self._tracks,
            self._bag.topics,
            self._scores,
            self._plan.truth.topic if self._plan.truth else None,
            damages,
            unlisted=self._unlisted,
            live=live.summary(),
        )
        if self._plan.truth is not None and self._plan.truth.paired_by_time:
            metrics['scores']['paired_by_time'] = self._plan.truth.paired_by_time
        self._folder.finish(self._parts, metrics, self._watch.summary())
        return metrics


def _on_grid_of(network: Segmentation, refined: Segmentation) -> Segmentation:
    """Return refined results whose probabilities are on the network's grid.

    At the image's size the messages of a frame would have hundreds of megabytes.
    """
    height, width = network.probabilities.values.shape[1:]
    return replace(refined, probabilities=at_grid(refined.probabilities, (height, width)))
