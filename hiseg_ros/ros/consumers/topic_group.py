# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""TopicGroup: the interface of topics whose messages are built together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from hiseg_ros.ros.messages.product import Product


class TopicGroup(Protocol):
    """Topics of one camera whose messages share computations."""

    kinds: Mapping[str, type]
    """Message type by topic, named without ~ and camera."""

    def build(self, product: Product, wanted: frozenset[str]) -> Iterator[tuple[str, Any]]:
        """Yield topic and message for each wanted topic of the group."""

    def destroy(self) -> None:
        """Destroy the group's subscriptions."""


@runtime_checkable
class FollowingGroup(Protocol):
    """A topic group with inputs of its own, to which it subscribes while somebody wants it."""

    kinds: Mapping[str, type]

    def follow(self, is_wanted: bool) -> None:
        """Subscribe or unsubscribe; called in the executor's thread twice a second."""

    def forget(self) -> None:
        """Drop what waits, as after the clock jumped back; called in any thread."""


@dataclass(frozen=True)
class Late:
    """How a group publishes a message after `build`, in a thread of its own."""

    publish: Callable[[str, Any], None]
    """Publishes a message on a topic of the group; does nothing while the node is inactive."""

    warn: Callable[[str, str], None]
    """Sets the camera's diagnostics to WARN: kind of the problem, and a sentence about it."""
