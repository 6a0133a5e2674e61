# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Diagnostic statuses of the node: the node itself, its transport, each of its cameras."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from hiseg_ros.ros.health import shared_memory
from hiseg_ros.ros.health.camera_health import LABELS, RECENT_S, CameraHealth, Counters
from hiseg_ros.ros.health.transport import Transport


@dataclass
class NodeHealth:
    """State and errors of the node as a whole; all threads may write and read."""

    state: str = 'unconfigured'
    enabled: bool = True
    """Whether it takes images while active; see ~/set_enabled."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """Model, device, backend, precision, taxonomy and image topic of the session."""
    live_facts: Callable[[], Mapping[str, str]] = dict
    """Returns what changes while the session runs, such as the size of the network's input."""
    warnings: dict[str, str] = field(default_factory=dict)
    """Problems of the node's surroundings now, by kind; '' for none."""
    last_error: str = ''
    fatal: str = ''
    """Why the node could not be configured or left the active state; '' where it did not."""

    now: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        """Start with nothing refused."""
        self._lock = threading.Lock()
        self._refused = 0
        self._refusal, self._refusal_s = '', -math.inf

    def refused(self, text: str) -> None:
        """Count a request or message from outside that was refused.

        Args:
            text: Why; the diagnostics say so at WARN for `RECENT_S`.
        """
        with self._lock:
            self._refused += 1
            self._refusal, self._refusal_s = text, self.now()

    def failed(self, reason: str) -> None:
        """Note why the node could not be configured or left the active state."""
        self.last_error = self.fatal = reason

    def recovered(self) -> None:
        """Clear the errors, as the node was configured or activated again."""
        self.fatal = self.last_error = ''

    def statuses(
        self, name: str, cameras: Mapping[str, CameraHealth], image_timeout_s: float
    ) -> list[DiagnosticStatus]:
        """Return the node's status and, where cameras have names, one for each of them.

        Args:
            name: Of the node.
            cameras: By name; the only camera of a node may have the name ''.
            image_timeout_s: Seconds without an image after which a camera is STALE.
        """
        is_working = self.state == 'active' and self.enabled
        named = {camera: health for camera, health in cameras.items() if camera}
        values = {'state': self.state, 'enabled': str(self.enabled).lower()}
        with self._lock:
            values['requests refused'] = str(self._refused)
            refusal = self._refusal if self.now() - self._refusal_s < RECENT_S else ''
        level, text = DiagnosticStatus.OK, self.state
        if '' in cameras:
            level, text = cameras[''].condition(is_working, image_timeout_s)
            values.update(cameras[''].values())
        elif cameras:
            rates = sum(health.rate_hz for health in cameras.values())
            text = f'{rates:.1f} Hz in all of {len(cameras)} cameras'
            counters = total(list(cameras.values()))
            values.update({label: str(getattr(counters, n)) for n, label in LABELS.items()})
        if level == DiagnosticStatus.OK and not is_working:
            text = self.state if self.enabled else f'{self.state}, disabled by ~/set_enabled'
        if odd := [warning for warning in (*self.warnings.values(), refusal) if warning]:
            level = max(level, DiagnosticStatus.WARN)
            text = '; '.join([*odd, text])
        if self.fatal:
            level, text = DiagnosticStatus.ERROR, self.fatal
        if self.last_error or 'last error' not in values:
            values['last error'] = self.last_error or 'none'
        model, facts = self.facts.get('model', ''), {**self.facts, **self.live_facts()}
        found = [_status(f'{name}: segmentation', level, text, {**values, **facts}, model)]
        for camera, health in named.items():
            level, text = health.condition(is_working, image_timeout_s)
            if level == DiagnosticStatus.OK and not is_working:
                text = self.state
            values = {'image topic': health.topic, **health.values()}
            found.append(_status(f'{name}: camera {camera}', level, text, values, health.topic))
        return found


def total(cameras: Sequence[CameraHealth]) -> Counters:
    """Return the sums of the counters of all cameras."""
    return sum((health.counters for health in cameras), Counters())


def transport_status(
    name: str, transport: Transport, cameras: Mapping[str, CameraHealth]
) -> DiagnosticStatus:
    """Return a status that warns of messages too large for the shared memory, or of too little."""
    largest = {
        '/'.join(filter(None, (camera, topic))): size
        for camera, health in cameras.items()
        for topic, size in health.largest.items()
    }
    segment, free = transport.segment_bytes, shared_memory.free_bytes()
    values = {
        'transport': transport.description,
        'segment [bytes]': 'no limit known' if segment is None else str(segment),
        'shared memory free [bytes]': 'unknown' if free is None else str(free),
        **{f'{topic} [bytes]': str(size) for topic, size in sorted(largest.items())},
    }
    too_large = [t for t, size in sorted(largest.items()) if not transport.carries(size)]
    if too_large:
        return _status(
            name,
            DiagnosticStatus.WARN,
            f'messages on {", ".join(too_large)} exceed the shared-memory segment of '
            f'{segment} bytes and reach best-effort subscribers in part only: start the node '
            'with FASTRTPS_DEFAULT_PROFILES_FILE set to config/fastdds_shm.xml of hiseg_ros',
            values,
        )
    if shortage := _shortage(segment):
        return _status(name, DiagnosticStatus.WARN, shortage, values)
    return _status(name, DiagnosticStatus.OK, 'messages fit the transport', values)


def _shortage(segment: int | None) -> str:
    """Return what is wrong with the machine's shared memory, and the remedy; '' for none."""
    own, free = shared_memory.own_segment_bytes(), shared_memory.free_bytes()
    if segment is None or own is None or free is None:
        return ''
    remedy = (
        'free it (`fastdds shm clean` removes what killed processes left) or enlarge it '
        '(a container by --shm-size=1g)'
    )
    left = f'{shared_memory.FOLDER} has {free / 1e6:.0f} MB left'
    if own < segment:
        return (
            f'Fast DDS got no shared memory of {segment / 1e6:.0f} MB and sends images over the '
            f'network stack, which is slow and loses some; {left}: {remedy}, then start the node '
            'again'
        )
    if free < segment:
        return (
            f'shared memory runs out: {left}, and the next process that starts, such as a camera '
            f'driver, needs {segment / 1e6:.0f} MB: {remedy}'
        )
    return ''


def _status(
    name: str, level: bytes, text: str, values: Mapping[str, str], hardware: str = ''
) -> DiagnosticStatus:
    pairs = [KeyValue(key=key, value=value) for key, value in values.items()]
    return DiagnosticStatus(
        level=level, name=name, message=text, hardware_id=hardware, values=pairs
    )
