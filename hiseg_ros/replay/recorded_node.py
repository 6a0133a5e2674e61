# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Reading latency and drops of a running node from its recording, message by message."""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.bags.bag import Topic
from hiseg_ros.bags.message_stream import StreamMessage
from hiseg_ros.bags.node_results import STATS, result_places
from hiseg_ros.bags.raw_message import RawMessage
from hiseg_ros.bags.stamps import read_stamp_ns
from hiseg_ros.errors import ImageError
from hiseg_ros.messages.build import DROP_CAUSES, STAGES
from hiseg_ros.replay.live_metrics import LiveData, live_metrics

DIAGNOSTICS, DIAGNOSTICS_TYPE = '/diagnostics', 'diagnostic_msgs/msg/DiagnosticArray'

_NUMBER = re.compile(r'[0-9]{1,18}')
_SHORTEST = 12
"""Fewest bytes of a serialised message with a header stamp."""
_LATEST = 2**62
"""Recording times in ns from here on, the year 2116, come from damaged data."""


class _Arrivals:
    """Stamps and recording times of the messages of a topic, in 16 bytes each."""

    def __init__(self) -> None:
        self._stamps, self._times = array('q'), array('q')

    def add(self, message: RawMessage) -> None:
        is_whole = len(message.data) >= _SHORTEST and 0 <= message.time_ns < _LATEST
        if is_whole and (stamp_ns := read_stamp_ns(message.data)):  # zero means no stamp
            self._stamps.append(stamp_ns)
            self._times.append(message.time_ns)

    def arrays(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return stamps and recording times by ascending stamp, the first of equal stamps."""
        stamps, first = np.unique(np.array(self._stamps, np.int64), return_index=True)
        return stamps, np.array(self._times, np.int64)[first]


class _Counters:
    """Sum of the increases of counters that start at zero whenever the node is configured."""

    def __init__(self) -> None:
        self._last: dict[str, int] | None = None
        self._processed = 0
        self._bag = ''
        self.rise: dict[str, int] = {}

    def add(self, bag: str, processed: int, values: dict[str, int]) -> None:
        """Add a report.

        Args:
            bag: The recording that holds it.
            processed: Number of frames processed so far.
            values: Number of frames dropped so far, by cause.
        """
        if bag != self._bag:  # what happened between two recordings is not counted
            self._bag, self._last, self._processed = bag, None, 0
        is_anew = processed < self._processed or (self._last is None and processed <= 1)
        last = {} if is_anew else self._last
        # A recording that started later: count from its first report on.
        last = values if last is None else last
        for cause, value in values.items():
            self.rise[cause] = self.rise.get(cause, 0) + value - last.get(cause, 0)
        self._last, self._processed = values, processed


class _Place:
    """Data of one camera's results so far."""

    def __init__(self) -> None:
        self.labels = _Arrivals()
        self.times = {name: array('f') for name in STAGES}
        self.stats, self.diagnostics = _Counters(), _Counters()


class LiveRun:
    """Collects the data for latency and drops; about a hundred bytes for each frame."""

    def __init__(self, topics: Iterable[Topic], cameras: Sequence[str]) -> None:
        """Find the topics; without results of a node there are none, and nothing is collected.

        Args:
            topics: Topics of all recordings.
            cameras: Names of the image topics.
        """
        known = {topic.name: topic.message_type for topic in topics}
        self._places = {place: _Place() for place in result_places(topics)}
        self._images = {camera: _Arrivals() for camera in cameras if self._places}
        self._labels = {f'{place}/labels': place for place in self._places}
        self._stats = {
            f'{place}/stats': place
            for place in self._places
            if known.get(f'{place}/stats') == STATS
        }
        has_all = len(self._stats) == len(self._places)
        has_diagnostics = known.get(DIAGNOSTICS) == DIAGNOSTICS_TYPE and not has_all
        self.topics = frozenset({*self._labels, *self._stats}) - set(cameras)
        """Names of the topics whose messages `add` takes."""
        if has_diagnostics:
            self.topics |= {DIAGNOSTICS}

    def add_image(self, message: RawMessage) -> None:
        """Count an image of a camera."""
        if message.topic in self._images:
            self._images[message.topic].add(message)

    def add(self, message: StreamMessage) -> None:
        """Count a message of one of the topics; an unreadable one is skipped."""
        topic = message.raw.topic
        if topic in self._labels:
            self._places[self._labels[topic]].labels.add(message.raw)
            return
        try:
            decoded = message.decode()
        except ImageError:
            return
        if topic in self._stats:
            self._add_stats(message.bag, self._places[self._stats[topic]], decoded)
        else:
            self._add_diagnostics(message.bag, decoded)

    def _add_stats(self, bag: str, place: _Place, stats: Any) -> None:
        for name, column in place.times.items():
            column.append(float(getattr(stats, f'{name}_ms', math.nan)))
        names = {cause: f'dropped_{cause}' for cause in DROP_CAUSES}
        values = {c: int(getattr(stats, n)) for c, n in names.items() if hasattr(stats, n)}
        place.stats.add(bag, int(getattr(stats, 'processed', 0)), values)

    def _add_diagnostics(self, bag: str, report: Any) -> None:
        by_name = {status.name: status for status in report.status}
        for name, place in self._places.items():
            node, _, camera = name.rpartition('/')
            # Status of a node with one camera, or of one camera of several.
            titles = (f'{name}: segmentation', f'{node}: camera {camera}')
            status = next((by_name[title] for title in titles if title in by_name), None)
            if status is None:
                continue
            values = {e.key: int(e.value) for e in status.values if _NUMBER.fullmatch(e.value)}
            found = {cause: values.get(f'frames dropped {cause}') for cause in DROP_CAUSES}
            place.diagnostics.add(
                bag,
                values.get('frames processed', 0),
                {cause: value for cause, value in found.items() if value is not None},
            )

    def summary(self) -> list[dict[str, Any]] | None:
        """Return the metrics of each camera; None if no running node was recorded."""
        if not self._places:
            return None
        images = {camera: arrivals.arrays() for camera, arrivals in self._images.items()}
        found = []
        for name, place in self._places.items():
            stamps, times_ns = place.labels.arrays()
            camera = _camera_of(name, stamps, {c: known for c, (known, _) in images.items()})
            if camera is None:
                continue
            rise = place.stats.rise or place.diagnostics.rise
            data = LiveData(
                *images[camera], stamps, times_ns,
                {n: np.array(column, np.float64) for n, column in place.times.items()}, rise,
            )  # fmt: skip
            if data.is_live:
                found.append({'camera': camera, 'node': name, **live_metrics(data)})
        # Drop results of a camera that is not replayed but has the stamps of one that is.
        found = [
            row
            for row in found
            if _shared_words(row) == max(map(_shared_words, _of(row['camera'], found)))
        ]
        order = list(images)
        found.sort(key=lambda row: (order.index(row['camera']), row['node']))
        return found or None


def _of(camera: str, rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row['camera'] == camera]


def _shared_words(row: Mapping[str, Any]) -> int:
    return len(set(row['node'].split('/')) & set(row['camera'].split('/')))


def _camera_of(
    place: str, stamps: NDArray[np.int64], images: dict[str, NDArray[np.int64]]
) -> str | None:
    """Return the camera whose images have the stamps of some results.

    Where cameras are triggered together, the names decide: /front/image_raw belongs to
    /front/segmentation as well as to /segmentation/front.
    """
    shared = {camera: int(np.isin(stamps, known).sum()) for camera, known in images.items()}
    most = max(shared.values(), default=0)
    if not most:
        return None
    return max(
        (camera for camera, count in shared.items() if 2 * count >= most),
        key=lambda c: (_shared_words({'node': place, 'camera': c}), shared[c]),
    )
