# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The publishers of one camera; a message is built only where its topic has a subscriber."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from time import perf_counter
from typing import Any

from rclpy.event_handler import PublisherEventCallbacks
from rclpy.exceptions import ParameterException
from rclpy.lifecycle import LifecycleNodeMixin
from rclpy.publisher import Publisher
from rclpy.qos import (
    HistoryPolicy,
    QoSProfile,
    ReliabilityPolicy,
    qos_policy_name_from_kind,
)
from rclpy.qos_overriding_options import InvalidQosOverridesError, QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, Image

from hiseg_ros.errors import ConfigError
from hiseg_ros.msg import FrameStats
from hiseg_ros.ros.consumers import points, semantic, signs
from hiseg_ros.ros.consumers.requested_groups import requested_groups
from hiseg_ros.ros.consumers.topic_group import FollowingGroup, Late, TopicGroup
from hiseg_ros.ros.health.camera_health import CameraHealth
from hiseg_ros.ros.messages import preserialized
from hiseg_ros.ros.messages.builder import messages
from hiseg_ros.ros.messages.product import Product, Published
from hiseg_ros.ros.node.frame_topics import LevelLabels, LevelProbabilities, SingleTopic
from hiseg_ros.ros.parameters import NodeParameters
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.types import Wanted

_DEFAULTS = NodeParameters()

_HEADER_BYTES = 64
"""Lower bound of the bytes of a serialised message beside its data."""

STATS = 'stats'

WARNING_PERIOD_S = 5.0

_FROM_LABELS = re.compile(
    rf'labels|level_\d+/labels|overlay/image|{signs.MASKS}|{signs.DETECTIONS}|{signs.ANNOTATIONS}'
    rf'|{semantic.LABELS}|{points.POINTS}'
)

_FROM_CONFIDENCE = re.compile(rf'confidence|{points.POINTS}')

_WITHOUT_PROBABILITIES = re.compile(
    rf'labels|confidence|level_\d+/labels|overlay/image|overlay/camera_info|{STATS}'
    rf'|{semantic.LABELS}|{points.POINTS}'
)

_LEVEL_PROBABILITIES = re.compile(r'level_(\d+)/probabilities')

_FROM_REGIONS = frozenset({signs.MASKS, signs.DETECTIONS, signs.ANNOTATIONS})
"""Topics that read the probabilities of subclasses in regions of the subclass root alone."""


class CameraPublishers:
    """Publishers of one camera in one configuration of the node."""

    def __init__(
        self,
        node: LifecycleNodeMixin,
        taxonomy: Taxonomy,
        camera: str = '',
        on_incompatible: Callable[[str], None] = lambda reason: None,
        parameters: NodeParameters = _DEFAULTS,
        health: CameraHealth | None = None,
    ) -> None:
        """Create all publishers.

        Args:
            node: The node to publish with.
            taxonomy: Tree of the labels.
            camera: Comes between ~ and the topics; empty for the only camera.
            on_incompatible: Called in the executor's thread, with a sentence, for a subscriber
                whose QoS a publisher cannot serve.
            parameters: Which label sets and formats of other projects there are.
            health: Of the camera: notes what is published beside the frames, and its problems.

        Raises:
            ConfigError: A qos_overrides parameter has a value that ROS does not know, or a
                parameter of the label sets cannot be used.
            MappingError: A mapping of the label sets is missing or does not fit the taxonomy.
        """
        self._node = node
        self._taxonomy = taxonomy
        self._prefix = f'~/{camera}/' if camera else '~/'
        self._on_incompatible = on_incompatible
        self._health = health or CameraHealth()
        self._groups: list[TopicGroup] = []
        self._publishers: dict[str, Publisher] = {}
        try:
            self._create(camera, parameters)
        except Exception:
            self.destroy()
            raise

    def _create(self, camera: str, parameters: NodeParameters) -> None:
        late = Late(self._publish_late, self._warn_late)
        self._groups = [
            SingleTopic('labels', Image, _labels),
            SingleTopic('confidence', Image, _confidence),
            LevelLabels(self._taxonomy),
            SingleTopic('overlay/image', Image, partial(_overlay, self._taxonomy)),
            SingleTopic('overlay/camera_info', CameraInfo, _camera_info),
            LevelProbabilities(self._taxonomy),
        ]
        self._groups += requested_groups(self._node, camera, self._taxonomy, parameters, late)
        for group in self._groups:
            for topic, kind in group.kinds.items():
                self._publishers[topic] = self._publisher(topic, kind)
        self._publishers[STATS] = self._publisher(STATS, FrameStats)

    def _publisher(self, topic: str, kind: type) -> Publisher:
        name = self._prefix + topic

        def warn(event: Any) -> None:
            policy = qos_policy_name_from_kind(event.last_policy_kind)
            self._on_incompatible(
                f'a subscriber of {name} asks for a {policy} that is not offered, and gets nothing'
            )

        try:
            return self._node.create_lifecycle_publisher(
                kind,
                name,
                _frame_qos(),
                qos_overriding_options=QoSOverridingOptions.with_default_policies(),
                event_callbacks=PublisherEventCallbacks(incompatible_qos=warn),
            )
        except (InvalidQosOverridesError, ParameterException, RuntimeError, ValueError) as error:
            if type(error) is not RuntimeError and isinstance(error, RuntimeError):
                raise  # of the middleware, not of an override
            raise ConfigError(
                f'A qos_overrides parameter of {name} cannot be used ({error}); expected '
                'reliability reliable or best_effort, history keep_last or keep_all and a '
                'positive depth: correct it in the parameter file.'
            ) from error

    def wanted(self) -> frozenset[str]:
        """Return the topics that have subscribers."""
        return frozenset(
            topic for topic, p in self._publishers.items() if p.get_subscription_count() > 0
        )

    def publish(self, wanted: frozenset[str], product: Product) -> Published:
        """Build and publish a frame's messages on the wanted topics, except the statistics."""
        message_bytes = {}
        messages_s = publish_s = 0.0
        started = perf_counter()
        for topic, message in self._messages(wanted, product):
            built = perf_counter()
            messages_s += built - started
            preserialized.publish(self._publishers[topic], message)
            started = perf_counter()
            publish_s += started - built
            message_bytes[topic] = _HEADER_BYTES + len(getattr(message, 'data', b''))
        messages_s += perf_counter() - started
        return Published(message_bytes, 1e3 * messages_s, 1e3 * publish_s)

    def _messages(self, wanted: frozenset[str], product: Product) -> Iterator[tuple[str, Any]]:
        """Yield topic and message; each group's are built once those before were published."""
        for group in self._groups:
            yield from group.build(product, wanted)

    def _publish_late(self, topic: str, message: Any) -> None:
        publisher = self._publishers.get(topic)
        if publisher is not None:
            preserialized.publish(publisher, message)
            self._health.sized(topic, _HEADER_BYTES + len(message.data))

    def _warn_late(self, kind: str, text: str) -> None:
        self._health.warn(kind, text)
        if self._node.context.ok():
            self._node.get_logger().warning(text, throttle_duration_sec=WARNING_PERIOD_S)

    def follow(self, is_open: bool) -> None:
        """Let groups subscribe to what they need for topics that have subscribers now.

        Args:
            is_open: Whether the node takes images; else they unsubscribe.
        """
        for group in self._groups:
            if isinstance(group, FollowingGroup):
                publishers = (self._publishers[topic] for topic in group.kinds)
                group.follow(is_open and any(p.get_subscription_count() for p in publishers))

    def forget(self) -> None:
        """Drop what waits for other messages, as after the clock jumped back."""
        for group in self._groups:
            if isinstance(group, FollowingGroup):
                group.forget()

    def publish_stats(self, message: FrameStats) -> None:
        """Publish a frame's statistics."""
        self._publishers[STATS].publish(message)

    def destroy(self) -> None:
        """Take all publishers out of the graph."""
        for group in self._groups:  # first, since some publish in threads of their own
            group.destroy()
        self._groups.clear()
        for publisher in self._publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)
        self._publishers.clear()


def _labels(product: Product, again: Image | None) -> Image:
    return messages.labels_message(product.header, product.segmentation.labels, again)


def _confidence(product: Product, again: Image | None) -> Image:
    return messages.confidence_message(product.header, product.segmentation.confidence, again)


def _overlay(taxonomy: Taxonomy, product: Product, again: Image | None) -> Image:
    labels, alpha = product.segmentation.labels, product.parameters.overlay_alpha
    return messages.overlay_message(product.header, product.rgb, labels, taxonomy, alpha, again)


def _camera_info(product: Product, again: CameraInfo | None) -> CameraInfo | None:
    if product.camera_info is None:
        return None
    size = product.segmentation.probabilities.image_size
    return messages.camera_info_message(product.header, product.camera_info, size)


def _frame_qos() -> QoSProfile:
    """Return a new profile, since rclpy writes overrides into the one it is given.

    Reliable serves rviz2, which asks for it, and best-effort subscribers alike.
    """
    return QoSProfile(
        reliability=ReliabilityPolicy.RELIABLE, history=HistoryPolicy.KEEP_LAST, depth=2
    )


def needed_results(topics: frozenset[str], parameters: NodeParameters = _DEFAULTS) -> Wanted:
    """Return the results of the engine that messages of these topics are built from."""
    by_sums = bool(parameters.semantic_classes) and semantic.LABELS in topics
    read = [topic for topic in topics if not _WITHOUT_PROBABILITIES.fullmatch(topic)]
    levels = [int(found[1]) for found in map(_LEVEL_PROBABILITIES.fullmatch, read) if found]
    regions = [topic for topic in read if topic in _FROM_REGIONS]
    is_part = bool(read) and not by_sums and len(levels) + len(regions) == len(read)
    return Wanted(
        labels=any(map(_FROM_LABELS.fullmatch, topics)),
        confidence=any(map(_FROM_CONFIDENCE.fullmatch, topics)),
        probabilities=by_sums or bool(read),
        deepest=max(levels, default=0) if is_part else None,
        subclasses=is_part and bool(regions),
    )
