# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A drawn recording of a running node: every latency and every gap is known."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from replay_support import drive, tree
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from rosbags.typesys.store import Typestore

from hiseg_ros.bags.builder import messages
from hiseg_ros.bags.footage import EPOCH_NS
from hiseg_ros.bags.hiseg_types import node_types
from hiseg_ros.messages.build import DROP_CAUSES, STAGES

MS = 1_000_000
STEP_MS = 100

Row = tuple[int, str, str, Any]
"""Recording time, topic, type, message."""


@dataclass(frozen=True)
class LiveCamera:
    """One camera and what was recorded of its results."""

    latency_ms: Mapping[int, float]
    """From stamp to the arrival of the labels, by number of the image; others have none."""
    images: int = 40
    topic: str = '/camera/image_raw'
    place: str = '/segmentation'
    counters: Mapping[int, Mapping[str, int]] = field(default_factory=dict)
    """That changed with a result; all others stay."""
    first_processed: int = 1
    """What the first statistics say was processed so far."""
    arrival_ms: float = 2.0
    """From stamp to the arrival of the image."""


def write_live(
    path: Path,
    cameras: Sequence[LiveCamera],
    *,
    stats: bool = True,
    taxonomy: bool = True,
    diagnostics: Mapping[str, Sequence[Mapping[str, int]]] | None = None,
    types: Typestore | None = None,
    size: tuple[int, int] = (16, 32),
) -> Path:
    """Write the recording.

    Args:
        path: The bag's folder.
        cameras: All of them have the same images.
        stats: Whether the node's statistics were recorded.
        taxonomy: Whether its label tree was.
        diagnostics: The values of each status, by its name, from report to report.
        types: With another definition of FrameStats.
        size: (H, W) of the images.
    """
    types, today = types or node_types(), node_types()
    rows: list[Row] = []
    for camera in cameras:
        if taxonomy:
            node = camera.place if len(cameras) == 1 else '/segmentation'
            message = messages.taxonomy_message(tree())
            rows.append((EPOCH_NS - MS, f'{node}/taxonomy', 'hiseg_ros/msg/Taxonomy', message))
    kinds = get_typestore(Stores.ROS2_JAZZY).types
    for name, reports in (diagnostics or {}).items():
        for number, values in enumerate(reports):
            pairs = [
                kinds['diagnostic_msgs/msg/KeyValue'](key=f'frames {key}', value=str(value))
                for key, value in values.items()
            ]
            status = kinds['diagnostic_msgs/msg/DiagnosticStatus'](
                level=0, name=name, message='', hardware_id='', values=pairs
            )
            time_ns = EPOCH_NS + number * 1000 * MS
            report = kinds['diagnostic_msgs/msg/DiagnosticArray'](
                header=messages.header(time_ns, 'camera'), status=[status]
            )
            rows.append((time_ns, '/diagnostics', 'diagnostic_msgs/msg/DiagnosticArray', report))
    rows.sort(key=lambda row: row[0])
    recorded = [_camera_rows(camera, types if stats else None, size) for camera in cameras]
    with Writer(path, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        connections = {}
        for time_ns, topic, kind, message in heapq.merge(
            rows, *map(in_order, recorded), key=lambda row: row[0]
        ):
            store = types if kind == 'hiseg_ros/msg/FrameStats' else today
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=store)
            writer.write(connections[topic], time_ns, store.serialize_cdr(message, kind))
    return path


def in_order(rows: Iterable[Row]) -> Iterator[Row]:
    """Yield messages by recording time that are at most a thousand places off."""
    waiting: list[tuple[int, int, Row]] = []
    for number, row in enumerate(rows):
        heapq.heappush(waiting, (row[0], number, row))
        if len(waiting) > 1000:
            yield heapq.heappop(waiting)[2]
    while waiting:
        yield heapq.heappop(waiting)[2]


def _camera_rows(
    camera: LiveCamera, stats: Typestore | None, size: tuple[int, int]
) -> Iterator[Row]:
    counters = dict.fromkeys(DROP_CAUSES, 0)
    processed = camera.first_processed - 1
    for number, frame in enumerate(drive(camera.images, size=size)):
        stamp_ns = EPOCH_NS + number * STEP_MS * MS
        header = messages.header(stamp_ns, 'camera')
        arrived_ns = stamp_ns + round(camera.arrival_ms * MS)
        image = messages.image_message(header, frame.rgb)
        yield arrived_ns, camera.topic, 'sensor_msgs/msg/Image', image
        if number not in camera.latency_ms:
            continue
        processed += 1
        counters |= camera.counters.get(number, {})
        done_ns = stamp_ns + round(camera.latency_ms[number] * MS)
        labels = messages.labels_message(header, np.zeros(size, np.uint8))
        yield done_ns, f'{camera.place}/labels', 'sensor_msgs/msg/Image', labels
        if stats is not None:
            kind = 'hiseg_ros/msg/FrameStats'
            message = _stats(stats, kind, header, number, processed, counters)
            yield done_ns + MS, f'{camera.place}/stats', kind, message


def _stats(
    types: Typestore, kind: str, header: Any, number: int, processed: int, counters: Any
) -> Any:
    values: dict[str, Any] = dict.fromkeys((name for name, _ in types.fielddefs[kind][1]), 0)
    values |= {'header': header, 'received': number + 1, 'processed': processed}
    values |= {name: '' for name in ('device', 'backend', 'note') if name in values}
    values |= {f'dropped_{cause}': count for cause, count in counters.items()}
    # Each stage has its own time, but for one that was not measured.
    values |= {f'{name}_ms': float(place + number) for place, name in enumerate(STAGES)}
    values['queue_ms'] = float('nan')
    return types.types[kind](**{name: values[name] for name, _ in types.fielddefs[kind][1]})
