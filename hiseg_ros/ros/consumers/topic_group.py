# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""TopicGroup: the interface of topics whose messages are built together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from hiseg_ros.ros.messages.product import Product


class TopicGroup(Protocol):
    """Topics of one camera whose messages share computations."""

    kinds: Mapping[str, type]
    """Message type by topic, named without ~ and camera."""

    def build(self, product: Product, wanted: frozenset[str]) -> Iterator[tuple[str, Any]]:
        """Yield topic and message for each wanted topic of the group."""

    def destroy(self) -> None:
        """Destroy the group's subscriptions."""
