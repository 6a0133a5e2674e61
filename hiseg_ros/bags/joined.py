# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Joining of the topics in a bag's metadata.yaml with those in its files.

rosbags joins them where type, QoS and digest are equal, and gives no message of the others;
rosbag2 spells them in several ways, and metadata.yaml may not list a topic.
"""

from __future__ import annotations

from typing import Any

from rosbags.interfaces import Connection, ConnectionExtRosbag2
from rosbags.rosbag2 import Reader

from hiseg_ros.bags.message_types import full_type


def join_connections(reader: Reader) -> None:
    """Give the connections of an open reader one spelling, and add those of its files.

    Args:
        reader: An open reader of a folder or file. Its connections and those of its files are
            changed in place.
    """
    storage: Any = reader.storage
    _respell(storage.connections)
    known = {(c.topic, c.msgtype) for c in storage.connections}
    added: dict[tuple[str, str], Connection] = {}
    for file in getattr(storage, 'storages', ()):
        _respell(file.connections)
        for connection in file.connections:
            key = connection.topic, connection.msgtype
            if key not in known:
                count = connection.msgcount + (added[key].msgcount if key in added else 0)
                number = len(storage.connections) + len(added) + 1
                added.setdefault(key, connection._replace(id=number, owner=storage))
                added[key] = added[key]._replace(msgcount=count)
    storage.connections.extend(added.values())


def _respell(connections: list[Connection]) -> None:
    for index, connection in enumerate(connections):
        encoding = connection.ext.serialization_format  # type: ignore[union-attr]
        connections[index] = connection._replace(
            msgtype=full_type(connection.msgtype),
            ext=ConnectionExtRosbag2(encoding, []),
            digest='',
        )
