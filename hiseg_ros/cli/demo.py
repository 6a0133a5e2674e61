# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg demo`: replay a drive through the node, record its outputs, and write a video."""

from __future__ import annotations

import argparse
import importlib.util
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiseg_ros.cli.shared.damages import tell_damages
from hiseg_ros.cli.shared.numbers import positive
from hiseg_ros.cli.shared.pace import FOREVER, add_pace
from hiseg_ros.errors import BagError, CheckpointError, ConfigError
from hiseg_ros.inference.open_model import shipped_file
from hiseg_ros.output_files import output_file, output_folder

if TYPE_CHECKING:
    from hiseg_ros.bags.cameras import Camera
    from hiseg_ros.bags.recording import Recording
    from hiseg_ros.ros.harness.live_run import Progress

RESULTS = ('overlay.mp4', 'summary.json')
RECORDING_FILES = frozenset({'recording.mcap', 'metadata.yaml', 'metadata.yaml.tmp'})
IMAGES = 4

LOOKED_AT = (
    'labels', 'overlay/image', 'overlay/camera_info', 'traffic_signs', 'taxonomy', 'stats'
)  # fmt: skip
"""Results that are recorded by default: what video, images and the viewer show. Nobody subscribes
to the others, so the node does not compute them: its rate is that of a usual robot."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        'bag',
        type=Path,
        nargs='?',
        help='bag to replay: a folder, or one .mcap, .db3 or .bag file (default: a drawn drive)',
    )
    parser.add_argument(
        '--output',
        type=Path,
        default=Path('demo'),
        metavar='DIR',
        help='folder for video, images, summary.json and the recording (default: %(default)s)',
    )
    parser.add_argument(
        '--model', type=Path, metavar='FILE', help='model file (default: the shipped network)'
    )
    parser.add_argument(
        '--topic', help='image topic of the bag (default: the first with colour images)'
    )
    parser.add_argument(
        '--seconds',
        type=positive,
        metavar='S',
        help='replay only the first S seconds; for the drawn drive, its length',
    )
    add_pace(parser)
    parser.add_argument(
        '--all-outputs',
        action='store_true',
        help='record confidence, levels and probabilities too, which takes time from the network',
    )
    parser.add_argument(
        '--device', default='auto', help='auto, cpu or cuda:N (default: %(default)s)'
    )


def run(options: argparse.Namespace) -> int:
    """Run the demo and print its metrics; return 0, or 3 where the bag is damaged."""
    model = options.model or shipped_file('auto', options.device, 'auto')
    check_needs(model)
    output = prepare(options.output)

    from hiseg_ros.bags.cameras import choose_from
    from hiseg_ros.bags.recording import open_recording
    from hiseg_ros.cli.shared.drawn_drive import drawn_drive

    bag_path = options.bag or drawn_drive(options.seconds)
    recording = open_recording(bag_path)
    choice = choose_from([recording], [options.topic] if options.topic else []).only_best()
    camera = choice.best
    frames = _count(options, recording, camera)
    times = {1: '', FOREVER: ', until Ctrl-C'}.get(options.loop, f', {options.loop} times')
    print(f'Replaying {camera.topic} of {bag_path} ({frames} images{times}).')
    if text := choice.left_out_text():
        print(text)
    summary = replay(options, recording, camera, output, model, frames)
    with output_file(output / 'summary.json').open('w') as file:
        json.dump(summary, file, indent=2)
        file.write('\n')

    from hiseg_ros.cli.play import restamped_text
    from hiseg_ros.replay.summary import table

    print(table(summary))
    if not summary['is_one_clock']:
        print('Stamps and recording times are of two clocks: latency counts from the image.')
    if summary['restamped']:
        print(restamped_text(summary['restamped']))
    print(f'Video, {summary["pictures"]} images, summary.json and the recording: {output}')
    return tell_damages(summary['damages'])


def _count(options: argparse.Namespace, recording: Recording, camera: Camera) -> int:
    """Return the number of images that are to be replayed in one round."""
    from hiseg_ros.bags.cameras import companions
    from hiseg_ros.bags.message_stream import MessageStream
    from hiseg_ros.cli.play import until

    if not options.seconds:
        return camera.count
    topics = [camera.topic, *(topic.name for topic in companions(recording.topics, camera))]
    messages = (message.raw for message in MessageStream([recording], topics))
    return sum(message.topic == camera.topic for message in until(messages, options.seconds))


def check_needs(model: Path) -> None:
    """Check what the demo needs before a process is started.

    Raises:
        CheckpointError: There are no weights.
        ConfigError: ROS 2 or the package's messages are missing.
    """
    for module in ('rclpy', 'hiseg_ros.msg', 'rosbags', 'av'):
        if importlib.util.find_spec(module) is None:
            raise ConfigError(
                f'Python has no module {module}; expected ROS 2, the built messages and the '
                'packages of requirements/: run `make setup`, or source the ROS installation and '
                'the install folder.'
            )
    if not model.is_file():
        raise CheckpointError(
            f'The weights {model} do not exist; expected a file written by `hiseg train` or '
            '`hiseg export`: name one with --model.'
        )


def prepare(output: Path) -> Path:
    """Create the output folder, without the results of an earlier demo.

    Raises:
        ConfigError: It cannot be written, or holds other files.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
        for name in (*RESULTS, *(f'overlay_{i + 1}.png' for i in range(IMAGES))):
            (output / name).unlink(missing_ok=True)
        output_folder(output / 'logs')
        earlier = output_folder(output / 'recording')
        if earlier.is_dir():
            foreign = {path.name for path in earlier.iterdir()} - RECORDING_FILES
            if foreign:
                raise ConfigError(
                    f'The folder {earlier} holds {", ".join(sorted(foreign))}; expected nothing '
                    'or the recording of an earlier demo, to be replaced: name another --output.'
                )
            shutil.rmtree(earlier)
    except OSError as error:
        raise ConfigError(
            f'The folder {output} cannot be used ({error}); expected one that can be written: '
            'name another with --output.'
        ) from error
    return output


def replay(
    options: argparse.Namespace,
    source: Recording,
    camera: Camera,
    output: Path,
    model: Path,
    frames: int,
) -> dict[str, Any]:
    """Replay, record and write video and images; return the summary."""
    from tqdm import tqdm

    from hiseg_ros.bags.camera_content import first_image_size
    from hiseg_ros.bags.cameras import companions
    from hiseg_ros.cli.play import published_topic
    from hiseg_ros.replay.summary import read_run, summarize
    from hiseg_ros.reports.demo import write_images, write_video
    from hiseg_ros.ros.harness.live_run import LivePlan, run_live

    further = [t.name for t in companions(source.topics, camera) if t.is_image]
    player = [sys.executable, '-m', 'hiseg_ros.cli.play', str(source.path)]
    player += ['--topic', camera.topic, '--rate', str(options.rate)]
    player += ['--loop'] if options.loop == FOREVER else ['--loop', str(options.loop)]
    if options.seconds:
        player += ['--seconds', str(options.seconds)]
    recording = output / 'recording'
    size = first_image_size(source, camera.topic)
    plan = LivePlan(
        player=player,
        camera_topic=published_topic(source.topic(camera.topic)),
        further_topics=further,
        recording=recording,
        logs=output / 'logs',
        results=() if options.all_outputs else LOOKED_AT,
        parameters=(
            ('model', json.dumps(str(model.resolve()))),
            ('device', json.dumps(options.device)),
            # The network is compiled before the first image comes.
            ('image_sizes', json.dumps([f'{size[0]}x{size[1]}' if size else ''])),
        ),
        is_simulated=options.clock,
        is_endless=options.loop == FOREVER,
    )
    total = None if options.loop == FOREVER else frames * options.loop
    with tqdm(total=total, unit='frame', dynamic_ncols=True, mininterval=0.5) as bar:
        phases: list[str] = []

        def show(progress: Progress) -> None:
            bar.set_postfix(processed=progress.processed, refresh=False)
            bar.update(progress.published - bar.n)
            if progress.phase not in phases[-1:]:
                phases.append(progress.phase)
                bar.set_description(progress.phase)

        live = run_live(plan, show)
    recorded = read_run(recording, plan.camera_topic)
    summary = summarize(recorded)
    if not recorded.labels:
        raise BagError(
            f'The node published no labels for {len(recorded.camera)} images; expected some: see '
            f'{plan.logs}.'
        )
    with tqdm(total=len(recorded.labels), unit='frame', desc='writing the video') as bar:
        video_frames = write_video(
            recording, recorded, output / 'overlay.mp4', on_frame=lambda: bar.update()
        )
    images = write_images(recording, recorded, output, count=IMAGES)
    return {
        **summary,
        'bag': str(source.path),
        'topic': camera.topic,
        'rate_factor': options.rate,
        'simulated_clock': options.clock,
        'rounds': live.rounds,
        'all_rounds': {'published': live.published, 'processed': live.processed},
        'model': str(model),
        'video_frames': video_frames,
        'pictures': len(images),
        'damages': list(live.damages),
        'restamped': live.restamped,
    }
