# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg play`: replay a bag's camera as a live topic."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator
from pathlib import Path

from hiseg_ros.replay.bag import Bag, RawMessage, Topic
from hiseg_ros.replay.camera_topic import choose_image_topic, companions
from hiseg_ros.replay.footage import CAMERA_TOPIC

CAMERA_INFO_TOPIC = f'{CAMERA_TOPIC.rpartition("/")[0]}/camera_info'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument('bag', type=Path, help='rosbag2: a folder, or one .mcap or .db3 file')
    parser.add_argument('--topic', help='image topic (default: the first in the bag)')
    parser.add_argument(
        '--rate', type=float, default=1.0, help='factor on the speed (default %(default)s)'
    )
    parser.add_argument('--seconds', type=float, help='replay only so much from the start')
    parser.add_argument(
        '--wait-for', action='append', default=[], metavar='NODE',
        help='start when a node of this name reads the images; may be repeated',
    )
    parser.add_argument(
        '--wait-for-all', action='append', default=[], metavar='NODE',
        help='start when a node of this name reads all that is replayed; may be repeated',
    )
    parser.add_argument(
        '--timeout', type=float, default=180.0, metavar='S',
        help='how long to wait for them, in seconds (default %(default)s)',
    )


def published_topic(topic: Topic) -> str:
    """Return where an image topic is replayed: always the same name, as a live camera's."""
    return f'{CAMERA_TOPIC}/compressed' if topic.is_compressed else CAMERA_TOPIC


def until(messages: Iterator[RawMessage], seconds: float | None) -> Iterator[RawMessage]:
    """Yield messages up to so many seconds after the first; all without a limit."""
    first = next(messages, None)
    if first is None:
        return
    end_ns = float('inf') if seconds is None else first.time_ns + seconds * 1e9
    yield from itertools.takewhile(
        lambda message: message.time_ns < end_ns, itertools.chain([first], messages)
    )


def run(options: argparse.Namespace) -> None:
    """Replay until the end of the bag, then until the standard input is closed."""
    from hiseg_ros.ros.bag_player import Readers, Track, play_bag
    from hiseg_ros.ros.child_process import stop_requested

    stop = stop_requested()
    with Bag(options.bag) as bag:
        camera, _ = choose_image_topic(bag, options.topic)
        tracks = {camera.name: Track(published_topic(camera), camera.message_type)}
        for topic in companions(bag, camera):
            name = CAMERA_INFO_TOPIC if topic.name.endswith('/camera_info') else topic.name
            tracks[topic.name] = Track(name, topic.message_type)
        play_bag(
            until(bag.raw(tracks), options.seconds),
            camera.name,
            tracks,
            rate=options.rate,
            readers=Readers(options.wait_for, options.wait_for_all),
            stop=stop,
            timeout_s=options.timeout,
        )


def main() -> int:
    """Replay as a process of its own, for a parent that reads what it reports."""
    parser = argparse.ArgumentParser(prog='hiseg play', description=__doc__)
    add_arguments(parser)
    run(parser.parse_args())
    return 0


if __name__ == '__main__':
    from hiseg_ros.ros.child_process import run_child

    run_child(main)
