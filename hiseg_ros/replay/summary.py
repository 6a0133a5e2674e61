# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Summary of a recorded run of the node: frames, drops, latency and rates from its messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hiseg_ros.bags.bag import Bag
from hiseg_ros.bags.stamps import header_stamp_ns, read_stamp_ns
from hiseg_ros.errors import BagError

STAGES = ('queue', 'decode', 'preprocess', 'network', 'decision', 'messages', 'publish')
"""Stages that are summarised; fields of FrameStats with the suffix _ms."""


MAX_LATENCY_MS = 60_000
"""A median latency above this, or below zero, means that stamps and recording times come from two
clocks."""


@dataclass(frozen=True)
class FrameRecord:
    """Stamp and arrival of one message."""

    stamp_ns: int
    """Header stamp: when the camera took the image."""
    received_ns: int
    """Time at which the recorder's middleware received the message."""


@dataclass(frozen=True)
class Run:
    """The messages of a recorded run that the summary is computed from."""

    camera: Sequence[FrameRecord]
    labels: Sequence[FrameRecord]
    stats: Sequence[Any]
    """FrameStats messages."""
    image_size: tuple[int, int] | None
    """(height, width) of the labels; None where there are none."""
    counts: Mapping[str, int]
    """Number of messages by topic, in the whole recording."""


def read_run(path: Path, camera_topic: str, node: str = '/segmentation') -> Run:
    """Read the messages that the summary needs from a recording.

    Args:
        path: The recorded bag.
        camera_topic: Topic of the images.
        node: Name of the recorded node.

    Raises:
        BagError: The recording cannot be read or has no camera.
    """
    frames: dict[str, list[FrameRecord]] = {camera_topic: [], f'{node}/labels': []}
    stats: list[Any] = []
    image_size = None
    with Bag(path) as bag:
        bag.topic(camera_topic)
        counts = {topic.name: topic.count for topic in bag.topics}
        for message in bag.raw([*frames, f'{node}/stats']):
            if message.topic in frames:
                record = FrameRecord(read_stamp_ns(message.data), message.time_ns)
                frames[message.topic].append(record)
            else:
                stats.append(bag.decode(message))
            if image_size is None and message.topic == f'{node}/labels':
                labels = bag.decode(message)
                image_size = (int(labels.height), int(labels.width))
    camera, labels_of = frames[camera_topic], frames[f'{node}/labels']
    return Run(camera, labels_of, stats, image_size, counts)


def latencies_ms(run: Run) -> tuple[dict[int, float], bool]:
    """Return the latency of each label image in ms by stamp, and whether it counts from the stamp.

    Where the stamps come from another clock than the recording times, it counts from the arrival
    of the image at the recorder.
    """
    from_stamp = {r.stamp_ns: (r.received_ns - r.stamp_ns) / 1e6 for r in run.labels}
    if not from_stamp or 0 <= float(np.median(list(from_stamp.values()))) <= MAX_LATENCY_MS:
        return from_stamp, True
    arrived = {record.stamp_ns: record.received_ns for record in run.camera}
    return {
        record.stamp_ns: (record.received_ns - arrived[record.stamp_ns]) / 1e6
        for record in run.labels
        if record.stamp_ns in arrived
    }, False


def summarize(run: Run) -> dict[str, Any]:
    """Return the summary of a run.

    `frames_published` counts the images with a stamp of their own, `frames_processed` those with
    labels or statistics, and `frames_dropped` the others. `images_not_recorded` and
    `labels_not_recorded` count the messages that the recorder missed. `latency_ms` is the time
    from an image's stamp, set when it was published, to the arrival of its labels at another
    process; `node_latency_ms` is measured by the node, to its last publish. Where stamps are of
    another clock (`is_one_clock`), the first counts from the arrival of the image, and the second
    is not known. Rates are frames per second between the first and last stamp.

    Raises:
        BagError: No image was recorded.
    """
    camera = {record.stamp_ns for record in run.camera}
    labelled = {record.stamp_ns for record in run.labels}
    processed = labelled | {header_stamp_ns(stats) for stats in run.stats}
    if not camera:
        raise BagError('The recording has no camera images; expected at least one: run it again.')
    # On an overloaded machine the recorder may miss an image that the node has seen.
    published = camera | processed
    latencies, is_one_clock = latencies_ms(run)
    latency = list(latencies.values())
    own = [float(stats.latency_ms) for stats in run.stats if is_one_clock]
    size = run.image_size
    return {
        'frames_published': len(published),
        'frames_processed': len(processed),
        'frames_dropped': len(published) - len(processed),
        'images_not_recorded': len(processed - camera),
        'labels_not_recorded': len(processed - labelled),
        'is_one_clock': is_one_clock,
        'latency_ms': percentiles(latency),
        'node_latency_ms': percentiles(own),
        'rate_hz': rate_hz(sorted(processed)),
        'input_rate_hz': rate_hz(sorted(published)),
        'stages_ms': {
            stage: percentiles([float(getattr(s, f'{stage}_ms')) for s in run.stats])['median']
            for stage in STAGES
            if run.stats
        },
        'image_size': None if size is None else {'height': size[0], 'width': size[1]},
        'device': str(run.stats[-1].device) if run.stats else '',
        'messages': dict(run.counts),
    }


def percentiles(values: Sequence[float]) -> dict[str, float | None]:
    """Return median and 95th percentile, rounded to 0.01; None where there is no finite value."""
    finite = np.asarray([v for v in values if np.isfinite(v)])
    if not finite.size:
        return {'median': None, 'p95': None}
    median, p95 = np.percentile(finite, [50, 95])
    return {'median': round(float(median), 2), 'p95': round(float(p95), 2)}


def rate_hz(stamps_ns: Sequence[int]) -> float | None:
    """Return frames per second between the first and the last stamp; None below two frames."""
    if len(stamps_ns) < 2 or stamps_ns[-1] <= stamps_ns[0]:
        return None
    return round((len(stamps_ns) - 1) * 1e9 / (stamps_ns[-1] - stamps_ns[0]), 2)


def table(summary: Mapping[str, Any]) -> str:
    """Return the main values of a summary as a short table."""
    size, latency = summary['image_size'], summary['latency_ms']

    def number(value: float | None, unit: str) -> str:
        return 'none' if value is None else f'{value:.1f} {unit}'

    since = '' if summary.get('is_one_clock', True) else ' from arrival'
    rows = [
        ('image size', 'none' if size is None else f'{size["width"]} x {size["height"]}'),
        ('frames published', f'{summary["frames_published"]}'),
        ('frames processed', f'{summary["frames_processed"]}'),
        ('frames dropped', f'{summary["frames_dropped"]}'),
        ('camera rate', number(summary['input_rate_hz'], 'Hz')),
        ('label rate', number(summary['rate_hz'], 'Hz')),
        (f'latency{since}, median', number(latency['median'], 'ms')),
        (f'latency{since}, 95 %', number(latency['p95'], 'ms')),
        ('device', summary['device'] or 'unknown'),
    ]
    width = max(len(name) for name, _ in rows)
    return '\n'.join(f'  {name:<{width}}  {value}' for name, value in rows)
