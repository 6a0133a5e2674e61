# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A serialised message of a bag: topic, recording time and bytes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RawMessage:
    """A serialised message of a bag."""

    topic: str
    time_ns: int
    """Recording time in nanoseconds since the epoch."""
    data: bytes
    """Serialised (CDR), with the four bytes of encapsulation."""
