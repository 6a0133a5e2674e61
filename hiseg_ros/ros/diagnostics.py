# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What the node knows about its own health, and its messages on /diagnostics."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from hiseg_ros.ros.transport import Transport

WINDOW = 60
"""Frames over which rate and latency are averaged."""

RECENT_S = 5.0
"""Seconds for which a bad frame or a lost frame keeps the diagnostics at WARN."""


@dataclass(frozen=True)
class Counters:
    """Frames since the node was configured."""

    received: int = 0
    processed: int = 0
    dropped: int = 0
    bad: int = 0


@dataclass
class Health:
    """Counts, times and faults; written by both threads, read for messages.

    All times are of the monotonic clock, except the latency, which compares ROS stamps.
    """

    now: Callable[[], float] = time.monotonic
    state: str = 'unconfigured'
    facts: dict[str, str] = field(default_factory=dict)
    """What was configured: model, device, taxonomy and its digest, input topic."""

    def __post_init__(self) -> None:
        """Start with nothing counted."""
        self._lock = threading.Lock()
        self._fatal = ''
        self._last_error = ''
        self.reset()

    def reset(self) -> None:
        """Forget counts and times, as after a new configuration."""
        with self._lock:
            self._counters = Counters()
            self._done: deque[float] = deque(maxlen=WINDOW)
            self._latency_ms: deque[float] = deque(maxlen=WINDOW)
            self._last_image = self._last_bad = float('-inf')
            self._active_since = self.now()
            self._largest: dict[str, int] = {}

    def reset_times(self) -> None:
        """Forget rate and latency, as after the clock jumped back or the node was activated."""
        with self._lock:
            self._done.clear()
            self._latency_ms.clear()
            self._active_since = self.now()

    def received(self, dropped: int) -> None:
        """Note an image that arrived and the number of images overwritten so far."""
        with self._lock:
            old = self._counters
            self._counters = Counters(old.received + 1, old.processed, dropped, old.bad)
            self._last_image = self.now()

    def processed(self, latency_ms: float, message_bytes: Mapping[str, int]) -> Counters:
        """Note a finished frame and the sizes of its messages by topic."""
        with self._lock:
            old = self._counters
            self._counters = Counters(old.received, old.processed + 1, old.dropped, old.bad)
            self._done.append(self.now())
            if not math.isnan(latency_ms):
                self._latency_ms.append(latency_ms)
            for topic, size in message_bytes.items():
                self._largest[topic] = max(size, self._largest.get(topic, 0))
            return self._counters

    def bad_frame(self, reason: str) -> Counters:
        """Note an image that could not be read."""
        with self._lock:
            old = self._counters
            self._counters = Counters(old.received, old.processed, old.dropped, old.bad + 1)
            self._last_bad = self.now()
            self._last_error = reason
            return self._counters

    def failed(self, reason: str) -> None:
        """Note why the node could not be configured or left the active state."""
        with self._lock:
            self._last_error = self._fatal = reason

    def recovered(self) -> None:
        """Take back a fatal fault, as the node was configured or activated anew."""
        with self._lock:
            self._fatal = ''

    @property
    def counters(self) -> Counters:
        """Counts of now."""
        with self._lock:
            return self._counters

    @property
    def rate_hz(self) -> float:
        """Finished frames per second over the window; 0 where there are fewer than two."""
        with self._lock:
            return _rate(self._done)

    def status(self, name: str, image_timeout_s: float) -> DiagnosticStatus:
        """Return the state of the segmentation: level, one sentence, values."""
        with self._lock:
            counters, now = self._counters, self.now()
            silent_s = now - max(self._last_image, self._active_since)
            is_active = self.state == 'active'
            rate = _rate(self._done) if self._done and now - self._done[-1] < RECENT_S else 0.0
            latency = sorted(self._latency_ms)
            fatal, last_error = self._fatal, self._last_error
            bad_recently = now - self._last_bad < RECENT_S
        values = {
            'state': self.state,
            'rate [Hz]': f'{rate:.1f}',
            'latency median [ms]': f'{latency[len(latency) // 2]:.1f}' if latency else 'none',
            'latency max [ms]': f'{latency[-1]:.1f}' if latency else 'none',
            'frames received': str(counters.received),
            'frames processed': str(counters.processed),
            'frames dropped': str(counters.dropped),
            'frames unreadable': str(counters.bad),
            'last error': last_error or 'none',
            **self.facts,
        }
        if fatal:
            level, text = DiagnosticStatus.ERROR, fatal
        elif bad_recently:
            level, text = DiagnosticStatus.WARN, f'unreadable image: {last_error}'
        elif is_active and silent_s > image_timeout_s:
            topic = self.facts.get('image topic', 'image')
            level, text = DiagnosticStatus.WARN, f'no image on {topic} for {silent_s:.1f} s'
        else:
            level = DiagnosticStatus.OK
            text = f'{rate:.1f} Hz' if is_active else self.state
        return _status(name, level, text, values, self.facts.get('model', ''))

    def transport_status(self, name: str, transport: Transport) -> DiagnosticStatus:
        """Return whether the messages of this node fit the shared memory they go through."""
        with self._lock:
            largest = dict(self._largest)
        segment = transport.segment_bytes
        values = {
            'transport': transport.description,
            'segment [bytes]': 'no limit known' if segment is None else str(segment),
            **{f'{topic} [bytes]': str(size) for topic, size in sorted(largest.items())},
        }
        too_large = [t for t, size in sorted(largest.items()) if not transport.carries(size)]
        if too_large:
            return _status(
                name,
                DiagnosticStatus.WARN,
                f'messages on {", ".join(too_large)} exceed the shared-memory segment of '
                f'{segment} bytes and reach best-effort readers in part only: start the node '
                'with FASTRTPS_DEFAULT_PROFILES_FILE set to config/fastdds_shm.xml of hiseg_ros',
                values,
            )
        return _status(name, DiagnosticStatus.OK, 'messages fit the transport', values)


def _rate(times: deque[float]) -> float:
    if len(times) < 2 or times[-1] <= times[0]:
        return 0.0
    return (len(times) - 1) / (times[-1] - times[0])


def _status(
    name: str, level: bytes, text: str, values: Mapping[str, str], hardware: str = ''
) -> DiagnosticStatus:
    pairs = [KeyValue(key=key, value=value) for key, value in values.items()]
    return DiagnosticStatus(
        level=level, name=name, message=text, hardware_id=hardware, values=pairs
    )
