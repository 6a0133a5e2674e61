# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Messages of ROS 1, in its own bags and in MCAP files, as CDR for the types of ROS 2."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from rosbags.interfaces import (
    Connection,
    ConnectionExtRosbag2,
    MessageDefinition,
    MessageDefinitionFormat,
)
from rosbags.rosbag1 import Reader
from rosbags.typesys import get_types_from_msg
from rosbags.typesys.store import Typestore

from hiseg_ros.bags.hiseg_types import node_types
from hiseg_ros.bags.message_types import full_type, missing_types

ROS1_SUFFIX = '.bag'
_HEADER = 'std_msgs/msg/Header'


class Ros1Types:
    """Converts messages by the definitions of their bag."""

    def __init__(self) -> None:
        """Start empty; a type is parsed when its first message comes."""
        self._stores: dict[tuple[str, str], Typestore] = {}

    def to_cdr(self, message_type: str, definition: str, data: bytes) -> bytes:
        """Return a message of ROS 1 as CDR; its header loses the field seq.

        Args:
            message_type: As in 'sensor_msgs/msg/Image'.
            definition: Its definition and those of the types in it, as ROS 1 writes them.
            data: The serialised message.

        Raises:
            Exception: The definition cannot be parsed, or the bytes do not fit it.
        """
        key = message_type, definition
        if key not in self._stores:
            today, store = node_types().fielddefs, Typestore()
            found = get_types_from_msg(definition, message_type)
            # rosbags skips the field seq of a header that is defined without it.
            found[_HEADER] = today[_HEADER]
            store.register({**missing_types(found, today), **found})
            self._stores[key] = store
        return bytes(self._stores[key].ros1_to_cdr(data, message_type))


def as_ros2(connection: Connection, owner: object) -> Connection:
    """Return the connection of a message of ROS 1 as one of ROS 2, without its definition."""
    return connection._replace(
        msgtype=full_type(connection.msgtype),
        msgdef=MessageDefinition(MessageDefinitionFormat.NONE, ''),
        digest='',
        ext=ConnectionExtRosbag2('cdr', []),
        owner=owner,
    )


class Ros1File:
    """An open bag of ROS 1 whose messages are those of ROS 2."""

    def __init__(self, path: Path) -> None:
        """Open it.

        Raises:
            Exception: It is damaged or has no index.
        """
        self._reader, self._types = Reader(path), Ros1Types()
        self._reader.open()
        self.connections = [as_ros2(connection, self) for connection in self._reader.connections]
        self.message_count = self._reader.message_count
        self.start_time, self.end_time = self._reader.start_time, self._reader.end_time
        self.duration = self._reader.duration

    def messages(
        self, connections: Collection[Connection], start: int | None = None
    ) -> Iterator[tuple[Connection, int, bytes]]:
        """Yield (connection, recording time in ns, CDR) in the order of time, from `start` on."""
        wanted = {connection.id: connection for connection in connections}
        sources = [c for c in self._reader.connections if c.id in wanted]
        for source, time_ns, data in self._reader.messages(sources, start):
            kind = wanted[source.id].msgtype
            yield (
                wanted[source.id],
                time_ns,
                self._types.to_cdr(kind, source.msgdef.data, bytes(data)),
            )

    def close(self) -> None:
        """Close it."""
        self._reader.close()
