# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Streaming a recording to Rerun, one message at a time, in constant memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import rerun as rr

from hiseg_ros.bags.message_stream import Damage, MessageStream
from hiseg_ros.bags.raw_message import RawMessage
from hiseg_ros.bags.stamps import read_stamp_ns
from hiseg_ros.errors import BagError, ConfigError, ImageError
from hiseg_ros.viewer.batches import Batches
from hiseg_ros.viewer.cameras import find_cameras
from hiseg_ros.viewer.frame_metrics import log_metrics
from hiseg_ros.viewer.layout import blueprint
from hiseg_ros.viewer.scene import Scene
from hiseg_ros.viewer.source import Source
from hiseg_ros.viewer.truth import find_truth

APPLICATION = 'hiseg_ros'
REMEMBERED = 1000
"""Number of last stamps for which is kept whether their frame is shown."""


@dataclass(frozen=True)
class Part:
    """The part of a recording that is shown."""

    start_s: float = 0.0
    """Start in seconds after the first message."""
    seconds: float | None = None
    """Length in seconds; None up to the end."""
    every: int = 1
    """Every n-th frame is shown."""
    levels: Sequence[int] | None = None
    """Levels of the tree whose probabilities are shown; None for all."""


class Show:
    """Streams one source to Rerun."""

    def __init__(self, source: Source, part: Part) -> None:
        """Find the cameras and the ground truth.

        Raises:
            BagError: The recording has no labels of a node.
            ConfigError: The recording has no probabilities of a wanted level.
        """
        self._source, self._part = source, part
        self.cameras = find_cameras(source.recording)
        self._levels = self._chosen_levels()
        self._camera_of = {
            topic: number
            for number, camera in enumerate(self.cameras)
            for topic in camera.shown(self._levels)
        }
        self._truth = find_truth(source, self.cameras)
        if self._truth is not None:
            nodes = [camera.node for camera in self.cameras]
            self._camera_of[self._truth.topic] = nodes.index(self._truth.node)
        self._is_shown: dict[tuple[int, int], bool] = {}
        self._frames = [0] * len(self.cameras)
        self.damages: list[Damage] = []

    def _chosen_levels(self) -> tuple[int, ...]:
        found = {level for camera in self.cameras for level in camera.levels}
        wanted = found if self._part.levels is None else set(self._part.levels)
        if not wanted <= found:
            raise ConfigError(
                f'The recording {self._source.recording.path} has no probabilities of level '
                f'{min(wanted - found)}; expected one of '
                f'{", ".join(map(str, sorted(found))) or "none"}: choose another.'
            )
        return tuple(sorted(wanted))

    @property
    def messages(self) -> int:
        """Number of messages that the recording announces for the shown topics."""
        topics = self._source.recording.topics
        return sum(topic.count for topic in topics if topic.name in self._camera_of)

    def new_stream(self) -> rr.RecordingStream:
        """Return a stream that is not connected to a viewer or file yet."""
        stream = rr.RecordingStream(APPLICATION)
        stream.set_log_time_enabled(False)
        stream.set_log_tick_enabled(False)
        stream.send_recording_name(self._source.name)
        return stream

    def layout(self) -> rr.blueprint.Blueprint:
        """Return the initial layout of the viewer."""
        has_metrics = self._source.metrics is not None
        return blueprint(self.cameras, self._levels, self._truth, has_metrics=has_metrics)

    def run(self, stream: rr.RecordingStream, on_message: Callable[[], bool]) -> None:
        """Log the part of the recording, message by message.

        Args:
            stream: A stream that is connected to a viewer or a file.
            on_message: Called after each message, shown or not, in the calling thread; returns
                whether to continue.

        Raises:
            BagError: There is no frame in this part of the recording.
        """
        batches = Batches(stream)
        scene = Scene(stream, batches, self.cameras, self._levels, self._truth)
        messages = MessageStream([self._source.recording], self._camera_of)
        begin_ns = end_ns = None
        for message in messages:
            if begin_ns is None or end_ns is None:
                begin_ns, end_ns = self._limits(message.raw.time_ns)
                self._log_metrics(batches, (begin_ns, end_ns))
            if message.raw.time_ns >= end_ns:
                break
            if message.raw.time_ns >= begin_ns and self._is_wanted(message.raw):
                try:
                    scene.log(message)
                except ImageError as error:
                    self.damages.append(message.damage(str(error)))
            if not on_message():
                break
        batches.flush()
        self.damages += messages.damages
        if not any(self._frames):
            raise BagError(
                f'The recording {self._source.recording.path} has no frame in the part that was '
                'asked for; expected some: choose another --start.'
            )

    def _limits(self, first_ns: int) -> tuple[float, float]:
        begin_ns = first_ns + self._part.start_s * 1e9
        seconds = float('inf') if self._part.seconds is None else self._part.seconds
        return begin_ns, begin_ns + seconds * 1e9

    def _log_metrics(self, batches: Batches, limits: tuple[float, float]) -> None:
        metrics, frames = self._source.metrics, self._source.frames
        if metrics is not None and frames is not None:
            nodes = [camera['node'] for camera in metrics['cameras']]
            log_metrics(batches, frames, nodes, limits)

    def _is_wanted(self, raw: RawMessage) -> bool:
        """Return whether a message's frame is shown; all messages of a frame share its stamp."""
        camera, stamp_ns = self._camera_of[raw.topic], read_stamp_ns(raw.data)
        known = self._is_shown.get((camera, stamp_ns))
        if known is not None:
            return known
        is_shown = self._frames[camera] % self._part.every == 0
        self._frames[camera] += 1
        self._is_shown[camera, stamp_ns] = is_shown
        if len(self._is_shown) > REMEMBERED:
            del self._is_shown[next(iter(self._is_shown))]
        return is_shown
