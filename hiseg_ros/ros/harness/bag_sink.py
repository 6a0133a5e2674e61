# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Writes serialised messages to a rosbag2 (MCAP) in a thread of its own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rclpy.qos import QoSProfile
from rosbags.interfaces import (
    Connection,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from hiseg_ros.errors import BagError
from hiseg_ros.ros.harness.message_definitions import definition, type_hash

BACKLOG = 1000
"""Largest number of messages that wait for the disk."""


class BagSink:
    """Writes serialised messages to a bag in a thread of its own."""

    def __init__(self, path: Path) -> None:
        """Create the bag.

        Raises:
            BagError: The folder exists or cannot be written.
        """
        if path.exists():
            raise BagError(f'{path} exists already; expected a new folder: remove it.')
        self._writer = Writer(path, version=9, storage_plugin=StoragePlugin.MCAP)
        # Label images shrink by a factor of 40, which takes less time than writing them.
        self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        self._path = path
        self._connections: dict[str, Connection] = {}
        self._lock = threading.Lock()
        self._queue: queue.Queue[tuple[Connection, int, bytes] | None] = queue.Queue(BACKLOG)
        self._error: Exception | None = None
        try:
            self._writer.open()
        except OSError as error:
            raise self._failed(error) from error
        self._thread = threading.Thread(target=self._write, name='bag_writer')
        self._thread.start()

    def _failed(self, error: Exception) -> BagError:
        return BagError(
            f'The recording {self._path} cannot be written ({error}); expected a writable folder '
            'with room for it: name another.'
        )

    def add_topic(self, topic: str, message_type: str, qos: Sequence[QoSProfile]) -> None:
        """Add a topic with the QoS profiles that its publishers offer."""
        with self._lock:
            self._connections[topic] = self._writer.add_connection(
                topic,
                message_type,
                msgdef=definition(message_type),
                rihs01=type_hash(message_type),
                offered_qos_profiles=[_bag_qos(profile) for profile in qos],
            )

    def put(self, topic: str, time_ns: int, data: bytes) -> None:
        """Queue a serialised message; blocks while the queue is full.

        Raises:
            BagError: An earlier message could not be written.
        """
        if self._error is not None:
            raise self._failed(self._error) from self._error
        self._queue.put((self._connections[topic], time_ns, data))

    def _write(self) -> None:
        while (item := self._queue.get()) is not None:
            if self._error is None:
                try:
                    with self._lock:
                        self._writer.write(*item)
                except Exception as error:  # raised by the next put or close
                    self._error = error

    def close(self) -> None:
        """Write the queued messages and finish the bag.

        Raises:
            BagError: A message could not be written.
        """
        self._queue.put(None)
        self._thread.join()
        try:
            if self._error is None:
                self._writer.close()
        except OSError as error:
            self._error = error
        if self._error is not None:
            self._writer.abort()
            raise self._failed(self._error) from self._error


def _bag_qos(profile: QoSProfile) -> Qos:
    def time_of(duration: Any) -> QosTime:
        seconds, nanoseconds = divmod(duration.nanoseconds, 1_000_000_000)
        return QosTime(seconds, nanoseconds)

    return Qos(
        QosHistory[profile.history.name],
        profile.depth,
        QosReliability[profile.reliability.name],
        QosDurability[profile.durability.name],
        time_of(profile.deadline),
        time_of(profile.lifespan),
        QosLiveliness[profile.liveliness.name],
        time_of(profile.liveliness_lease_duration),
        profile.avoid_ros_namespace_conventions,
    )
