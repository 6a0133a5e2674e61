# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The message types of ROS 2 and of hiseg_ros for rosbags, from the .msg files themselves."""

from __future__ import annotations

import functools
from typing import Any

from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from hiseg_ros.bags.raw_message import RawMessage
from hiseg_ros.errors import ConfigError, ImageError
from hiseg_ros.resources import share_dir


@functools.cache
def node_types() -> Typestore:
    """Return the types of ROS 2 with those of hiseg_ros/msg.

    Raises:
        ConfigError: The .msg files are not installed.
    """
    folder = share_dir() / 'msg'
    files = sorted(folder.glob('*.msg'))
    if not files:
        raise ConfigError(
            f'There are no message definitions in {folder}; expected the .msg files of hiseg_ros: '
            'install the package again.'
        )
    types = get_typestore(Stores.ROS2_JAZZY)
    for file in files:
        types.register(get_types_from_msg(file.read_text(), f'hiseg_ros/msg/{file.stem}'))
    return types


def decode(message: RawMessage, message_type: str) -> Any:
    """Return a message as an object with the fields of its type.

    Raises:
        ImageError: Its bytes do not fit its type.
    """
    try:
        return node_types().deserialize_cdr(message.data, message_type)
    except Exception as error:  # damaged bytes make the reader raise anything
        raise ImageError(
            f'A message of {len(message.data)} bytes is no {message_type} '
            f'({type(error).__name__}); expected a whole one: the recording is damaged.'
        ) from error
