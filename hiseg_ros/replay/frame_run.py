# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Frames of a replay, one by one: segmented, counted, and written into the open file of a bag."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hiseg_ros.bags.cameras import Camera
from hiseg_ros.bags.hiseg_types import decode
from hiseg_ros.bags.message_stream import Damage, StreamMessage
from hiseg_ros.bags.recording import Recording
from hiseg_ros.bags.stamps import header_stamp_ns
from hiseg_ros.errors import ImageError
from hiseg_ros.evaluation.train_ids import TrainIdNotes
from hiseg_ros.images.image_message import rgb_of
from hiseg_ros.inference.segmentation_engine import SegmentationEngine
from hiseg_ros.postprocessing.grid import at_grid
from hiseg_ros.regions import MIN_PROBABILITY, MIN_VOTE, subclass_masks
from hiseg_ros.replay.camera_metrics import SignFollower
from hiseg_ros.replay.camera_track import CameraTrack
from hiseg_ros.replay.frame_messages import CAMERA_INFO, FrameResult
from hiseg_ros.replay.metrics import MAX_DAMAGES
from hiseg_ros.replay.new_bag import NewBag
from hiseg_ros.replay.replay_folder import PART_FRAMES
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


class FrameRun:
    """Counters of a replay or of a part of one, and the file of the new bag that is open."""

    def __init__(
        self,
        engine: SegmentationEngine,
        plan: ReplayPlan,
        followers: Sequence[SignFollower | None] = (),
        train_ids: TrainIdNotes | None = None,
    ) -> None:
        """Start at zero.

        Args:
            engine: The network.
            plan: Inputs and options.
            followers: What takes the signs of each camera in place of tracks; empty for tracks.
            train_ids: In place of the check for trainIds in the ground truth.
        """
        self.engine, self.plan = engine, plan
        self.watch = Stopwatch()
        self.tracks = [
            CameraTrack(camera, engine.taxonomy, plan.bit_depth, follower)
            for camera, follower in zip(
                plan.cameras, followers or [None] * len(plan.cameras), strict=True
            )
        ]
        self.by_topic = {track.camera.topic: track for track in self.tracks}
        self.topics = [topic for one in plan.recordings for topic in one.topics]
        infos = {topic.name for topic in self.topics if topic.message_type == CAMERA_INFO}
        truth = plan.truth
        self.bag = NewBag(
            plan.cameras,
            frozenset(camera.info_topic for camera in plan.cameras) & infos,
            None if truth is None else (truth.topic, truth.message_type),
            engine.taxonomy,
            plan.omit,
            self.watch,
        )
        self.scores = (
            TruthScores(plan.mapping, engine.taxonomy, train_ids) if plan.mapping else None
        )
        self.damages: list[Damage] = []
        self.unlisted = 0
        """Number of damages beyond those that are listed."""
        self.lines: list[str] = []
        """Records of the frames in the open file."""
        self.frames = 0
        """Number of images processed so far, unreadable ones included."""

    def segmented(self, message: StreamMessage, track: CameraTrack) -> SegmentedImage:
        """Decode and segment one image.

        Raises:
            ImageError: It is no image, or one that cannot be segmented.
        """
        with self.watch.stage('decode'):
            image = decode(message.raw, track.camera.message_type)
            rgb = rgb_of(image, track.bit_depth)
        with self.watch.stage('segment'):
            segmentation = published = self.engine.segment(rgb)
            if self.plan.refine is not None:
                segmentation = self.plan.refine(rgb, segmentation)
                published = _on_grid_of(published, segmentation)
        return SegmentedImage(image, rgb, segmentation, published)

    def process(
        self, message: StreamMessage, track: CameraTrack, work: Path, file_number: int
    ) -> bool:
        """Segment one image, write its messages and count it.

        Args:
            message: As recorded.
            track: Its camera.
            work: Folder for the unfinished file.
            file_number: Number of the file of the new bag, from 0.

        Returns:
            Whether it is a readable image.

        Raises:
            BagError: The new bag cannot be written.
            HisegError: The ground truth does not fit the mapping or the images.
        """
        time_ns = message.raw.time_ns
        self.bag.begin(work, file_number, time_ns)
        track.received += 1
        record: dict[str, Any] = {
            'frame': self.frames, 'camera': self.tracks.index(track), 'time_ns': time_ns
        }  # fmt: skip
        error: ImageError | None = None
        try:
            segmented = self.segmented(message, track)
        except ImageError as problem:
            error = problem
            track.unreadable += 1
            self._note(message.damage(str(error)))
            self.bag.skip_frame()
            record |= {'stamp_ns': None, 'error': str(error)}
        else:
            record |= self._count(message, track, segmented)
        self.lines.append(json.dumps(record, separators=(',', ':')) + '\n')
        self.frames += 1
        self.watch.frames += 1
        return error is None

    def _count(
        self, message: StreamMessage, track: CameraTrack, segmented: SegmentedImage
    ) -> dict[str, Any]:
        """Count and write one whole frame; return the rest of its record."""
        taxonomy, rgb = self.engine.taxonomy, segmented.rgb
        moment = Moment(self.frames, header_stamp_ns(segmented.image))
        track.saw(moment.stamp_ns, (rgb.shape[0], rgb.shape[1]))
        truth, scores = None, None
        with self.watch.stage('truth'):
            if self.scores is not None and track is self.tracks[0]:
                truth = self._truth(moment, message.raw.time_ns)
                scores = self.scores.add(truth, segmented.segmentation)
        with self.watch.stage('figures'):
            masks = subclass_masks(
                segmented.segmentation,
                taxonomy,
                min_probability=MIN_PROBABILITY,
                min_vote=MIN_VOTE,
            )
            metrics = track.metrics.add(moment, rgb, segmented.segmentation, masks)
        info = self.bag.info_of(track.camera)
        result = FrameResult(
            segmented.image.header,
            rgb,
            segmented.published,
            masks,
            track.counters,
            self.engine.device,
            None if info is None else decode(info, CAMERA_INFO),
        )
        self.bag.write(track.camera, message.raw, truth, result)
        return {'stamp_ns': moment.stamp_ns, **metrics, 'scores': scores}

    def _truth(self, moment: Moment, time_ns: int) -> Truth | None:
        if self.plan.truth is None:
            return None
        found = self.plan.truth.at(moment.frame, moment.stamp_ns, time_ns)
        if isinstance(found, Damage):
            self._note(found)
            return None
        return found

    def _note(self, damage: Damage) -> None:
        """Keep a damage, or only count it where the list is full."""
        if len(self.damages) < MAX_DAMAGES:
            self.damages.append(damage)
        else:
            self.unlisted += 1


@dataclass(frozen=True)
class SegmentedImage:
    """An image message with its results."""

    image: Any
    """The decoded message."""
    rgb: RgbImage
    segmentation: Segmentation
    """What is counted."""
    published: Segmentation
    """What messages are made of: the same, with probabilities on the network's grid."""


def _on_grid_of(network: Segmentation, refined: Segmentation) -> Segmentation:
    """Return refined results whose probabilities are on the network's grid.

    At the image's size the messages of a frame would have hundreds of megabytes.
    """
    height, width = network.probabilities.values.shape[1:]
    return replace(refined, probabilities=at_grid(refined.probabilities, (height, width)))
