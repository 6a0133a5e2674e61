# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Message types by name: Python class, definition as stored in bags, and type hash.

rosidl gives the class of a type but not the text of its definition with all types inside it, which
rosbag2 finds in C++; rosbags computes the hash from that text.
"""

from __future__ import annotations

import functools
import importlib
import os
import re
import sys
from pathlib import Path
from typing import Any

from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from hiseg_ros.errors import ConfigError

_SEPARATOR = '=' * 80
_FIELD_TYPE = re.compile(r'^\s*([A-Za-z][\w/]*)(?:<=\d+)?(?:\[[^\]]*\])?\s+[a-z]\w*')
_PRIMITIVES = frozenset(
    'bool byte char float32 float64 int8 uint8 int16 uint16 int32 uint32 int64 uint64 string '
    'wstring'.split()
)


def message_class(message_type: str) -> Any:
    """Return the Python class of a message type such as 'sensor_msgs/msg/Image'.

    Raises:
        ConfigError: The package is not installed.
    """
    package, folder, name = message_type.split('/')
    try:
        return getattr(importlib.import_module(f'{package}.{folder}'), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f'The message type {message_type} is not known here ({error}); expected its package '
            'to be built and sourced: run `make setup`, or source the install folder.'
        ) from error


@functools.cache
def definition(message_type: str) -> str:
    """Return the definition of a message with those of all messages inside it, as in a rosbag2.

    Raises:
        ConfigError: The .msg file of one of them is not installed.
    """
    parts = [_text(message_type)]
    known = {message_type}
    waiting = _inner_types(message_type)
    while waiting:
        inner = waiting.pop(0)
        if inner in known:
            continue
        known.add(inner)
        package, _, name = inner.split('/')
        parts.append(f'{_SEPARATOR}\nMSG: {package}/{name}\n{_text(inner)}')
        waiting += _inner_types(inner)
    return '\n'.join(parts)


@functools.cache
def type_hash(message_type: str) -> str:
    """Return the type hash, RIHS01_ and 64 hexadecimal digits."""
    types = get_typestore(Stores.EMPTY)
    types.register(get_types_from_msg(definition(message_type), message_type))
    return types.hash_rihs01(message_type)


def _inner_types(message_type: str) -> list[str]:
    package = message_type.split('/')[0]
    found = []
    for line in _text(message_type).splitlines():
        match = _FIELD_TYPE.match(line.split('#')[0])
        if match is None or match[1] in _PRIMITIVES:
            continue
        names = match[1].split('/')
        if match[1] == 'Header':
            names = ['std_msgs', 'Header']
        found.append(f'{names[0] if len(names) > 1 else package}/msg/{names[-1]}')
    return found


@functools.cache
def _text(message_type: str) -> str:
    package, folder, name = message_type.split('/')
    relative = Path('share', package, folder, f'{name}.msg')
    prefixes = [p for p in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep) if p]
    for prefix in (*prefixes, sys.prefix):
        if (Path(prefix) / relative).is_file():
            return (Path(prefix) / relative).read_text()
    raise ConfigError(
        f'The definition of {message_type} was not found; expected {relative} below one of '
        f'{", ".join((*prefixes, sys.prefix))}: source the install folder of its package.'
    )
