# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Image messages for tests, without ROS."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Message:
    """The fields of sensor_msgs/msg/Image that matter."""

    encoding: str
    height: int
    width: int
    step: int
    data: bytes
    is_bigendian: int = 0


def message_of(
    encoding: str, rows: NDArray[np.uint8], *, height: int, width: int, padding: int = 0
) -> Message:
    """Return a message of (rows, row bytes) with that many bytes of rubbish after each row."""
    rubbish = np.full((len(rows), padding), 0xA5, np.uint8)
    padded = np.hstack([rows, rubbish])
    return Message(encoding, height, width, padded.shape[1], padded.tobytes())


def random_rows(seed: int, rows: int, row_bytes: int) -> NDArray[np.uint8]:
    """Return (rows, row_bytes) random bytes, the same for the same seed."""
    return np.random.default_rng(seed).integers(0, 256, (rows, row_bytes), np.uint8)
