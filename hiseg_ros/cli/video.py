# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg video`: write labels, or several networks side by side, as an MP4 with a legend."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hiseg_ros.cli.shared.damages import DAMAGED, tell_damages
from hiseg_ros.errors import BagError, ConfigError

if TYPE_CHECKING:
    from hiseg_ros.reports.label_video import Footage
    from hiseg_ros.viewer.cameras import SeenCamera

MAX_ROWS = 2160


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        'recording',
        type=Path,
        metavar='REPLAY_DIR',
        help='output folder of `hiseg replay` or `hiseg demo`, or a rosbag2 with images and '
        'labels; with --compare any bag with a camera, or a folder of images',
    )
    parser.add_argument(
        '--output', type=Path, required=True, metavar='FILE.mp4', help='video to write'
    )
    parser.add_argument(
        '--topic', help='image topic of a camera, or name of its node (default: the only one)'
    )
    parser.add_argument(
        '--side-by-side',
        action='store_true',
        help='camera image and overlay next to each other (default: the overlay alone)',
    )
    parser.add_argument(
        '--compare',
        nargs='+',
        type=Path,
        metavar='MODEL',
        help='instead of recorded labels: what these two or more model files say about the '
        'images, side by side, such as those before and after an adaptation',
    )
    parser.add_argument(
        '--captions',
        nargs='+',
        metavar='TEXT',
        help='with --compare: the text above each model (default: the names of the files)',
    )
    parser.add_argument(
        '--device',
        default='auto',
        help="with --compare: 'auto', 'cpu', 'cuda' or 'cuda:N' (default: %(default)s)",
    )
    parser.add_argument(
        '--names',
        action=argparse.BooleanOptionalAction,
        default=True,
        help='class names in large regions (default: with)',
    )
    parser.add_argument(
        '--legend',
        action=argparse.BooleanOptionalAction,
        default=True,
        help='legend with the most common classes below the image (default: with)',
    )
    parser.add_argument(
        '--alpha',
        type=float,
        default=0.5,
        help='share of colour in the overlay (default: %(default)s)',
    )
    parser.add_argument(
        '--height',
        type=int,
        default=0,
        metavar='ROWS',
        help="height of the image in pixels (default: the camera's, at least 720, at most 1080; "
        'with --compare at least 480, at most 720)',
    )


def run(options: argparse.Namespace) -> int:
    """Write the video; return 0, or 3 where the recording is damaged."""
    if options.output.suffix.lower() != '.mp4':
        raise ConfigError(f'--output is {options.output}; expected a name that ends in .mp4.')
    if not 0 <= options.alpha <= 1:
        raise ConfigError(f'--alpha is {options.alpha}; expected a number from 0 to 1.')
    if options.height and not 64 <= options.height <= MAX_ROWS:
        raise ConfigError(
            f'--height is {options.height}; expected 64 to {MAX_ROWS}, or 0 for the usual one.'
        )
    if options.compare:
        return _compare(options)
    if options.captions:
        raise ConfigError('--captions is given without --compare; expected both.')

    from tqdm import tqdm

    from hiseg_ros.reports.label_video import VideoStyle, survey, write_label_video

    footage = find_footage(options.recording, options.topic)
    style = VideoStyle(
        options.side_by_side, options.names, options.legend, options.alpha, options.height
    )
    known = survey(footage)
    print(f'{footage.image.name} with {footage.labels.name}: {known.frames} frames')
    with tqdm(
        total=known.frames, unit='frame', desc='writing the video', dynamic_ncols=True
    ) as bar:
        notes: list[str] = []
        frames, damages = write_label_video(
            options.output,
            footage,
            style,
            on_frame=lambda: bar.update(),
            known=known,
            on_note=notes.append,
        )
    for note in notes:
        print(note)
    print(f'{frames} frames at {known.rate_hz:.1f} Hz: {options.output}')
    return tell_damages(damages)


def _compare(options: argparse.Namespace) -> int:
    """Write a video of several networks; return 0, or 3 where the recording is damaged."""
    captions = options.captions or [path.stem for path in options.compare]
    if len(options.compare) < 2 or len(captions) != len(options.compare):
        raise ConfigError(
            f'--compare has {len(options.compare)} models and {len(captions)} captions; expected '
            'at least two models, and a caption for each or none.'
        )
    if options.side_by_side:
        raise ConfigError(
            '--side-by-side is given with --compare, which shows the models side by side; '
            'expected one of the two.'
        )

    from tqdm import tqdm

    from hiseg_ros.inference.engine import Engine
    from hiseg_ros.reports.comparison_video import Side, write_comparison
    from hiseg_ros.reports.label_video import VideoStyle
    from hiseg_ros.retrieval.sources import open_source

    source = open_source(options.recording, options.topic)
    if source.note:
        print(source.note)
    sides = [
        Side(Engine(model, device=options.device), caption)
        for model, caption in zip(options.compare, captions, strict=True)
    ]
    style = VideoStyle(False, options.names, options.legend, options.alpha, options.height)
    with tqdm(
        total=source.count, unit='frame', desc='writing the video', dynamic_ncols=True
    ) as bar:
        frames, unreadable = write_comparison(
            options.output, source, sides, style, on_frame=lambda: bar.update()
        )
    print(f'{frames} frames, {" | ".join(captions)}: {options.output}')
    if unreadable:
        print(f'{unreadable} images cannot be decoded and are left out')
    return max(tell_damages(source.damages), DAMAGED if unreadable else 0)


def find_footage(path: Path, topic: str | None) -> Footage:
    """Return the images and labels of one camera of a recording.

    Args:
        path: A rosbag2, or the output folder of a replay or a demo.
        topic: Name of an image topic or of a node; None for the only camera.

    Raises:
        BagError: There is no recording with images and labels, the topic is not in it, or there
            are several cameras and none is named.
    """
    from hiseg_ros.reports.label_video import Footage
    from hiseg_ros.viewer.cameras import find_cameras
    from hiseg_ros.viewer.source import open_source

    source = open_source(path)
    camera = _chosen(find_cameras(source.recording), topic, path)
    if camera.image is None:
        raise BagError(
            f'The recording {path} has neither images nor overlays for the labels of '
            f'{camera.node}; expected an image topic: record it too, or replay without `--omit`.'
        )
    is_overlay = camera.image.name.startswith(f'{camera.node}/')
    name = f'{camera.node}/labels'
    labels = next(topic for topic in source.recording.topics if topic.name == name)
    return Footage(source.recording, camera.image, is_overlay, labels, camera.taxonomy)


def _chosen(cameras: Sequence[SeenCamera], topic: str | None, path: Path) -> SeenCamera:
    """Return the camera with that topic or node name; the only one where `topic` is None."""
    fitting = [
        camera
        for camera in cameras
        if topic is None
        or topic == camera.node
        or (camera.image is not None and topic == camera.image.name)
    ]
    if len(fitting) == 1:
        return fitting[0]
    names = ', '.join(
        camera.node if camera.image is None else camera.image.name for camera in cameras
    )
    if topic is None:
        raise BagError(
            f'The recording {path} has several cameras ({names}); expected one: choose it with '
            '--topic.'
        )
    if fitting:
        nodes = ', '.join(camera.node for camera in fitting)
        raise BagError(
            f'The images on {topic} have the labels of several nodes ({nodes}); expected one '
            'node: choose it by its name with --topic.'
        )
    raise BagError(
        f'The recording {path} has no labels for {topic}; expected one of its cameras, {names}: '
        'choose one with --topic.'
    )
