# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Health of one camera: counters of its frames, rate, latency, and what is wrong now."""

from __future__ import annotations

import dataclasses
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticStatus

from hiseg_ros.ros.health.arrival_rate import ArrivalRate
from hiseg_ros.ros.health.stamps import FUTURE, OVERTAKEN, StampWatch

WINDOW = 60
"""Number of frames over which rate and latency are averaged."""

RECENT_S = 5.0
"""Seconds for which a problem keeps the diagnostics at WARN."""

CAUSES = ('busy', 'stale', 'bad', 'unwanted', 'stopped', 'memory', 'rate')
"""Why a frame is dropped; see `Counters`."""

LABELS = {
    'received': 'frames received',
    'processed': 'frames processed',
    'busy': 'frames dropped busy',
    'stale': 'frames dropped stale',
    'bad': 'frames dropped malformed',
    'unwanted': 'frames dropped unwanted',
    'stopped': 'frames dropped stopped',
    'memory': 'frames dropped memory',
    'rate': 'frames dropped rate',
    'lost': 'messages lost',
}
"""Names of the counters in diagnostics."""


@dataclass(frozen=True)
class Counters:
    """Number of frames by their fate since the node was configured.

    Each frame that was received is processed, dropped for exactly one cause, or still waiting or
    in work.
    """

    received: int = 0
    processed: int = 0
    busy: int = 0
    """Replaced by a newer one of the same camera before work on them began."""
    stale: int = 0
    """Older than max_age_s when work on them began, or overtaken by a newer one on their way."""
    bad: int = 0
    """Malformed: the message could not be read as an image."""
    unwanted: int = 0
    """Nobody subscribed to any output."""
    stopped: int = 0
    """Arriving, waiting or in work when the node was deactivated or disabled, when the clock
    jumped back, or when an exception ended the work."""
    memory: int = 0
    """Too large for the device's memory, even alone and at the reduced input size."""
    lost: int = 0
    """Not received: published, but lost on their way or replaced by a newer one before the node
    took them."""
    rate: int = 0
    """Came sooner after the one before than max_rate allows."""

    @property
    def dropped(self) -> int:
        """Frames dropped for any cause."""
        return sum(getattr(self, cause) for cause in CAUSES)

    def as_fields(self) -> dict[str, int]:
        """Return the counts by the names of their fields in FrameStats.

        That message has no field for frames that `max_rate` leaves out, so they do not count as
        received there.
        """
        return {
            'received': self.received - self.rate,
            'processed': self.processed,
            'dropped_busy': self.busy,
            'dropped_stale': self.stale,
            'dropped_malformed': self.bad,
            'dropped_unwanted': self.unwanted,
            'dropped_stopped': self.stopped,
            'dropped_memory': self.memory,
            'lost': self.lost,
        }

    def __add__(self, other: Counters) -> Counters:
        """Return the sums of the counters of two cameras."""
        sums = (
            getattr(self, field.name) + getattr(other, field.name)
            for field in dataclasses.fields(self)
        )
        return Counters(*sums)


@dataclass
class _Problem:
    """The last problem of one kind, and when it was noted."""

    text: str = ''
    time_s: float = -math.inf


@dataclass
class CameraHealth:
    """Counters, times and problems of a camera; all threads may write and read.

    All times are of the monotonic clock, except the latency, which compares ROS stamps.
    """

    topic: str = 'image'
    """Topic of its images."""

    now: Callable[[], float] = time.monotonic
    _problems: dict[str, _Problem] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Start all counters at zero."""
        self._lock = threading.Lock()
        self._counters = Counters()
        self._done: deque[float] = deque(maxlen=WINDOW)
        self._latency_ms: deque[float] = deque(maxlen=WINDOW)
        self._arrivals = ArrivalRate(self.now)
        self._stamps = StampWatch()
        self._last_image = -math.inf
        self._active_since = self.now()
        self._incompatible = ''
        self._last_error, self._last_error_s = '', -math.inf
        self._largest: dict[str, int] = {}

    def reset_times(self) -> None:
        """Forget rate, latency and stamps, as after the clock jumped back."""
        with self._lock:
            self._done.clear()
            self._arrivals.forget()
            self._latency_ms.clear()
            self._stamps.forget()
            self._active_since = self.now()

    def received(self, stamp_ns: int, now_ns: int) -> bool:
        """Note an image that arrived.

        Args:
            stamp_ns: Its stamp; 0 for none.
            now_ns: The node's clock.

        Returns:
            False where a newer one has overtaken it, so that it is to be dropped as stale.
        """
        with self._lock:
            self._count('received')
            self._last_image = self.now()
            self._arrivals.arrived()
            found = self._stamps.see(stamp_ns, now_ns)
            if found == FUTURE:
                ahead_s = (stamp_ns - now_ns) / 1e9
                self._note('stamps', f'stamps lie {ahead_s:.1f} s ahead of the clock of the node')
            return found != OVERTAKEN

    def processed(self, latency_ms: float, message_bytes: Mapping[str, int]) -> Counters:
        """Count a frame whose results were published.

        Args:
            latency_ms: From its stamp to the last of its messages; a negative one, as of a stamp
                in the future, and NaN are not averaged.
            message_bytes: Size of each message by topic.

        Returns:
            The counters, this frame included.
        """
        with self._lock:
            self._count('processed')
            self._done.append(self.now())
            if self.now() - self._last_error_s > RECENT_S:
                self._last_error = ''
            if latency_ms >= 0.0:  # false for NaN
                self._latency_ms.append(latency_ms)
            for topic, size in message_bytes.items():
                self._largest[topic] = max(size, self._largest.get(topic, 0))
            return self._counters

    def sized(self, topic: str, size: int) -> None:
        """Note the bytes of a message that was published beside its frame's others."""
        with self._lock:
            self._largest[topic] = max(size, self._largest.get(topic, 0))

    def dropped(self, cause: str, reason: str = '') -> Counters:
        """Count a frame that gets no results.

        Args:
            cause: One of `CAUSES`.
            reason: Why, for the diagnostics, which then are WARN for `RECENT_S`; '' for a cause
                that is no problem.

        Raises:
            ValueError: There is no such cause.
        """
        if cause not in CAUSES:
            raise ValueError(f'A frame is dropped for {cause!r}; expected one of {CAUSES}.')
        with self._lock:
            self._count(cause)
            if reason:
                self._note(cause, f'unreadable image: {reason}' if cause == 'bad' else reason)
                self._last_error, self._last_error_s = reason, self.now()
            return self._counters

    def missed(self, count: int) -> None:
        """Count images that were published and never received, without a warning."""
        with self._lock:
            self._count('lost', count)
            self._arrivals.missed(count)

    def lost(self, count: int) -> None:
        """Count images that the middleware reports as lost on their way, and warn of it.

        Args:
            count: Images that were not counted before.
        """
        with self._lock:
            self._count('lost', count)
            self._arrivals.missed(count)
            self._note('lost', f'messages of {self.topic} were lost on their way')

    def warn(self, kind: str, reason: str) -> None:
        """Set the diagnostics to WARN for `RECENT_S`.

        Args:
            kind: Of the problem; a later reason of the same kind replaces this one.
            reason: What the diagnostics say.
        """
        with self._lock:
            self._note(kind, reason)

    @property
    def incompatible(self) -> str:
        """Why a publisher of the topic is not heard; '' where all are heard."""
        return self._incompatible

    @incompatible.setter
    def incompatible(self, reason: str) -> None:
        self._incompatible = reason

    def _count(self, name: str, count: int = 1) -> None:
        changed = {name: getattr(self._counters, name) + count}
        self._counters = dataclasses.replace(self._counters, **changed)

    def _note(self, kind: str, text: str) -> None:
        self._problems[kind] = _Problem(text, self.now())

    @property
    def counters(self) -> Counters:
        """The current counters."""
        with self._lock:
            return self._counters

    @property
    def last_error(self) -> str:
        """Why the last frame was dropped that had a reason; '' for none.

        A frame that is processed `RECENT_S` later, or more, clears it.
        """
        with self._lock:
            return self._last_error

    @property
    def largest(self) -> Mapping[str, int]:
        """Bytes of the largest message so far by topic."""
        with self._lock:
            return dict(self._largest)

    @property
    def rate_hz(self) -> float:
        """Processed frames per second; 0 where none was processed within `RECENT_S`."""
        with self._lock:
            if not self._done or self.now() - self._done[-1] > RECENT_S:
                return 0.0
            span_s = self._done[-1] - self._done[0]
            return (len(self._done) - 1) / span_s if span_s > 0.0 else 0.0

    @property
    def arrival_hz(self) -> float:
        """Images per second that the camera sends, lost ones included; 0 where it sends none."""
        with self._lock:
            return self._arrivals.hz

    def condition(self, is_expected: bool, timeout_s: float) -> tuple[bytes, str]:
        """Return the diagnostic level, OK, WARN or STALE, and its sentence.

        Args:
            is_expected: Whether images should be arriving.
            timeout_s: Seconds without an image after which the camera is STALE.
        """
        with self._lock:
            now = self.now()
            silent_s = now - max(self._last_image, self._active_since)
            texts = [p.text for p in self._problems.values() if now - p.time_s < RECENT_S]
            if self._incompatible:
                texts.insert(0, self._incompatible)
        if is_expected and silent_s > timeout_s:
            texts.insert(0, f'no image on {self.topic} for {silent_s:.1f} s')
            return DiagnosticStatus.STALE, '; '.join(texts)
        if texts:
            return DiagnosticStatus.WARN, '; '.join(texts)
        return DiagnosticStatus.OK, f'{self.rate_hz:.1f} Hz'

    def values(self) -> dict[str, str]:
        """Return the values of the diagnostics: rate, latency, counters, stamps, last error."""
        with self._lock:
            latency = sorted(self._latency_ms)
            counters, stamps = self._counters, self._stamps.counts
        return {
            'rate [Hz]': f'{self.rate_hz:.1f}',
            'camera rate [Hz]': f'{self.arrival_hz:.1f}',
            'latency median [ms]': f'{latency[len(latency) // 2]:.1f}' if latency else 'none',
            'latency max [ms]': f'{latency[-1]:.1f}' if latency else 'none',
            **{label: str(getattr(counters, name)) for name, label in LABELS.items()},
            **{f'stamps {kind}': str(count) for kind, count in stamps.items()},
            'last error': self.last_error or 'none',
        }
