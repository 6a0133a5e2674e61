# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Writing a bag as several MCAP files, and the metadata.yaml over all of them.

rosbags writes one file for each bag; here each file is finished on its own, so that a replay that
was killed goes on behind the last whole one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
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

from hiseg_ros.bags.hiseg_types import node_types
from hiseg_ros.errors import BagError

VERSION: Literal[8] = 8
"""Version of the bag format: the newest that Humble's `ros2 bag play` reads too."""

_FOREVER = QosTime(9223372036, 854775807)
_INFORMATION = 'rosbag2_bagfile_information'


@dataclass(frozen=True)
class OutputTopic:
    """A topic of the new bag."""

    name: str
    message_type: str
    is_latched: bool = False
    """Whether late subscribers get the last message."""


LATCHED = Qos(
    QosHistory.KEEP_LAST,
    1,
    QosReliability.RELIABLE,
    QosDurability.TRANSIENT_LOCAL,
    _FOREVER,
    _FOREVER,
    QosLiveliness.AUTOMATIC,
    _FOREVER,
    avoid_ros_namespace_conventions=False,
)
"""QoS of latched topics. Other topics are written without QoS: `ros2 bag play` then publishes them
reliable and volatile, as the node does, and each part is hundreds of YAML lines shorter."""


class BagPart:
    """One file of the new bag while it is being written."""

    def __init__(self, scratch: Path, name: str, topics: Sequence[OutputTopic]) -> None:
        """Start the file; every file lists all topics.

        Args:
            scratch: Folder for the unfinished file; the one that an earlier run left is removed.
            name: Of the file, without suffix.
            topics: All topics of the bag.

        Raises:
            BagError: The folder cannot be written.
        """
        self._folder = scratch / name
        self._types = node_types()
        self._connections: dict[str, Connection] = {}
        try:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._writer = Writer(self._folder, version=VERSION, storage_plugin=StoragePlugin.MCAP)
            self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
            self._writer.open()
        except OSError as error:
            raise self._failed(error) from error
        for topic in topics:
            self._connections[topic.name] = self._writer.add_connection(
                topic.name,
                topic.message_type,
                typestore=self._types,
                offered_qos_profiles=[LATCHED] if topic.is_latched else [],
            )

    def _failed(self, error: OSError) -> BagError:
        return BagError(
            f'The new bag cannot be written to {self._folder.parent} ({error}); expected a '
            'writable folder with room for it: make room and run the same command again.'
        )

    def write(self, topic: str, time_ns: int, message: Any) -> None:
        """Add a message.

        Raises:
            BagError: The disk is full.
        """
        connection = self._connections[topic]
        self.write_raw(topic, time_ns, self._types.serialize_cdr(message, connection.msgtype))

    def write_raw(self, topic: str, time_ns: int, data: bytes | memoryview) -> None:
        """Add a serialised message.

        Raises:
            BagError: The disk is full.
        """
        try:
            self._writer.write(self._connections[topic], time_ns, data)
        except OSError as error:
            raise self._failed(error) from error

    def close(self, bag: Path) -> dict[str, Any]:
        """Finish the file and move it into the bag's folder.

        Returns:
            The content of its own metadata.yaml.

        Raises:
            BagError: The disk is full.
        """
        try:
            self._writer.close()
            with (self._folder / 'metadata.yaml').open() as file:
                about: dict[str, Any] = yaml.safe_load(file)[_INFORMATION]
            [name] = about['relative_file_paths']
            with (self._folder / name).open('rb') as written:
                os.fsync(written.fileno())
            bag.mkdir(parents=True, exist_ok=True)
            (self._folder / name).replace(bag / name)
            shutil.rmtree(self._folder)
        except OSError as error:
            raise self._failed(error) from error
        return about

    def abort(self) -> None:
        """Close the unfinished file."""
        self._writer.abort()


def metadata_text(parts: Sequence[dict[str, Any]]) -> str:
    """Return the metadata.yaml of a bag.

    Args:
        parts: Metadata of each file, as `BagPart.close` returns it; at least one has messages.
    """
    parts = [part for part in parts if part['message_count']]  # an empty part has no times
    start = min(_start(part) for part in parts)
    end = max(_start(part) + part['duration']['nanoseconds'] for part in parts)
    topics: list[dict[str, Any]] = [
        {
            'topic_metadata': row['topic_metadata'],
            'message_count': sum(
                part['topics_with_message_count'][number]['message_count'] for part in parts
            ),
        }
        for number, row in enumerate(parts[0]['topics_with_message_count'])
    ]
    whole = {
        **parts[0],
        'relative_file_paths': [name for part in parts for name in part['relative_file_paths']],
        'starting_time': {'nanoseconds_since_epoch': start},
        'duration': {'nanoseconds': end - start},
        'message_count': sum(part['message_count'] for part in parts),
        'topics_with_message_count': topics,
        'files': [file for part in parts for file in part['files']],
    }
    return yaml.safe_dump({_INFORMATION: whole}, sort_keys=False, width=1000)


def _start(part: dict[str, Any]) -> int:
    return int(part['starting_time']['nanoseconds_since_epoch'])
