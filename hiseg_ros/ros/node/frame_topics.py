# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Topics of the node's own messages about a frame: single ones, and those of all levels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sensor_msgs.msg import Image

from hiseg_ros.msg import ProbabilityMap
from hiseg_ros.ros.messages.builder import messages
from hiseg_ros.ros.messages.product import Builder, Product
from hiseg_ros.taxonomy import Taxonomy


class SingleTopic:
    """A topic whose message is built alone."""

    def __init__(self, topic: str, kind: type, build: Builder) -> None:
        """Keep how it is built.

        Args:
            topic: Named without ~ and camera.
            kind: Its message type.
            build: Builds the message; returns None where there is none for a frame.
        """
        self.kinds: Mapping[str, type] = {topic: kind}
        self._topic = topic
        self._build = build
        # Its memory is that of the next message: publishing copies.
        self._last: Any | None = None

    def build(self, product: Product, wanted: frozenset[str]) -> Iterator[tuple[str, Any]]:
        """Yield topic and message; see `TopicGroup`."""
        last, self._last = self._last, None
        if self._topic not in wanted:
            return
        message = self._build(product, last)
        if message is not None:
            self._last = message
            yield self._topic, message

    def destroy(self) -> None:
        """Do nothing: there is no subscription."""


class LevelTopics:
    """A topic of each level, whose messages are built together."""

    kind: type
    """Message type of all of them."""
    name: str
    """Of the topic, behind that of the level."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        """Name the topics.

        Args:
            taxonomy: Tree of the labels.
        """
        self._taxonomy = taxonomy
        levels = range(1, taxonomy.depth + 1)
        self._level_of = {f'level_{level}/{self.name}': level for level in levels}
        self.kinds: Mapping[str, type] = dict.fromkeys(self._level_of, self.kind)
        self._last: dict[int, Any] = {}

    def build(self, product: Product, wanted: frozenset[str]) -> Iterator[tuple[str, Any]]:
        """Yield topic and message for each wanted level; see `TopicGroup`."""
        last, self._last = self._last, {}
        asked = {topic: level for topic, level in self._level_of.items() if topic in wanted}
        if not asked:
            return
        found = self._messages(product, list(asked.values()), last)
        self._last = dict(zip(asked.values(), found, strict=True))
        yield from zip(asked, found, strict=True)

    def _messages(self, product: Product, levels: list[int], last: dict[int, Any]) -> list[Any]:
        """Return the messages of some levels, in the memory of their last ones."""
        raise NotImplementedError

    def destroy(self) -> None:
        """Do nothing: there is no subscription."""


class LevelLabels(LevelTopics):
    """~/level_N/labels."""

    kind = Image
    name = 'labels'

    def __init__(self, taxonomy: Taxonomy) -> None:
        """Look up the ancestors of every node; arguments as for `LevelTopics`."""
        super().__init__(taxonomy)
        self._tables = {n: taxonomy.node_id_at_level(n) for n in self._level_of.values()}

    def _messages(self, product: Product, levels: list[int], last: dict[int, Any]) -> list[Any]:
        return messages.level_labels_messages(
            product.header,
            product.segmentation.labels,
            [self._tables[level] for level in levels],
            [last.get(level) for level in levels],
        )


class LevelProbabilities(LevelTopics):
    """~/level_N/probabilities."""

    kind = ProbabilityMap
    name = 'probabilities'

    def __init__(self, taxonomy: Taxonomy) -> None:
        """Look up the nodes of every level; arguments as for `LevelTopics`."""
        super().__init__(taxonomy)
        self._node_ids = {n: taxonomy.level_nodes(n) for n in self._level_of.values()}

    def _messages(self, product: Product, levels: list[int], last: dict[int, Any]) -> list[Any]:
        return messages.probability_map_messages(
            product.header,
            product.segmentation.probabilities,
            [self._node_ids[level] for level in levels],
            self._taxonomy,
            encoding=product.parameters.probabilities_encoding,
            stride=product.parameters.probabilities_stride,
            again=[last.get(level) for level in levels],
        )
