# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A message as it lies in a bag: topic, time and bytes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RawMessage:
    """A message as it lies in the bag."""

    topic: str
    time_ns: int
    """When it was recorded, in nanoseconds since the epoch."""
    data: bytes
    """Serialised (CDR), with the four bytes of encapsulation."""
