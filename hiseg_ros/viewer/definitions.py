# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Messages as their own recording defines them: an older version's have other fields."""

from __future__ import annotations

from typing import Any

from rosbags.interfaces import Connection, MessageDefinitionFormat
from rosbags.rosbag2 import Reader

from hiseg_ros.errors import ImageError
from hiseg_ros.replay.bag import RawMessage
from hiseg_ros.replay.message_types import MessageTypes
from hiseg_ros.replay.node_types import decode
from hiseg_ros.replay.recording import Recording, plain_file


class Definitions:
    """Decodes the messages of one recording."""

    def __init__(self, recording: Recording) -> None:
        """Read the definitions from the first files that have them."""
        self._types = MessageTypes()
        self._kinds = {topic.name: topic.message_type for topic in recording.topics}
        self._connections: dict[str, Connection] = {}
        for path in recording.files:
            if set(self._connections) >= set(self._kinds):
                break
            try:
                with plain_file(path) as (plain, _), Reader(plain) as reader:
                    for connection in reader.connections:
                        self._connections.setdefault(connection.topic, connection)
            except Exception:  # noqa: BLE001  a damaged file makes the reader raise anything
                continue  # reading its messages will tell

    def decode(self, message: RawMessage) -> Any:
        """Return a message as an object.

        Raises:
            ImageError: Its bytes do not fit its type.
        """
        connection, kind = self._connections.get(message.topic), self._kinds[message.topic]
        if connection is None or connection.msgdef.format == MessageDefinitionFormat.NONE:
            return decode(message, kind)  # before Iron bags held no definitions
        try:
            return self._types.decode(connection, message.data)
        except Exception as error:  # damaged bytes make the reader raise anything
            raise ImageError(
                f'A message of {len(message.data)} bytes is no {kind} ({type(error).__name__}); '
                'expected a whole one: the recording is damaged.'
            ) from error
