# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Replays recorded messages at their own rate: as a live camera, or under a simulated clock.

`ros2 bag play` keeps the recorded stamps, so latency could not be measured, and it does not wait
for named nodes; rosbag2 is also not among the ROS packages of `make setup`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from rclpy.context import Context
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy

from hiseg_ros.bags.stamps import read_stamp_ns, with_stamp
from hiseg_ros.errors import ConfigError
from hiseg_ros.ros.harness.message_definitions import message_class

NODE_NAME = 'hiseg_player'
CAMERA_QOS = QoSProfile(
    reliability=ReliabilityPolicy.RELIABLE, history=HistoryPolicy.KEEP_LAST, depth=30
)
"""Deep enough that a subscriber which needs every image, such as a recorder, may pause for a
second."""

MAX_WAITING = 100
"""Companion messages that are kept until the image with their stamp is published."""

REPORT_PERIOD_S = 0.2

CLOCK_TOPIC, CLOCK_TYPE = '/clock', 'rosgraph_msgs/msg/Clock'
CLOCK_PERIOD_S = 0.01
"""Real time between two messages on /clock."""
JUMP_S = 0.2
"""Time from a jump of the clock to the first message after it, so that subscribers learn of the
jump first: a node that follows the clock drops its state when time runs backwards."""
PAUSE_S = 0.1
"""Time between two rounds of a recording with a single image."""


class TimedMessage(Protocol):
    """A serialised message of a recording."""

    @property
    def topic(self) -> str:
        """Recorded topic."""

    @property
    def time_ns(self) -> int:
        """Recording time."""

    @property
    def data(self) -> bytes:
        """CDR with its encapsulation of four bytes; the first field is the header."""


@dataclass(frozen=True)
class Track:
    """Topic and type with which a recorded topic is published."""

    topic: str
    message_type: str


@dataclass(frozen=True)
class Subscribers:
    """Names of the nodes that have to subscribe before the replay starts."""

    of_camera: Collection[str] = ()
    """Nodes that subscribe to the camera."""
    of_all: Collection[str] = ()
    """Nodes that subscribe to the camera and to every companion."""


@dataclass(frozen=True)
class Played:
    """What was published."""

    frames: int = 0
    last_stamp_ns: int = 0
    """Header stamp of the last image."""
    last_time_ns: int = 0
    """When that image was published, by this machine's clock."""
    rounds: int = 0
    """How often the recording was started."""
    restamped: int = 0
    """Images that got their recording time as stamp under a simulated clock."""


class BagPlayer(Node):
    """Publishes the recorded images of a camera and their companions.

    As a live camera: an image is stamped with the current time, as by a camera driver, so that
    latency is measured from publishing. Companions (camera_info, ground truth) get the new stamp
    of the image with the same recorded stamp, and are published right after it.

    Under a simulated clock: messages are not changed, and /clock follows their recording times; it
    jumps back when the recording starts again. Only an image whose stamp does not go on from the
    one before, such as zero, gets its recording time as stamp, and its companions with it: nobody
    could tell it from others.
    """

    def __init__(
        self,
        camera: str,
        tracks: Mapping[str, Track],
        *,
        is_simulated: bool = False,
        context: Context | None = None,
    ) -> None:
        """Create the publishers.

        Args:
            camera: Recorded topic of the images.
            tracks: By recorded topic, including the camera's.
            is_simulated: Whether to publish a simulated clock.
            context: The ROS context; None for the default one.

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
        self._clock_class = message_class(CLOCK_TYPE) if is_simulated else None
        self._clock_publisher: Publisher | None = None
        if is_simulated:
            self._clock_publisher = self.create_publisher(self._clock_class, CLOCK_TOPIC, 1)
        self._new_stamp_of: dict[int, int] = {}
        self._last_stamp_ns = 0
        self._waiting: list[tuple[int, TimedMessage]] = []
        self._played = Played()

    def close(self) -> None:
        """Destroy the node."""
        super().destroy_node()

    def set_clock(self, time_ns: int) -> None:
        """Publish a time on /clock, if the clock is simulated."""
        if self._clock_class is not None and self._clock_publisher is not None:
            message = self._clock_class()
            message.clock.sec, message.clock.nanosec = divmod(time_ns, 1_000_000_000)
            self._clock_publisher.publish(message)

    def wait_for_subscribers(
        self, subscribers: Subscribers, stop: threading.Event, timeout_s: float, start_ns: int = 0
    ) -> bool:
        """Wait until nodes have subscribed; return False when asked to stop before.

        Args:
            subscribers: Names of the nodes.
            stop: Event that ends the waiting.
            timeout_s: How long to wait.
            start_ns: Simulated time that is published meanwhile, for nodes that wait for a time;
                0 publishes none.

        Raises:
            ConfigError: A node did not subscribe in time.
        """
        deadline = time.monotonic() + timeout_s
        waiting = list(self._publishers_of)
        while waiting and not stop.is_set():
            if start_ns:
                self.set_clock(start_ns)
            publisher = self._publishers_of[waiting[0]]
            names = set(subscribers.of_all)
            if waiting[0] == self._camera:
                names |= set(subscribers.of_camera)
            topic = publisher.topic_name
            found = {info.node_name for info in self.get_subscriptions_info_by_topic(topic)}
            # Subscriptions appear in the graph shortly before they match with this publisher.
            if found >= names and publisher.get_subscription_count() >= len(names):
                waiting.pop(0)
            elif time.monotonic() > deadline:
                raise ConfigError(
                    f'{topic} has subscriptions of {", ".join(sorted(found)) or "no node"} after '
                    f'{timeout_s:.0f} s; expected {", ".join(sorted(names))}: see their logs.'
                )
            else:
                stop.wait(0.05)
        return not waiting

    def play(
        self,
        rounds: Iterable[Iterable[TimedMessage]],
        rate: float,
        stop: threading.Event,
        on_progress: Callable[[Played], object] = lambda played: None,
    ) -> Played:
        """Publish the messages with the time between them at which they were recorded.

        Args:
            rounds: The messages of each round, in the order of time.
            rate: Speed relative to the recording.
            stop: Event that ends the replay early.
            on_progress: Called in the calling thread every REPORT_PERIOD_S and after each round.

        Raises:
            BagError: A message is damaged.
        """
        pause_s = 0.0
        for messages in rounds:
            if stop.wait(pause_s):
                break
            self._new_stamp_of.clear()
            self._waiting.clear()
            self._last_stamp_ns = 0
            self._played = replace(self._played, rounds=self._played.rounds + 1)
            pause_s = self._play_round(messages, rate, stop, on_progress)
            on_progress(self._played)
        return self._played

    def _play_round(
        self,
        messages: Iterable[TimedMessage],
        rate: float,
        stop: threading.Event,
        on_progress: Callable[[Played], object],
    ) -> float:
        """Publish one round; return the time in s between the camera's last two images."""
        first_ns = last_image_ns = None
        start_s = period_s = next_report = 0.0
        for message in messages:
            if first_ns is None:
                first_ns = message.time_ns
                self.set_clock(first_ns)
                if self._clock_publisher is not None:
                    stop.wait(JUMP_S)
                start_s = time.monotonic()
            due_s = start_s + (message.time_ns - first_ns) / 1e9 / rate
            if self._wait_until(due_s, message.time_ns, rate, stop):
                break
            if message.topic == self._camera:
                if last_image_ns is not None:
                    period_s = (message.time_ns - last_image_ns) / 1e9 / rate
                last_image_ns = message.time_ns
                self._publish_image(message)
            else:
                self._publish_companion(message)
            if time.monotonic() >= next_report:
                on_progress(self._played)
                next_report = time.monotonic() + REPORT_PERIOD_S
        return period_s or PAUSE_S

    def _wait_until(self, due_s: float, time_ns: int, rate: float, stop: threading.Event) -> bool:
        """Wait until a message is due; return True when asked to stop."""
        while (left_s := due_s - time.monotonic()) > 0:
            if self._clock_publisher is None:
                return stop.wait(left_s)
            self.set_clock(time_ns - round(left_s * rate * 1e9))
            if stop.wait(min(left_s, CLOCK_PERIOD_S)):
                return True
        self.set_clock(time_ns)
        return stop.is_set()

    def _publish_image(self, message: TimedMessage) -> None:
        old, now_ns = read_stamp_ns(message.data), time.time_ns()
        if self._clock_publisher is not None:
            self._publish_as_recorded(message, old, now_ns)
            return
        self._publishers_of[self._camera].publish(with_stamp(message.data, now_ns))
        self._count(now_ns, now_ns)
        self._new_stamp_of[old] = now_ns
        if len(self._new_stamp_of) > MAX_WAITING:
            self._new_stamp_of.pop(next(iter(self._new_stamp_of)))
        ready = [m for stamp, m in self._waiting if stamp == old]
        self._waiting = [(stamp, m) for stamp, m in self._waiting if stamp != old]
        for companion in ready:
            self._publish_companion(companion)

    def _publish_as_recorded(self, message: TimedMessage, old: int, now_ns: int) -> None:
        """Publish an image under a simulated clock, with its stamp if that goes on."""
        stamp_ns, data = old, message.data
        if old <= self._last_stamp_ns:
            stamp_ns = max(message.time_ns, self._last_stamp_ns + 1)
            data = with_stamp(data, stamp_ns)
            self._new_stamp_of[old] = stamp_ns
            self._played = replace(self._played, restamped=self._played.restamped + 1)
        self._last_stamp_ns = stamp_ns
        self._publishers_of[self._camera].publish(data)
        self._count(stamp_ns, now_ns)

    def _count(self, stamp_ns: int, time_ns: int) -> None:
        frames = self._played.frames + 1
        self._played = replace(
            self._played, frames=frames, last_stamp_ns=stamp_ns, last_time_ns=time_ns
        )

    def _publish_companion(self, message: TimedMessage) -> None:
        old = read_stamp_ns(message.data)
        new = self._new_stamp_of.get(old)
        if self._clock_publisher is not None:
            data = message.data if new is None else with_stamp(message.data, new)
            self._publishers_of[message.topic].publish(data)
            return
        if new is None:
            self._waiting = [*self._waiting[-MAX_WAITING + 1 :], (old, message)]
        else:
            self._publishers_of[message.topic].publish(with_stamp(message.data, new))
