# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Overlay video and images with legends from a recorded run of the node."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from hiseg_ros.bags.bag import read_images, read_taxonomy
from hiseg_ros.bags.stamps import header_stamp_ns
from hiseg_ros.errors import BagError, ConfigError, ImageError
from hiseg_ros.images import write_image
from hiseg_ros.replay.summary import Run, latencies_ms
from hiseg_ros.reports.film_clock import MAX_GAP_S
from hiseg_ros.reports.video import VideoWriter, with_strip
from hiseg_ros.visualization import (
    PlacedName,
    draw_names,
    place_names,
    to_height,
    with_legend,
)
from hiseg_ros.visualization.legend import MIN_HEIGHT


def write_video(
    recording: Path,
    run: Run,
    path: Path,
    *,
    node: str = '/segmentation',
    on_frame: Callable[[], object] = lambda: None,
) -> int:
    """Write the recorded overlays as a video, with names, and latency in a strip below.

    Args:
        recording: The recorded bag.
        run: The messages read from it.
        path: The video; ends in .mp4.
        node: Name of the recorded node.
        on_frame: Called after each frame, in the calling thread.

    Returns:
        The number of frames written.

    Raises:
        BagError: The recording has no overlays or no label tree.
        ConfigError: The video cannot be written.
    """
    stats = {header_stamp_ns(message): message for message in run.stats}
    latencies, _ = latencies_ms(run)
    position = {record.stamp_ns: i for i, record in enumerate(run.camera, start=1)}
    stamps = sorted(position)
    steps = [
        later - earlier
        for earlier, later in pairwise(stamps)
        if later - earlier <= MAX_GAP_S * 1e9
    ]
    rate_hz = len(steps) / (sum(steps) / 1e9) if steps else 15.0
    taxonomy = read_taxonomy(recording, node)
    labels = read_images(recording, f'{node}/labels')
    current, names = next(labels, None), tuple[PlacedName, ...]()
    with VideoWriter(path, rate_hz) as video:
        for stamp_ns, rgb in read_images(recording, f'{node}/overlay/image'):
            image = rgb.astype(np.uint8, copy=False)
            while current is not None and current[0] < stamp_ns:
                current = next(labels, None)
            if current is not None and current[0] == stamp_ns:
                ids = current[1].astype(np.uint8, copy=False)
                names = place_names(ids, taxonomy, names)
                image = draw_names(image, names, taxonomy)
            text = f'frame {position.get(stamp_ns, 0)} of {len(stamps)}'
            if stamp_ns in latencies:
                text += f'   latency {latencies[stamp_ns]:.0f} ms'
            if stamp_ns in stats:
                text += _stages(stats[stamp_ns])
            video.write(with_strip(image, text), stamp_ns)
            on_frame()
    if not video.frames:
        raise BagError(
            f'The recording {recording} has no overlays on {node}/overlay/image; expected one for '
            'each processed frame: run it again.'
        )
    return video.frames


def _stages(stats: Any) -> str:
    parts = [
        f'{name} {getattr(stats, f"{name}_ms"):.0f}'
        for name in ('decode', 'network', 'decision', 'messages', 'publish')
        if np.isfinite(getattr(stats, f'{name}_ms'))
    ]
    return f'   ({", ".join(parts)} ms)' if parts else ''


def write_images(
    recording: Path, run: Run, folder: Path, *, count: int = 4, node: str = '/segmentation'
) -> tuple[Path, ...]:
    """Write overlays at equal distances in the run, each with names and a legend of its nodes.

    Args:
        recording: The recorded bag.
        run: The messages read from it.
        folder: Folder for overlay_1.png, overlay_2.png, ...
        count: Number of images; fewer if fewer frames were processed.
        node: Name of the recorded node.

    Returns:
        The paths of the images.

    Raises:
        BagError: The recording lacks overlays, labels or the label tree.
        ConfigError: An image cannot be written.
    """
    taxonomy = read_taxonomy(recording, node)
    stamps = sorted(record.stamp_ns for record in run.labels)
    chosen = {stamps[i] for i in evenly_spaced(len(stamps), count)}
    labels_of = {
        stamp: labels.astype(np.uint8, copy=False)
        for stamp, labels in read_images(recording, f'{node}/labels')
        if stamp in chosen
    }
    paths: list[Path] = []
    for stamp, rgb in read_images(recording, f'{node}/overlay/image'):
        if stamp not in labels_of:
            continue
        path = folder / f'overlay_{len(paths) + 1}.png'
        height = max(MIN_HEIGHT, rgb.shape[0])
        image, labels = to_height(rgb.astype(np.uint8, copy=False), labels_of[stamp], height)
        image = draw_names(image, place_names(labels, taxonomy), taxonomy)
        image = with_legend(image, labels, taxonomy)
        try:
            write_image(path, image)
        except ImageError as problem:
            raise ConfigError(
                f'{path} cannot be written; expected a writable folder.'
            ) from problem
        paths.append(path)
    return tuple(paths)


def evenly_spaced(total: int, count: int) -> tuple[int, ...]:
    """Return the indices at the middles of `count` equal parts of `total` items, or of all."""
    count = min(total, count)
    return tuple((2 * i + 1) * total // (2 * count) for i in range(count))
