# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Decoding messages with the definitions in their own recording, which may be older than ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rosbags.interfaces import Connection, MessageDefinition, MessageDefinitionFormat

from hiseg_ros.bags.message_types import MessageTypes
from hiseg_ros.bags.raw_message import RawMessage
from hiseg_ros.errors import ImageError

_NONE = MessageDefinition(MessageDefinitionFormat.NONE, '')


class Definitions:
    """Decodes the messages of one recording."""

    def __init__(self, kinds: Iterable[tuple[str, str]]) -> None:
        """Start with the types of the topics; `note` adds the definitions of each opened file.

        Args:
            kinds: (topic, message type) pairs.
        """
        self._types = MessageTypes()
        self._kinds = dict(kinds)
        self._defined: dict[str, MessageDefinition] = {}

    def note(self, connections: Iterable[Connection]) -> None:
        """Keep the message definitions of a file that was opened."""
        for connection in connections:
            if connection.msgdef.format != MessageDefinitionFormat.NONE:
                self._defined[connection.msgtype] = connection.msgdef

    def assume(self, definitions: Mapping[str, MessageDefinition]) -> None:
        """Take definitions by type, where the recording has none."""
        for message_type, definition in definitions.items():
            self._defined.setdefault(message_type, definition)

    def decode(self, message: RawMessage) -> Any:
        """Return a message as an object with the fields of its type.

        Raises:
            ImageError: Its bytes do not fit its type.
        """
        kind = self._kinds[message.topic]
        try:
            return self._types.decode(kind, self._defined.get(kind, _NONE), message.data)
        except Exception as error:  # damaged bytes make the reader raise anything
            raise ImageError(
                f'A message of {len(message.data)} bytes is no {kind} ({type(error).__name__}); '
                'expected a whole one: the recording is damaged.'
            ) from error
