# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Replays recorded messages as a live camera: at their own pace, stamped with the time of now."""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import rclpy
from rclpy.context import Context
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.utilities import try_shutdown

from hiseg_ros.errors import BagError, ConfigError
from hiseg_ros.ros.child_process import report
from hiseg_ros.ros.message_definitions import message_class

NODE_NAME = 'hiseg_player'
CAMERA_QOS = QoSProfile(
    reliability=ReliabilityPolicy.RELIABLE, history=HistoryPolicy.KEEP_LAST, depth=30
)
"""Deep enough that a reader who counts every image, such as a recorder, may pause for a second."""

MAX_WAITING = 100
"""Companion messages kept until the image with their stamp comes."""

REPORT_PERIOD_S = 0.2


class TimedMessage(Protocol):
    """A serialised message of a recording."""

    @property
    def topic(self) -> str:
        """Where it was recorded."""

    @property
    def time_ns(self) -> int:
        """When it was recorded."""

    @property
    def data(self) -> bytes:
        """CDR with its four bytes of encapsulation; the first field is the header."""


@dataclass(frozen=True)
class Track:
    """Under which name and type a recorded topic is published."""

    topic: str
    message_type: str


@dataclass(frozen=True)
class Readers:
    """Names of the nodes that are to read before the replay starts."""

    of_camera: Collection[str] = ()
    of_all: Collection[str] = ()
    """Read the camera and every companion."""


@dataclass(frozen=True)
class Played:
    """What was published."""

    frames: int
    last_stamp_ns: int


def read_stamp_ns(data: bytes) -> int:
    """Return the header stamp in ns of a serialised message that starts with its header.

    Raises:
        BagError: The message is too short, or not plain CDR.
    """
    seconds, nanoseconds = struct.unpack_from(_stamp_format(data), data, 4)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)


def with_stamp(data: bytes, stamp_ns: int) -> bytes:
    """Return a serialised message that starts with its header, with another stamp.

    Raises:
        BagError: The message is too short, or not plain CDR.
    """
    changed = bytearray(data)
    struct.pack_into(_stamp_format(data), changed, 4, *divmod(stamp_ns, 1_000_000_000))
    return bytes(changed)


def _stamp_format(data: bytes) -> str:
    # Encapsulation 0x0000 is big, 0x0001 little endian; the stamp follows at once.
    if len(data) < 12 or data[0] != 0 or data[1] not in (0, 1):
        raise BagError(
            f'A recorded message starts with {data[:4].hex() or "nothing"} and has {len(data)} '
            'bytes; expected plain CDR (0000 or 0001) with a header: the bag is damaged.'
        )
    return '<iI' if data[1] else '>iI'


class BagPlayer(Node):
    """Publishes a camera's recorded messages and those that go with them.

    The camera's image gets the time of now as its stamp, as a camera driver does, so that latency
    counts from publishing. Companions (camera_info, ground truth) get the new stamp of the image
    whose old stamp they share, and are published right after it.
    """

    def __init__(
        self, camera: str, tracks: Mapping[str, Track], *, context: Context | None = None
    ) -> None:
        """Create the publishers.

        Args:
            camera: The recorded topic of the images.
            tracks: By recorded topic, the camera's included.
            context: The ROS context; the process's own by default.

        Raises:
            ConfigError: A message type is not installed.
        """
        super().__init__(NODE_NAME, enable_rosout=False, context=context)
        self._camera = camera
        self._publishers_of: dict[str, Publisher] = {
            recorded: self.create_publisher(
                message_class(track.message_type), track.topic, CAMERA_QOS
            )
            for recorded, track in tracks.items()
        }
        self._new_stamp_of: dict[int, int] = {}
        self._waiting: list[tuple[int, TimedMessage]] = []

    def close(self) -> None:
        """Leave the graph."""
        super().destroy_node()

    def wait_for_readers(
        self, readers: Readers, stop: threading.Event, timeout_s: float
    ) -> bool:
        """Wait until those who are to read the topics do; return False when asked to stop.

        Raises:
            ConfigError: They did not come in time.
        """
        deadline = time.monotonic() + timeout_s
        waiting = list(self._publishers_of)
        while waiting and not stop.is_set():
            publisher = self._publishers_of[waiting[0]]
            names = set(readers.of_all)
            if waiting[0] == self._camera:
                names |= set(readers.of_camera)
            topic = publisher.topic_name
            found = {info.node_name for info in self.get_subscriptions_info_by_topic(topic)}
            # The graph knows of readers a moment before this publisher is matched with them.
            if found >= names and publisher.get_subscription_count() >= len(names):
                waiting.pop(0)
            elif time.monotonic() > deadline:
                raise ConfigError(
                    f'{topic} is read by {", ".join(sorted(found)) or "nobody"} after '
                    f'{timeout_s:.0f} s; expected {", ".join(sorted(names))}: see their logs.'
                )
            else:
                stop.wait(0.05)
        return not waiting

    def play(
        self, messages: Iterable[TimedMessage], rate: float, stop: threading.Event
    ) -> Played:
        """Publish the messages at the distance in time they were recorded with.

        Args:
            messages: In the order of their time.
            rate: Factor on the speed; 1 is as recorded.
            stop: Ends the replay early.

        Raises:
            BagError: A message is damaged.
        """
        frames = last_stamp_ns = 0
        start_s = first_ns = None
        next_report = 0.0
        for message in messages:
            if first_ns is None:
                first_ns, start_s = message.time_ns, time.monotonic()
            assert start_s is not None  # set together with first_ns
            due_s = start_s + (message.time_ns - first_ns) / 1e9 / rate
            if stop.wait(max(0.0, due_s - time.monotonic())):
                break
            if message.topic == self._camera:
                last_stamp_ns = self._publish_image(message)
                frames += 1
            else:
                self._publish_companion(message)
            if time.monotonic() >= next_report:
                report('progress', frames=frames)
                next_report = time.monotonic() + REPORT_PERIOD_S
        return Played(frames, last_stamp_ns)

    def _publish_image(self, message: TimedMessage) -> int:
        old = read_stamp_ns(message.data)
        new = time.time_ns()
        self._publishers_of[self._camera].publish(with_stamp(message.data, new))
        self._new_stamp_of[old] = new
        if len(self._new_stamp_of) > MAX_WAITING:
            self._new_stamp_of.pop(next(iter(self._new_stamp_of)))
        ready = [m for stamp, m in self._waiting if stamp == old]
        self._waiting = [(stamp, m) for stamp, m in self._waiting if stamp != old]
        for companion in ready:
            self._publish_companion(companion)
        return new

    def _publish_companion(self, message: TimedMessage) -> None:
        old = read_stamp_ns(message.data)
        new = self._new_stamp_of.get(old)
        if new is None:
            self._waiting = [*self._waiting[-MAX_WAITING + 1 :], (old, message)]
        else:
            self._publishers_of[message.topic].publish(with_stamp(message.data, new))


def play_bag(
    messages: Iterable[TimedMessage],
    camera: str,
    tracks: Mapping[str, Track],
    *,
    rate: float,
    readers: Readers,
    stop: threading.Event,
    timeout_s: float,
) -> None:
    """Join the ROS graph, wait for the readers, replay, and stay until asked to stop.

    Raises:
        BagError: A message is damaged.
        ConfigError: The readers did not come in time, or a message type is not installed.
    """
    rclpy.init()
    try:
        player = BagPlayer(camera, tracks)
        try:
            if player.wait_for_readers(readers, stop, timeout_s):
                report('playing')
                played = player.play(messages, rate, stop)
                report('played', frames=played.frames, last_stamp_ns=played.last_stamp_ns)
                stop.wait()  # until then the last messages may still be on their way
        finally:
            player.close()
    finally:
        try_shutdown()
