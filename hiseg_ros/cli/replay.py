# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg replay`: segment recordings into a new bag, with metrics and a report."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hiseg_ros.cli.shared.crf import add_crf_arguments, crf_parameters_of
from hiseg_ros.cli.shared.damages import DAMAGED
from hiseg_ros.cli.shared.fleet import add_fleet_arguments, replay_fleet
from hiseg_ros.cli.shared.numbers import bit_depth
from hiseg_ros.errors import ConfigError
from hiseg_ros.images.bit_depth import BitDepth

PARTS = ('camera', 'levels', 'overlay', 'probabilities')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        'bags',
        nargs='+',
        metavar='BAG',
        help='bag: a folder, or one .mcap, .db3 or .bag file, or a pattern in quotes such as '
        '"drives/*.mcap"; several are merged by time, or with --each and --ray replayed each for '
        'itself, where also URLs such as s3://bucket/drives/*.mcap are read',
    )
    parser.add_argument(
        '--output',
        type=Path,
        required=True,
        metavar='DIR',
        help='folder for the new bag, metrics and report.html; the same command resumes there',
    )
    parser.add_argument(
        '--topic',
        action='append',
        default=[],
        help='image topic of a camera, may be repeated (default: all cameras)',
    )
    truth = parser.add_mutually_exclusive_group()
    truth.add_argument(
        '--ground-truth',
        metavar='TOPIC',
        help='topic with label ids (PNG or mono8) that have the stamps of the images',
    )
    truth.add_argument(
        '--labels',
        type=Path,
        metavar='DIR',
        help='folder with PNG files of label ids, named by stamp in ns or one per image in order',
    )
    parser.add_argument(
        '--mapping', help="label set of the ground truth: 'camvid', ... or a YAML file"
    )
    parser.add_argument('--model', type=Path, help='model file (default: the shipped network)')
    parser.add_argument(
        '--device', default='auto', help='auto, cpu or cuda:N (default: %(default)s)'
    )
    parser.add_argument(
        '--backend',
        default='auto',
        help="as the node's parameter (default: %(default)s)",
    )
    parser.add_argument(
        '--precision',
        default='auto',
        help="'float32', 'bfloat16', 'float16', 'int8' or 'auto', the fastest "
        '(default: %(default)s)',
    )
    parser.add_argument(
        '--bit-depth',
        type=bit_depth,
        metavar='BITS',
        help="bits of the sensor, 8 to 16, whose images have 16-bit samples, or 'auto' "
        '(default: measured)',
    )
    parser.add_argument(
        '--omit',
        action='append',
        default=[],
        choices=PARTS,
        help='omit these messages from the new bag, may be repeated',
    )
    add_crf_arguments(parser)
    parser.add_argument(
        '--restart',
        action='store_true',
        help='remove an earlier replay from the output folder and start again',
    )
    add_fleet_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Replay; return 0, or 3 where a recording is damaged."""
    if (options.ground_truth or options.labels) and not options.mapping:
        raise ConfigError(
            'Ground truth is given without --mapping; expected the label set of its ids, such as '
            '--mapping camvid.'
        )
    if options.mapping and not (options.ground_truth or options.labels):
        raise ConfigError(
            '--mapping is given without ground truth; expected --ground-truth or --labels too.'
        )

    if options.each or options.ray:
        return replay_fleet(options, _order(options))

    from hiseg_ros.bags.recording import open_recording
    from hiseg_ros.fleet.sources import find_sources, is_url

    for word in filter(is_url, options.bags):
        raise ConfigError(f'{word} is a URL; expected --each or --ray with it, or a path.')
    sources = find_sources(options.bags, options.output)
    paths = [Path(source.location) for source in sources]
    recordings, order = [open_recording(path) for path in paths], _order(options)
    choice = order.choice(recordings)
    if choice.left_out:
        print(choice.left_out_text())
    metrics = _replay(options, order, recordings, choice.cameras)
    return _report(metrics, options.output)


def _order(options: argparse.Namespace) -> Any:
    from hiseg_ros.replay.order import ReplayOrder

    return ReplayOrder(
        model=options.model,
        device=options.device,
        backend=options.backend,
        precision=options.precision,
        topics=tuple(options.topic),
        ground_truth=options.ground_truth,
        labels=options.labels,
        mapping=options.mapping,
        omit=tuple(options.omit),
        bit_depth=options.bit_depth,
        crf=crf_parameters_of(options),
    )


def _replay(
    options: argparse.Namespace, order: Any, recordings: Sequence[Any], cameras: Sequence[Any]
) -> dict[str, Any]:
    """Replay what an earlier run left to do; return the content of metrics.json."""
    from tqdm import tqdm

    from hiseg_ros.replay.offline import Replay
    from hiseg_ros.replay.order import OpenedOrder
    from hiseg_ros.replay.replay_folder import ReplayFolder
    from hiseg_ros.reports.replay_page import FILE_NAME

    opened = OpenedOrder(order, order.engine())
    facts = opened.facts(recordings, cameras)
    folder = ReplayFolder(options.output, facts, restart=options.restart)
    if folder.is_complete:
        print(f'{options.output} is already complete.')
        return folder.metrics()
    # The report of an earlier replay does not describe this one.
    (options.output / FILE_NAME).unlink(missing_ok=True)
    frames = sum(camera.count for camera in cameras)
    replay = Replay(opened.engine, opened.plan(recordings, cameras, facts), folder)
    for camera in cameras:
        print(f'{camera.topic} -> {camera.node} ({camera.count} images)')
    if replay.frames:
        print(f'Resuming after image {replay.frames}.')
    # Frames of an earlier run count as done, but not towards the rate.
    with tqdm(
        total=max(frames, replay.frames), initial=replay.frames, unit='frame',
        dynamic_ncols=True, mininterval=0.5, smoothing=0.1,
    ) as bar:  # fmt: skip
        return replay.run(lambda done: bar.update(max(0, done - bar.n)))


def _report(metrics: dict[str, Any], output: Path) -> int:
    """Write the report, print the main metrics and return the exit code."""
    from hiseg_ros.reports.replay_page import FILE_NAME, write_report

    report = output / FILE_NAME
    # Also where the replay is complete: an earlier run may have been stopped just before this.
    if not report.is_file():
        print('Writing the report.')
        write_report(output)
    for camera in metrics['cameras']:
        print(f'{camera["topic"]}: {camera["frames"]} frames, {_quality(camera)}')
        if depth := camera.get('bit_depth'):
            print(f'{camera["topic"]}: {_depth(**depth)}')
    for live in metrics.get('live') or ():
        late = live['latency_ms' if live['is_one_clock'] else 'behind_image_ms']
        print(
            f'{live["node"]}, recorded live: latency {late["median"]:.0f} ms, 95 % within '
            f'{late["p95"]:.0f} ms, {100 * live["dropped"]["share"]:.1f} % of the images dropped'
        )
    scores = metrics['scores']
    if scores and not scores['frames_with_truth']:
        print('No ground truth has the stamp of an image: check --ground-truth or --labels.')
    elif scores:
        nodes, summed = scores['nodes'], scores['summed']
        print(
            f'mIoU {nodes["miou"]:.4f} as published, {summed["miou"]:.4f} by summed probability, '
            f'{scores["frames_with_truth"]} frames with ground truth'
        )
    if scores and scores.get('paired_by_time'):
        print(
            f'{scores["paired_by_time"]} frames have a stamp of zero or one that others have too: '
            'their ground truth was found by recording time.'
        )
    print(f'New bag, metrics.json, frames.jsonl and timing.json: {output}')
    print(f'Report: {report}')
    for damage in metrics['damage'][:10]:
        time_ns = damage['time_ns']
        time = '' if time_ns is None else f' (recording time {time_ns / 1e9:.3f} s)'
        print(
            f'Damage in {damage["bag"]}, file {damage["file"]}, message {damage["message"]}'
            f'{time}: {damage["reason"]}'
        )
    if metrics['damages'] > 10:
        print(f'... and {metrics["damages"] - 10} more, see metrics.json.')
    return DAMAGED if metrics['damages'] else 0


def _depth(bits: int, measured: bool, largest: int) -> str:
    depth = BitDepth(None if measured else bits)
    depth.shift_of(np.array([largest], np.uint16))
    return depth.text()


def _quality(camera: dict[str, Any]) -> str:
    flicker, low = camera['stability']['flicker'], camera['confidence']['low_share']
    parts = [
        'no steady pixels to measure flicker' if flicker is None
        else f'label flicker {100 * flicker:.2f} %',
        f'low confidence {100 * (low or 0):.2f} %',
        f'{len(camera["sign_tracks"])} sign tracks',
    ]  # fmt: skip
    if camera['unreadable']:
        parts.append(f'{camera["unreadable"]} unreadable')
    return ', '.join(parts)
