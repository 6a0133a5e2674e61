# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg play`: replay a camera of a bag as a live topic."""

from __future__ import annotations

import argparse
import itertools
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from hiseg_ros.bags.bag import Topic
from hiseg_ros.bags.cameras import choose_from, companions
from hiseg_ros.bags.footage import CAMERA_TOPIC
from hiseg_ros.bags.message_stream import Damage, MessageStream
from hiseg_ros.bags.raw_message import RawMessage
from hiseg_ros.bags.recording import Recording, open_recording
from hiseg_ros.cli.shared.damages import tell_damages
from hiseg_ros.cli.shared.numbers import positive
from hiseg_ros.cli.shared.pace import add_pace, repeated
from hiseg_ros.ending import on_stop
from hiseg_ros.errors import BagError

if TYPE_CHECKING:
    from hiseg_ros.ros.harness.bag_player import Played

CAMERA_INFO_TOPIC = f'{CAMERA_TOPIC.rpartition("/")[0]}/camera_info'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument('bag', type=Path, help='bag: a folder, or one .mcap, .db3 or .bag file')
    parser.add_argument('--topic', help='image topic (default: the first with colour images)')
    add_pace(parser)
    parser.add_argument(
        '--seconds', type=positive, metavar='S', help='replay only the first S seconds'
    )
    parser.add_argument(
        '--wait-for',
        action='append',
        default=[],
        metavar='NODE',
        help='start when a node of this name has subscribed to the images; may be repeated',
    )
    parser.add_argument(
        '--wait-for-all',
        action='append',
        default=[],
        metavar='NODE',
        help='start when a node of this name has subscribed to every topic; may be repeated',
    )
    parser.add_argument(
        '--timeout',
        type=positive,
        default=180.0,
        metavar='S',
        help='how long to wait for these nodes, in seconds (default: %(default)s)',
    )
    parser.add_argument(
        '--list', action='store_true', help='only list what would be replayed, and on which topics'
    )
    parser.add_argument(
        '--child',
        action='store_true',
        help='for a parent process: report as lines of JSON, and end when standard input is '
        'closed',
    )


def published_topic(topic: Topic) -> str:
    """Return the topic on which images are published: always the same, as for a live camera."""
    return f'{CAMERA_TOPIC}/compressed' if topic.is_compressed else CAMERA_TOPIC


def until(messages: Iterator[RawMessage], seconds: float | None) -> Iterator[RawMessage]:
    """Yield the messages of the first seconds; all of them where `seconds` is None."""
    first = next(messages, None)
    if first is None:
        return
    end_ns = float('inf') if seconds is None else first.time_ns + seconds * 1e9
    yield from itertools.takewhile(
        lambda message: message.time_ns < end_ns, itertools.chain([first], messages)
    )


def run(options: argparse.Namespace) -> int:
    """Replay until the end or until asked to stop; return 0, or 3 where the bag is damaged."""
    recording = open_recording(options.bag)
    choice = choose_from([recording], [options.topic] if options.topic else []).only_best()
    camera = recording.topic(choice.best.topic)
    followers = companions(recording.topics, choice.best)
    topics = {topic.name: topic for topic in (camera, *followers)}
    names = {name: live_name(topic, camera) for name, topic in topics.items()}
    if options.list:
        for name, topic in topics.items():
            print(f'{name} -> {names[name]} ({topic.message_type}, {topic.count} messages)')
    if not options.child and (text := choice.left_out_text()):
        # Beside the list, which programs read.
        print(text, flush=True, file=sys.stderr if options.list else sys.stdout)
    if options.list:
        return 0
    return _play(options, recording, camera, topics, names)


def live_name(topic: Topic, camera: Topic) -> str:
    """Return the topic on which a recorded topic is published."""
    if topic == camera:
        return published_topic(topic)
    return CAMERA_INFO_TOPIC if topic.name.endswith('/camera_info') else topic.name


def _play(
    options: argparse.Namespace,
    recording: Recording,
    camera: Topic,
    topics: Mapping[str, Topic],
    names: Mapping[str, str],
) -> int:
    from hiseg_ros.ros.harness.bag_player import Subscribers, Track
    from hiseg_ros.ros.harness.child_process import stop_requested
    from hiseg_ros.ros.harness.playback import PlayPlan, play_bag

    damages: list[Damage] = []

    def messages() -> Iterator[RawMessage]:
        stream = MessageStream([recording], topics)
        yield from until((message.raw for message in stream), options.seconds)
        damages.extend(stream.damages)

    first = next(messages(), None)
    if first is None:
        raise BagError(
            f'The bag {recording.path} holds no message of {camera.name}; expected some.'
        )
    stop = stop_requested() if options.child else threading.Event()

    def interrupt() -> None:
        # Not in the handler: it runs in the thread that may hold the event's lock.
        threading.Thread(target=stop.set).start()

    def tell(event: str, played: Played) -> None:
        if options.child:
            tell_parent(event, played, damages)
        else:
            tell_user(event, played)

    plan = PlayPlan(
        camera.name,
        {name: Track(names[name], topic.message_type) for name, topic in topics.items()},
        start_ns=first.time_ns,
        rate=options.rate,
        is_simulated=options.clock,
        subscribers=Subscribers(options.wait_for, options.wait_for_all),
        timeout_s=options.timeout,
        stays=options.child,
    )
    # A parent asks on the standard input; a user presses Ctrl-C.
    with nullcontext() if options.child else on_stop(interrupt):
        play_bag((messages() for _ in repeated(options.loop)), plan, stop, tell)
    return 0 if options.child else tell_damages(damages)


def tell_parent(event: str, played: Played, damages: Iterable[Damage] = ()) -> None:
    """Report an event to the parent process as a line of JSON, the damages at the end."""
    from hiseg_ros.ros.harness.child_process import report

    more = {'damages': list(dict.fromkeys(map(str, damages)))} if event == 'played' else {}
    report(event, **asdict(played), **more)


def restamped_text(count: int) -> str:
    """Return a sentence on images that were restamped under a simulated clock."""
    return (
        f'{count} images had a stamp that does not go on from the one before (zero, repeated, '
        'earlier): they got their recording time.'
    )


def tell_user(event: str, played: Played) -> None:
    """Print when the replay starts and what was replayed."""
    if event == 'playing':
        print('Replaying.', flush=True)
    elif event == 'played':
        times = 'once' if played.rounds == 1 else f'{played.rounds} times'
        print(f'Replayed {times}, {played.frames} images in all.', flush=True)
        if played.restamped:
            print(restamped_text(played.restamped), flush=True)


def main() -> int:
    """Replay in a process of its own, for a parent that reads its reports."""
    parser = argparse.ArgumentParser(prog='hiseg play', description=__doc__)
    add_arguments(parser)
    run(parser.parse_args())
    return 0


if __name__ == '__main__':
    from hiseg_ros.ros.harness.child_process import run_child

    run_child(main)
