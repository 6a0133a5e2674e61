# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""One pass over a recording, without decoding an image: what its tasks need to begin in it.

The pass also does what belongs to the recording as a whole: its damages, and the latency of a node
that was recorded with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.bags.cameras import Camera
from hiseg_ros.bags.message_stream import Damage, MessageStream
from hiseg_ros.bags.raw_message import RawMessage
from hiseg_ros.bags.recording import Recording
from hiseg_ros.fleet.tasks import TASK_FRAMES, Task, task_starts, tasks_of
from hiseg_ros.replay.frame_messages import CAMERA_INFO
from hiseg_ros.replay.recorded_node import LiveRun
from hiseg_ros.replay.replay_folder import PART_FRAMES


@dataclass(frozen=True)
class Entry:
    """Where the reading for a task begins."""

    start_ns: int
    """Recording time before which nothing is read."""
    skipped: int
    """Number of images before it."""
    infos: tuple[tuple[str, int, bytes], ...]
    """(topic, recording time, data) of the newest camera_info of each topic before it."""


@dataclass
class RecordingIndex:
    """What the tasks of one recording need to know of it."""

    cameras: tuple[Camera, ...]
    facts: list[dict[str, Any]]
    """Names, sizes and digests of the files, see `recording_facts`."""
    camera_of: NDArray[np.uint8]
    """(N,) number of the camera of each image."""
    time_ns: NDArray[np.int64]
    """(N,) recording times."""
    message: NDArray[np.int64]
    """(N,) number of its message among those read from its file, from 1."""
    damages: list[dict[str, Any]] = field(default_factory=list)
    live: list[dict[str, Any]] | None = None
    entries: dict[int, Entry] = field(default_factory=dict)
    """Where reading may begin, by the first frame of a task; empty where every task reads from the
    beginning."""
    is_divisible: bool = True
    """Whether tasks can begin anywhere: a video has to be decoded from its beginning."""

    @property
    def frames(self) -> int:
        """Number of images."""
        return len(self.time_ns)

    def tasks(self, task_frames: int = TASK_FRAMES, first_part: int = PART_FRAMES) -> list[Task]:
        """Return the tasks, one where the recording cannot be divided."""
        frames = task_frames if self.is_divisible else max(1, self.frames)
        return tasks_of(self.frames, frames, first_part)

    def received_before(self, frame: int) -> list[int]:
        """Return the number of images of each camera before a frame."""
        counts = np.bincount(self.camera_of[:frame], minlength=len(self.cameras))
        return [int(count) for count in counts]

    def last_before(self, frame: int) -> list[int | None]:
        """Return the number of the last image of each camera before a frame."""
        found: list[int | None] = []
        for number in range(len(self.cameras)):
            places = np.flatnonzero(self.camera_of[:frame] == number)
            found.append(int(places[-1]) if places.size else None)
        return found

    def state(self) -> dict[str, Any]:
        """Return the index as plain values and arrays."""
        return {
            'cameras': [asdict(camera) for camera in self.cameras],
            'facts': self.facts,
            'camera_of': self.camera_of,
            'time_ns': self.time_ns,
            'message': self.message,
            'damages': self.damages,
            'live': self.live,
            'entries': [
                [first, entry.start_ns, entry.skipped, [_packed(one) for one in entry.infos]]
                for first, entry in self.entries.items()
            ],
            'is_divisible': self.is_divisible,
        }

    @staticmethod
    def of(state: dict[str, Any]) -> RecordingIndex:
        """Return the index that gave a state."""
        entries = {
            first: Entry(start_ns, skipped, tuple((n, t, d.tobytes()) for n, t, d in infos))
            for first, start_ns, skipped, infos in state['entries']
        }
        cameras = tuple(Camera(**row) for row in state['cameras'])
        return RecordingIndex(**{**state, 'cameras': cameras, 'entries': entries})


def _packed(info: tuple[str, int, bytes]) -> list[Any]:
    topic, time_ns, data = info
    return [topic, time_ns, np.frombuffer(data, np.uint8)]


def index_recording(
    recording: Recording,
    cameras: Sequence[Camera],
    facts: list[dict[str, Any]],
    task_frames: int = TASK_FRAMES,
    first_part: int = PART_FRAMES,
) -> RecordingIndex:
    """Read a recording once.

    Args:
        recording: The recording.
        cameras: Its cameras that are replayed.
        facts: What `recording_facts` gave for it.
        task_frames: Fewest frames of a task.
        first_part: Frames of the first files of the new bag.
    """
    number_of = {camera.topic: number for number, camera in enumerate(cameras)}
    topics = recording.topics
    infos = {c.info_topic for c in cameras} & {
        topic.name for topic in topics if topic.message_type == CAMERA_INFO
    }
    live = LiveRun(topics, list(number_of))
    stream = MessageStream([recording], {*number_of, *infos, *live.topics})
    camera_of: list[int] = []
    times: list[int] = []
    messages: list[int] = []
    newest: dict[str, RawMessage] = {}
    # What stood before the last image of each camera.
    behind: dict[int, tuple[int, dict[str, RawMessage]]] = {}
    entries: dict[int, tuple[int, dict[str, RawMessage]]] = {}
    starts = task_starts(task_frames, first_part)
    next_start, is_ordered, last_ns = next(starts), True, -(2**63)
    for message in stream:
        raw = message.raw
        is_ordered, last_ns = is_ordered and raw.time_ns >= last_ns, raw.time_ns
        if raw.topic in live.topics:
            live.add(message)
        elif raw.topic not in number_of:
            newest[raw.topic] = raw
        else:
            live.add_image(raw)
            if len(times) == next_start:
                if behind:
                    entries[next_start] = min(behind.values(), key=lambda one: one[0])
                next_start = next(starts)
            behind[number_of[raw.topic]] = (raw.time_ns, dict(newest))
            camera_of.append(number_of[raw.topic])
            times.append(raw.time_ns)
            messages.append(message.number)
    index = RecordingIndex(
        tuple(cameras),
        facts,
        np.array(camera_of, np.uint8),
        np.array(times, np.int64),
        np.array(messages, np.int64),
        [damage.as_json() for damage in stream.damages],
        live.summary(),
        is_divisible=not recording.converted,
    )
    # A damaged file is searched from its beginning.
    if is_ordered and not stream.damages and index.is_divisible:
        index.entries = {
            first: Entry(
                start_ns,
                int(np.searchsorted(index.time_ns, start_ns)),
                tuple((name, one.time_ns, bytes(one.data)) for name, one in before.items()),
            )
            for first, (start_ns, before) in entries.items()
        }
    return index


def damage_at(index: RecordingIndex, frame: int, damage: Damage) -> Damage:
    """Return the damage of an image with its number among all messages of its file."""
    return Damage(
        damage.bag, damage.file, int(index.message[frame]), damage.time_ns, damage.reason
    )
