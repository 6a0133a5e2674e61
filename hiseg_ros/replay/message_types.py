# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Message types of a bag: the standard ones of ROS 2, others learned from the bag when needed."""

from __future__ import annotations

from typing import Any

from rosbags.interfaces import Connection, MessageDefinitionFormat
from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore

from hiseg_ros.errors import BagError


class MessageTypes:
    """Decodes messages; one odd type in a bag does no harm while nobody asks for it."""

    def __init__(self) -> None:
        """Know the types that come with ROS 2."""
        self._types = get_typestore(Stores.ROS2_JAZZY)

    def decode(self, connection: Connection, data: bytes) -> Any:
        """Return a serialised message as an object with the fields of its type.

        Raises:
            BagError: The type is not a standard one and the bag does not define it.
        """
        if connection.msgtype not in self._types.types:
            self._learn(connection)
        return self._types.deserialize_cdr(data, connection.msgtype)

    def _learn(self, connection: Connection) -> None:
        kind, text = connection.msgdef
        if kind == MessageDefinitionFormat.NONE:
            raise BagError(
                f'The bag holds no definition of {connection.msgtype}; expected one, as rosbag2 '
                'writes it since Iron: convert the bag on the machine it comes from.'
            )
        if kind == MessageDefinitionFormat.MSG:
            found = get_types_from_msg(text, connection.msgtype)
        else:
            found = get_types_from_idl(text)
        known = self._types.fielddefs
        self._types.register({name: found[name] for name in found if name not in known})
