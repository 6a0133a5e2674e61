# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The new bag of a replay: the recorded inputs unchanged, and the node's messages beside them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hiseg_ros.bags.bag_part import BagPart, OutputTopic
from hiseg_ros.bags.builder import messages
from hiseg_ros.bags.cameras import Camera
from hiseg_ros.bags.raw_message import RawMessage
from hiseg_ros.replay.frame_messages import CAMERA_INFO, FrameResult, frame_messages, node_topics
from hiseg_ros.replay.stopwatch import Stopwatch
from hiseg_ros.replay.truth import Truth
from hiseg_ros.taxonomy import Taxonomy

MAX_INFOS = 1000
"""Most camera_info messages that wait for the next image, which may be missing."""


class NewBag:
    """Writes the messages of each frame into the current part of the bag."""

    def __init__(
        self,
        cameras: Sequence[Camera],
        info_topics: frozenset[str],
        truth_topic: tuple[str, str] | None,
        taxonomy: Taxonomy,
        omit: frozenset[str],
        watch: Stopwatch,
    ) -> None:
        """Collect the topics of the bag.

        Args:
            cameras: The cameras that are replayed.
            info_topics: The camera_info topics that the recordings have.
            truth_topic: Name and type of the topic with the ground truth, None without one.
            taxonomy: The label tree.
            omit: Kinds of messages to leave out, some of `frame_messages.PARTS`.
            watch: Stopwatch for the stages messages and write.
        """
        self._cameras, self._taxonomy, self._omit, self._watch = cameras, taxonomy, omit, watch
        self.info_topics = info_topics
        self._truth_topic = truth_topic
        self.topics = self._all_topics()
        self._infos: dict[str, RawMessage] = {}
        self._new_infos: deque[RawMessage] = deque(maxlen=MAX_INFOS)
        self._part: BagPart | None = None

    def _all_topics(self) -> tuple[OutputTopic, ...]:
        inputs: list[tuple[str, str]] = []
        if 'camera' not in self._omit:
            inputs += [(camera.topic, camera.message_type) for camera in self._cameras]
            inputs += [(topic, CAMERA_INFO) for topic in sorted(self.info_topics)]
        if self._truth_topic is not None:
            inputs.append(self._truth_topic)
        topics = [OutputTopic(name, message_type) for name, message_type in inputs]
        for camera in self._cameras:
            has_info = camera.info_topic in self.info_topics
            topics += node_topics(camera.node, self._taxonomy, self._omit, has_info=has_info)
        return tuple(topics)

    def add_info(self, message: RawMessage) -> None:
        """Keep a camera_info; it is written with the next frame."""
        self._infos[message.topic] = message
        self._new_infos.append(message)

    def skip_frame(self) -> None:
        """Skip a frame that is in the bag already, or is unreadable."""
        self._new_infos.clear()

    def begin(self, scratch: Path, number: int, time_ns: int) -> None:
        """Start a part unless one is open; the first part begins with the label trees.

        Args:
            scratch: Folder for the unfinished file.
            number: Number of the part, from 0.
            time_ns: Recording time of the label trees.

        Raises:
            BagError: The file cannot be written.
        """
        if self._part is not None:
            return
        self._part = BagPart(scratch, f'replay_{number}', self.topics)
        if number == 0:
            for camera in self._cameras:
                tree = messages.taxonomy_message(self._taxonomy)
                self._part.write(f'{camera.node}/taxonomy', time_ns, tree)

    def write(
        self, camera: Camera, raw: RawMessage, truth: Truth | None, result: FrameResult
    ) -> None:
        """Write the messages of a frame into the open part.

        Raises:
            BagError: The disk is full.
        """
        assert self._part is not None  # begun by the caller
        part, watch = self._part, self._watch
        with watch.stage('write'):
            if 'camera' not in self._omit:
                part.write_raw(camera.topic, raw.time_ns, raw.data)
                for info in self._new_infos:
                    part.write_raw(info.topic, info.time_ns, info.data)
            if truth is not None and self._truth_topic is not None:
                self._write_truth(part, raw.time_ns, truth, result.header)
        self._new_infos.clear()
        frame = frame_messages(result, self._taxonomy, self._omit)
        for topic, message in watch.timed(frame, 'messages'):
            with watch.stage('write'):
                part.write(f'{camera.node}/{topic}', raw.time_ns, message)

    def _write_truth(self, part: BagPart, time_ns: int, truth: Truth, header: Any) -> None:
        assert self._truth_topic is not None
        name = self._truth_topic[0]
        if truth.raw is not None:
            part.write_raw(name, truth.raw.time_ns, truth.raw.data)
        else:
            part.write(name, time_ns, messages.compressed_message(header, truth.label_ids))

    def info_of(self, camera: Camera) -> RawMessage | None:
        """Return the newest camera_info of a camera."""
        return self._infos.get(camera.info_topic)

    def end(self, bag: Path) -> dict[str, Any]:
        """Finish the open part; return its metadata.

        Raises:
            BagError: The disk is full.
        """
        assert self._part is not None  # begun with its first frame
        part, self._part = self._part, None
        with self._watch.stage('write'):
            return part.close(bag)

    def abort(self) -> None:
        """Close an unfinished part."""
        if self._part is not None:
            self._part.abort()
            self._part = None
