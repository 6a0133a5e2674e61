# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The topics the node publishes: from topic to message, built only where somebody listens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from rclpy.exceptions import ParameterException
from rclpy.lifecycle import LifecycleNode
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import InvalidQosOverridesError, QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from hiseg_ros.errors import ConfigError
from hiseg_ros.msg import FrameStats, ProbabilityMap, SubclassMasks
from hiseg_ros.msg import Taxonomy as TaxonomyMessage
from hiseg_ros.regions import subclass_masks
from hiseg_ros.ros import messages
from hiseg_ros.ros.parameters import NodeParameters
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.types import RgbImage, Segmentation
from hiseg_ros.visualization import overlay

LATCHED_QOS = QoSProfile(
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
)

_HEADER_BYTES = 64
"""Lower bound of what a serialised message holds beside its data."""

STATS = 'stats'


@dataclass(frozen=True)
class Product:
    """One segmented frame and all that its messages are built from."""

    header: Header
    rgb: RgbImage
    segmentation: Segmentation
    parameters: NodeParameters
    camera_info: CameraInfo | None


@dataclass(frozen=True)
class Published:
    """What went out for one frame."""

    message_bytes: Mapping[str, int]
    """Size of each message by topic."""

    messages_ms: float
    publish_ms: float


Builder = Callable[[Product], Any]


class Outputs:
    """Publishers of one configuration of the node."""

    def __init__(self, node: LifecycleNode, taxonomy: Taxonomy) -> None:
        """Create all publishers and publish what is latched.

        Raises:
            ConfigError: A qos_overrides parameter has a value that ROS does not know.
        """
        self._node = node
        self._taxonomy = taxonomy
        self._builders: dict[str, Builder] = {}
        self._publishers: dict[str, Publisher] = {}
        self._latched: list[Publisher] = []
        try:
            self._create()
        except Exception:
            self.destroy()
            raise

    def _create(self) -> None:
        self._add('labels', Image, self._labels)
        self._add('confidence', Image, self._confidence)
        for level in range(1, self._taxonomy.depth + 1):
            self._add(f'level_{level}/labels', Image, self._level_labels(level))
        self._add('traffic_signs', SubclassMasks, self._traffic_signs)
        self._add('overlay/image', Image, self._overlay)
        self._add('overlay/camera_info', CameraInfo, self._camera_info)
        for level in range(1, self._taxonomy.depth + 1):
            build = self._level_probabilities(level)
            self._add(f'level_{level}/probabilities', ProbabilityMap, build)
        self._publishers[STATS] = self._publisher(STATS, FrameStats)
        self._latch('taxonomy', TaxonomyMessage, messages.taxonomy_message(self._taxonomy))
        label_info = messages.label_info_message(self._taxonomy)
        if label_info is not None:
            self._latch('label_info', type(label_info), label_info)

    def _add(self, topic: str, kind: type, build: Builder) -> None:
        self._builders[topic] = build
        self._publishers[topic] = self._publisher(topic, kind)

    def _publisher(self, topic: str, kind: type) -> Publisher:
        try:
            return self._node.create_lifecycle_publisher(
                kind,
                f'~/{topic}',
                _frame_qos(),
                qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            )
        except (InvalidQosOverridesError, ParameterException, RuntimeError, ValueError) as error:
            if type(error) is not RuntimeError and isinstance(error, RuntimeError):
                raise  # of the middleware, not of an override
            raise ConfigError(
                f'A qos_overrides parameter of ~/{topic} cannot be used ({error}); expected '
                'reliability reliable or best_effort, history keep_last or keep_all and a '
                'positive depth: correct it in the parameter file.'
            ) from error

    def _latch(self, topic: str, kind: type, message: Any) -> None:
        # Not a lifecycle publisher: what labels mean is known as soon as the node is configured.
        publisher = self._node.create_publisher(kind, f'~/{topic}', LATCHED_QOS)
        self._latched.append(publisher)
        publisher.publish(message)

    def wanted(self) -> frozenset[str]:
        """Return the topics somebody subscribes to."""
        return frozenset(
            topic for topic, p in self._publishers.items() if p.get_subscription_count() > 0
        )

    def publish(self, wanted: frozenset[str], product: Product) -> Published:
        """Build and publish the wanted topics of a frame, except the statistics."""
        message_bytes = {}
        messages_s = publish_s = 0.0
        for topic, build in self._builders.items():
            if topic not in wanted:
                continue
            started = perf_counter()
            message = build(product)
            built = perf_counter()
            messages_s += built - started
            if message is None:
                continue
            self._publishers[topic].publish(message)
            publish_s += perf_counter() - built
            message_bytes[topic] = _HEADER_BYTES + len(getattr(message, 'data', b''))
        return Published(message_bytes, 1e3 * messages_s, 1e3 * publish_s)

    def publish_stats(self, message: FrameStats) -> None:
        """Publish a frame's statistics."""
        self._publishers[STATS].publish(message)

    def destroy(self) -> None:
        """Take all publishers out of the graph."""
        for publisher in self._publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)
        for publisher in self._latched:
            self._node.destroy_publisher(publisher)
        self._publishers.clear()
        self._latched.clear()

    def _labels(self, product: Product) -> Image:
        return messages.labels_message(product.header, product.segmentation.labels)

    def _confidence(self, product: Product) -> Image:
        return messages.confidence_message(product.header, product.segmentation.confidence)

    def _level_labels(self, level: int) -> Builder:
        table = self._taxonomy.node_id_at_level(level)

        def build(product: Product) -> Image:
            labels = product.segmentation.labels
            return messages.level_labels_message(product.header, labels, table)

        return build

    def _level_probabilities(self, level: int) -> Builder:
        node_ids = self._taxonomy.level_nodes(level)

        def build(product: Product) -> ProbabilityMap:
            return messages.probability_map_message(
                product.header,
                product.segmentation.probabilities,
                node_ids,
                self._taxonomy,
                encoding=product.parameters.probabilities_encoding,
                stride=product.parameters.probabilities_stride,
            )

        return build

    def _traffic_signs(self, product: Product) -> SubclassMasks:
        masks = subclass_masks(
            product.segmentation,
            self._taxonomy,
            min_area=product.parameters.signs_min_area,
            max_masks=product.parameters.signs_max_masks,
            min_probability=product.parameters.signs_min_probability,
        )
        size = product.segmentation.probabilities.image_size
        return messages.subclass_masks_message(product.header, masks, self._taxonomy, size)

    def _overlay(self, product: Product) -> Image:
        picture = overlay(
            product.rgb,
            product.segmentation.labels,
            self._taxonomy,
            alpha=product.parameters.overlay_alpha,
        )
        return messages.rgb_message(product.header, picture)

    def _camera_info(self, product: Product) -> CameraInfo | None:
        if product.camera_info is None:
            return None
        size = product.segmentation.probabilities.image_size
        return messages.camera_info_message(product.header, product.camera_info, size)


def _frame_qos() -> QoSProfile:
    """Return a new profile, since rclpy writes overrides into the one it is given.

    Reliable serves rviz2, which asks for it, and best-effort readers alike.
    """
    return QoSProfile(
        reliability=ReliabilityPolicy.RELIABLE, history=HistoryPolicy.KEEP_LAST, depth=2
    )


def needs_labels(wanted: frozenset[str]) -> bool:
    """Return whether any of the topics is made from the label image."""
    return any(
        topic in ('labels', 'traffic_signs', 'overlay/image') or topic.endswith('/labels')
        for topic in wanted
    )
