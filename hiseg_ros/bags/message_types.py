# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Message types as a bag defines them, else as this version of hiseg_ros knows them.

AnyReader of rosbags parses all definitions when it opens a bag, and one that it cannot parse makes
the whole bag unreadable; here each is parsed when its type is first asked for.
"""

from __future__ import annotations

from typing import Any

from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat, Nodetype
from rosbags.interfaces.typing import FieldDesc, Typesdict
from rosbags.typesys import get_types_from_idl, get_types_from_msg
from rosbags.typesys.store import Typestore

from hiseg_ros.bags.hiseg_types import node_types
from hiseg_ros.errors import BagError


def full_type(name: str) -> str:
    """Return a message type with its middle part: 'sensor_msgs/msg/Image' for the short form."""
    package, separator, message = name.partition('/')
    return f'{package}/msg/{message}' if separator and '/' not in message else name


def foreign_type(name: str, encoding: str) -> str:
    """Return the name of a type in another encoding than CDR: 'foxglove.Log (protobuf)'."""
    return f'{name} ({encoding})'


def is_foreign(message_type: str) -> bool:
    """Return whether messages of a type have another encoding than CDR and are not read."""
    return message_type.endswith(')')


class MessageTypes:
    """Decodes messages with the definitions of their bag."""

    def __init__(self) -> None:
        """Start empty; a type is parsed when it is first asked for."""
        self._stores: dict[tuple[str, MessageDefinition], Typestore] = {}

    def decode(self, message_type: str, definition: MessageDefinition, data: bytes) -> Any:
        """Return a serialised message as an object with the fields of its type.

        Args:
            message_type: As in 'sensor_msgs/msg/Image'.
            definition: Definition of the type in the bag.
            data: The serialised message (CDR).

        Raises:
            BagError: Neither the bag nor this version defines the type.
            Exception: The bytes do not fit the type, or its definition cannot be parsed.
        """
        key = (message_type, definition)
        if key not in self._stores:
            self._stores[key] = _store_of(message_type, definition)
        return self._stores[key].deserialize_cdr(data, message_type)


def _store_of(message_type: str, definition: MessageDefinition) -> Typestore:
    """Return our own types where the definition agrees with them, else a store for the bag's."""
    today = node_types()
    if definition.format == MessageDefinitionFormat.NONE:  # before Iron bags held no definitions
        if message_type not in today.fielddefs:
            raise BagError(
                f'The bag holds no definition of {message_type}; expected one, as rosbag2 '
                'writes it since Iron: convert the bag on the machine it comes from.'
            )
        return today
    try:
        found = _parsed(message_type, definition)
    except Exception:  # a damaged definition makes the parser raise anything
        if message_type in today.fielddefs:
            return today
        raise
    if all(_fields(name, found) == _fields(name, today.fielddefs) for name in found):
        return today
    store = Typestore()
    store.register({**missing_types(found, today.fielddefs), **found})
    return store


def _parsed(message_type: str, definition: MessageDefinition) -> Typesdict:
    if definition.format == MessageDefinitionFormat.MSG:
        return get_types_from_msg(definition.data, message_type)
    return get_types_from_idl(definition.data)


def _fields(name: str, types: Typesdict) -> Any:
    return types[name][1] if name in types else None


def missing_types(found: Typesdict, today: Typesdict) -> Typesdict:
    """Return the types that a definition uses but does not define, from our own."""
    added: Typesdict = {}
    waiting = [name for _, fields in found.values() for _, field in fields for name in _of(field)]
    while waiting:
        name = waiting.pop()
        if name not in found and name not in added and name in today:
            added[name] = today[name]
            waiting += [below for _, field in today[name][1] for below in _of(field)]
    return added


def _of(field: FieldDesc) -> list[str]:
    """Return the message types in a field: one, or none for a primitive type."""
    kind, about = field
    if kind == Nodetype.NAME:
        return [str(about)]
    if kind in (Nodetype.ARRAY, Nodetype.SEQUENCE):
        return _of(about[0])  # type: ignore[arg-type]
    return []
