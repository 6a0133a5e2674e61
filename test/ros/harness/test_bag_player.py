# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The player changes only the stamps of messages, and keeps companions with their images."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from hiseg_ros.errors import BagError, ConfigError

if TYPE_CHECKING:
    from ros_graph import Graph

pytestmark = pytest.mark.needs('ros')

RECORDED_NS = 1_600_000_000_000_000_000
PERIOD_NS = 40_000_000


@dataclass(frozen=True)
class Message:
    """A message of a recording."""

    topic: str
    time_ns: int
    data: bytes


def compressed(stamp_ns: int, payload: bytes) -> bytes:
    """Return a serialised CompressedImage."""
    from rclpy.serialization import serialize_message
    from sensor_msgs.msg import CompressedImage

    message = CompressedImage(format='jpeg', data=payload)
    message.header.frame_id = 'camera_optical_frame'
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 10**9)
    return bytes(serialize_message(message))


def test_a_new_stamp_changes_nothing_else() -> None:
    from rclpy.serialization import deserialize_message
    from sensor_msgs.msg import CompressedImage

    from hiseg_ros.bags.stamps import read_stamp_ns, with_stamp

    data = with_stamp(compressed(5, b'picture'), 1_700_000_000_123_456_789)
    assert read_stamp_ns(data) == 1_700_000_000_123_456_789
    message = deserialize_message(data, CompressedImage)
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (1_700_000_000, 123_456_789)
    assert message.header.frame_id == 'camera_optical_frame'
    assert bytes(message.data) == b'picture'


def test_stamps_of_big_endian_messages_are_read_and_written() -> None:
    from hiseg_ros.bags.stamps import read_stamp_ns, with_stamp

    data = b'\x00\x00\x00\x00' + (17).to_bytes(4, 'big') + (23).to_bytes(4, 'big') + b'rest'
    assert read_stamp_ns(data) == 17_000_000_023
    assert read_stamp_ns(with_stamp(data, 42_000_000_001)) == 42_000_000_001
    assert with_stamp(data, 42_000_000_001).endswith(b'rest')


@pytest.mark.parametrize('data', [b'', b'\x00\x01\x00\x00', b'\x00\x0b\x00\x00' + bytes(20)])
def test_what_is_no_plain_message_is_refused(data: bytes) -> None:
    from hiseg_ros.bags.stamps import read_stamp_ns

    with pytest.raises(BagError, match='expected plain CDR'):
        read_stamp_ns(data)


def play(
    graph: Graph,
    rounds: list[list[Message]],
    rate: float = 1.0,
    *,
    is_simulated: bool = False,
) -> tuple[Any, list[Any], Any]:
    """Play messages of /image and /truth; return images, truths and the player's account."""
    from sensor_msgs.msg import CompressedImage

    from hiseg_ros.ros.harness.bag_player import BagPlayer, Subscribers, Track

    images = graph.collect(CompressedImage, '/live/image', 50)
    truths = graph.collect(CompressedImage, '/live/truth', 50)
    done: list[Any] = []

    def run() -> None:
        kind = 'sensor_msgs/msg/CompressedImage'
        tracks = {'/image': Track('/live/image', kind), '/truth': Track('/live/truth', kind)}
        player = BagPlayer('/image', tracks, is_simulated=is_simulated, context=graph.context)
        try:
            stop = threading.Event()
            player.wait_for_subscribers(Subscribers(of_all=['peer']), stop, 20.0, RECORDED_NS)
            done.append(player.play(rounds, rate, stop))
            graph_has_all.wait(20)
        finally:
            player.close()

    graph_has_all = threading.Event()
    thread = threading.Thread(target=run)
    thread.start()
    expected = sum(m.topic == '/image' for messages in rounds for m in messages)
    try:
        graph.until(lambda: done and len(images) == expected, 'all images')
        graph.spin(0.2)
    finally:
        graph_has_all.set()
        thread.join(30)
    return images, truths, done[0]


def stamp_of(message: Any) -> int:
    return int(message.header.stamp.sec) * 10**9 + int(message.header.stamp.nanosec)


def test_images_come_at_their_own_pace_stamped_with_now(graph: Graph) -> None:
    messages = [
        Message('/image', RECORDED_NS + i * PERIOD_NS, compressed(RECORDED_NS + i, bytes([i])))
        for i in range(8)
    ]
    before = time.time_ns()
    images, _, played = play(graph, [messages])
    assert [bytes(image.data) for image in images] == [bytes([i]) for i in range(8)]
    stamps = [stamp_of(image) for image in images]
    assert played.frames == 8
    assert played.last_stamp_ns == stamps[-1]
    assert before < stamps[0] < stamps[-1] < time.time_ns()
    assert stamps[-1] - stamps[0] >= 6.5 * PERIOD_NS
    assert (stamps[-1] - stamps[0]) < 7 * PERIOD_NS + 2_000_000_000


def test_companions_get_the_stamp_of_their_image_whichever_came_first(graph: Graph) -> None:
    messages = []
    for i in range(4):
        time_ns = RECORDED_NS + i * PERIOD_NS
        pair = [
            Message('/image', time_ns, compressed(time_ns, bytes([i]))),
            Message('/truth', time_ns, compressed(time_ns, bytes([100 + i]))),
        ]
        messages += pair if i % 2 else reversed(pair)
    messages.append(Message('/truth', RECORDED_NS + PERIOD_NS * 9, compressed(1, b'\xff')))
    images, truths, _ = play(graph, [messages], rate=2.0)
    graph.until(lambda: len(truths) == 4, 'the ground truth')
    stamps = {bytes(image.data)[0]: stamp_of(image) for image in images}
    for truth in truths:
        assert stamp_of(truth) == stamps[bytes(truth.data)[0] - 100]


def frames(count: int, period_ns: int = PERIOD_NS) -> list[Message]:
    """Return images, each recorded half a period after its stamp."""
    stamps = [RECORDED_NS + i * period_ns for i in range(count)]
    return [
        Message('/image', stamp + period_ns // 2, compressed(stamp, bytes([i])))
        for i, stamp in enumerate(stamps)
    ]


def test_rounds_follow_each_other_at_the_pace_of_the_camera(graph: Graph) -> None:
    """Stamped with now, a second round looks like more of the same drive."""
    period_ns = 100_000_000
    images, _, played = play(graph, [frames(4, period_ns)] * 2)
    assert (played.rounds, played.frames) == (2, 8)
    stamps = [stamp_of(image) for image in images]
    assert [bytes(image.data)[0] for image in images] == [0, 1, 2, 3] * 2
    assert 0.5 * period_ns < stamps[4] - stamps[3] < 4 * period_ns
    assert played.last_stamp_ns == played.last_time_ns == stamps[-1]


def test_companions_of_a_second_round_get_the_stamps_of_their_own_images(graph: Graph) -> None:
    """A ground truth that comes before its image is not taken for the one of the round before."""
    messages = []
    for message in frames(3):
        messages += [Message('/truth', message.time_ns, message.data), message]
    images, truths, _ = play(graph, [messages] * 2)
    graph.until(lambda: len(truths) == 6, 'the ground truth')
    assert [stamp_of(truth) for truth in truths] == [stamp_of(image) for image in images]


def test_under_a_simulated_clock_messages_stay_as_they_were_recorded(graph: Graph) -> None:
    """The clock runs from the first to the last recording time, `rate` times as fast as real."""
    from rosgraph_msgs.msg import Clock

    clock = graph.collect(Clock, '/clock', 1000)
    started = time.monotonic()
    images, _, played = play(graph, [frames(11)], rate=2.0, is_simulated=True)
    assert time.monotonic() - started > 10 * PERIOD_NS / 1e9 / 2
    stamps = [stamp_of(image) for image in images]
    assert stamps == [RECORDED_NS + i * PERIOD_NS for i in range(11)]
    assert played.last_stamp_ns == stamps[-1]
    assert abs(played.last_time_ns - time.time_ns()) < 60e9
    times = [int(c.clock.sec) * 10**9 + int(c.clock.nanosec) for c in clock]
    assert times == sorted(times)
    assert times[0] == RECORDED_NS
    assert times[-1] == RECORDED_NS + 10 * PERIOD_NS + PERIOD_NS // 2
    assert len(set(times)) > 15  # it does not stand still between the images


@pytest.mark.parametrize(
    ('stamps', 'restamped'),
    [
        ([0, 0, 0, 0], 4),
        ([RECORDED_NS] * 4, 3),
        ([RECORDED_NS, RECORDED_NS + 1, 0, RECORDED_NS + 3 * PERIOD_NS], 1),
        ([7, 8, 5, 6], 2),
        ([7, 8, 9, 10], 0),
    ],
)
def test_under_a_simulated_clock_images_without_a_stamp_of_their_own_get_one(
    graph: Graph, stamps: list[int], restamped: int
) -> None:
    """Their recording time, and their companions with them; others stay as they are."""
    messages = []
    for number, stamp_ns in enumerate(stamps):
        for topic in ('/image', '/truth'):
            data = compressed(stamp_ns, bytes([number]))
            messages.append(Message(topic, RECORDED_NS + number * PERIOD_NS, data))
    images, truths, played = play(graph, [messages], is_simulated=True)
    assert played.restamped == restamped
    found = [stamp_of(image) for image in images]
    assert found == sorted(set(found)) and found[0] > 0
    kept = [stamp for stamp, old in zip(found, stamps, strict=True) if stamp == old]
    assert len(kept) == len(stamps) - restamped
    assert [(bytes(t.data), stamp_of(t)) for t in truths] == [
        (bytes(i.data), stamp_of(i)) for i in images
    ]
    assert played.last_stamp_ns == found[-1]


def test_the_simulated_clock_jumps_back_before_the_first_image_of_a_round(graph: Graph) -> None:
    """So that a node forgets what it holds, and not what comes."""
    from rosgraph_msgs.msg import Clock
    from sensor_msgs.msg import CompressedImage

    sent: list[tuple[int, str, int]] = []

    def clock(message: Any, info: Any) -> None:
        time_ns = message.clock.sec * 10**9 + message.clock.nanosec
        sent.append((info['source_timestamp'], 'clock', time_ns))

    def image(message: Any, info: Any) -> None:
        sent.append((info['source_timestamp'], 'image', stamp_of(message)))

    graph.peer.create_subscription(Clock, '/clock', clock, 999)
    graph.peer.create_subscription(CompressedImage, '/live/image', image, 99)
    play(graph, [frames(3)] * 2, is_simulated=True)
    graph.until(lambda: sum(kind == 'image' for _, kind, _ in sent) == 6, 'all images')
    sent.sort()
    images = [place for place, (_, kind, _) in enumerate(sent) if kind == 'image']
    between = sent[images[2] + 1 : images[3]]
    assert between[-1][2] == RECORDED_NS + PERIOD_NS // 2
    assert sent[images[3]][0] - between[0][0] > 100_000_000


def test_a_player_that_nobody_reads_gives_up(graph: Graph) -> None:
    from hiseg_ros.ros.harness.bag_player import BagPlayer, Subscribers, Track

    tracks = {'/image': Track('/live/image', 'sensor_msgs/msg/CompressedImage')}
    player = BagPlayer('/image', tracks, context=graph.context)
    try:
        with pytest.raises(ConfigError, match='segmentation'):
            player.wait_for_subscribers(Subscribers(['segmentation']), threading.Event(), 0.2)
    finally:
        player.close()


def test_an_unknown_message_type_is_named() -> None:
    from hiseg_ros.ros.harness.message_definitions import message_class

    with pytest.raises(ConfigError, match='vendor_msgs/msg/Odd'):
        message_class('vendor_msgs/msg/Odd')
