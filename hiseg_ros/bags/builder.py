# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The message builder with rosbags' message classes: messages to be written into a bag."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.bags.hiseg_types import node_types
from hiseg_ros.messages.build import MessageBuilder


class RosbagsClasses:
    """Message classes of rosbags, with numpy arrays for fields with several numbers."""

    def make(self, message_type: str, /, **fields: Any) -> Any:
        """Return a new message, see `MessageClasses`.

        Raises:
            ConfigError: The .msg files are not installed.
        """
        return node_types().types[message_type](**fields)

    def make_with_data(self, message_type: str, size: int, /, **fields: Any) -> Any:
        """Return a new message whose data is to be filled in, see `MessageClasses`.

        Raises:
            ConfigError: The .msg files are not installed.
        """
        return self.make(message_type, data=np.empty(size, np.uint8), **fields)

    def array(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the numbers themselves, see `MessageClasses`."""
        return values


messages = MessageBuilder(RosbagsClasses())
"""Builds messages that a bag's writer takes."""
