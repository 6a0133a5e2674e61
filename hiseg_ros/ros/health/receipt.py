# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The receipt of a frame: it is counted once, as processed or as dropped for one cause."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from hiseg_ros.ros.health.camera_health import CameraHealth, Counters


class Receipt:
    """Counts what becomes of one received frame, exactly once.

    Whoever works on the frame holds its receipt as a context manager. Several holders may overlap,
    in different threads too, as when a frame is handed to the publish thread. Should the last
    holder let go of a frame that has not been counted, because an exception ended the work on it,
    it is counted as dropped for the cause 'stopped'.
    """

    def __init__(self, health: CameraHealth) -> None:
        """Start without a fate.

        Args:
            health: Of the frame's camera; its counters are the ones that count.
        """
        self._health = health
        self._lock = threading.Lock()
        self._holders = 0
        self._fate = ''

    @property
    def fate(self) -> str:
        """'processed' or the cause the frame was dropped for; '' as long as it has no fate."""
        return self._fate

    def processed(self, latency_ms: float, message_bytes: Mapping[str, int]) -> Counters:
        """Count the frame as processed; return the camera's counters, this frame included.

        Args:
            latency_ms: As for `CameraHealth.processed`.
            message_bytes: As for `CameraHealth.processed`.

        Raises:
            RuntimeError: The frame was counted before.
        """
        with self._lock:
            self._check_open('processed')
            counters = self._health.processed(latency_ms, message_bytes)
            self._fate = 'processed'
            return counters

    def dropped(self, cause: str, reason: str = '') -> None:
        """Count the frame as dropped.

        Args:
            cause: As for `CameraHealth.dropped`.
            reason: As for `CameraHealth.dropped`.

        Raises:
            ValueError: There is no such cause.
            RuntimeError: The frame was counted before.
        """
        with self._lock:
            self._check_open(cause)
            self._health.dropped(cause, reason)
            self._fate = cause

    def _check_open(self, fate: str) -> None:
        if self._fate:
            raise RuntimeError(
                f'A frame that was counted as {self._fate} is to be counted as {fate}; expected '
                'one fate for each frame: this is a fault of the node, please report it.'
            )

    def __enter__(self) -> Receipt:
        """Hold the receipt."""
        with self._lock:
            self._holders += 1
        return self

    def __exit__(self, *_: object) -> None:
        """Let go; the last holder of a frame without a fate counts it as stopped."""
        with self._lock:
            self._holders -= 1
            if self._holders == 0 and not self._fate:
                self._health.dropped('stopped')
                self._fate = 'stopped'


@contextmanager
def all_held(receipts: Iterable[Receipt]) -> Iterator[None]:
    """Hold several receipts at once."""
    with ExitStack() as stack:
        for receipt in receipts:
            stack.enter_context(receipt)
        yield
