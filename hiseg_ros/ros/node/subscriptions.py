# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The subscriptions of one camera, with the reliability that its driver publishes with."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks, UnsupportedEventTypeError
from rclpy.node import Node
from rclpy.qos import (
    HistoryPolicy,
    QoSProfile,
    ReliabilityPolicy,
    qos_policy_name_from_kind,
    qos_profile_sensor_data,
)
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from hiseg_ros.ros.health.camera_health import CameraHealth
from hiseg_ros.ros.health.lost_messages import LostMessageCounter
from hiseg_ros.ros.health.receipt import Receipt
from hiseg_ros.ros.messages.received_image import read_image
from hiseg_ros.ros.node.frame import Frame
from hiseg_ros.ros.parameters import NodeParameters


class CameraSubscriptions:
    """Subscriptions to the image and camera_info of one camera, open while the node is active."""

    def __init__(
        self,
        node: Node,
        camera: str,
        parameters: NodeParameters,
        health: CameraHealth,
        on_frame: Callable[[Frame], None],
    ) -> None:
        """Resolve the topics; `open` subscribes.

        Args:
            node: The node to subscribe with.
            camera: Namespace of its topics; empty for image and camera_info.
            parameters: Transport and reliability of the images.
            health: Notes the topic's name, incompatible publishers and lost messages.
            on_frame: Called in the executor's thread for each image.
        """
        self._node = node
        self._health = health
        self._on_frame = on_frame
        self._reliability = parameters.image_reliability
        prefix = f'{camera}/' if camera else ''
        base = node.resolve_topic_name(f'{prefix}image')
        self._info_topic = f'{prefix}camera_info'
        self._kind: type[Image] | type[CompressedImage] = Image
        self.image_topic = base
        if parameters.image_transport == 'compressed':
            # As image_transport does: the suffix follows the remapped name of the raw topic.
            self._kind = CompressedImage
            suffix = '' if base.endswith('/compressed') else '/compressed'
            self.image_topic = node.resolve_topic_name(base + suffix)
        health.topic = self.image_topic
        self._silence = ''
        self._images: Subscription | None = None
        self._infos: Subscription | None = None
        self._current = ReliabilityPolicy.RELIABLE
        self._lost_messages = LostMessageCounter(self._publishers)
        self.camera_info: CameraInfo | None = None
        """The newest camera_info since `open`, None before the first."""

    @property
    def is_open(self) -> bool:
        """Whether the camera is subscribed to."""
        return self._images is not None

    def open(self) -> None:
        """Subscribe, unless that was done before."""
        if self._images is not None:
            return
        # Not in `close`: a frame that was taken before then may still be decoded.
        self.camera_info = None
        self._subscribe(self._matching())
        self._infos = self._node.create_subscription(
            CameraInfo, self._info_topic, self._on_camera_info, qos_profile_sensor_data
        )

    def close(self) -> None:
        """Unsubscribe."""
        subscriptions = (self._images, self._infos)
        self._images = self._infos = None
        for subscription in subscriptions:
            if subscription is not None:
                self._node.destroy_subscription(subscription)
        self._health.incompatible = ''

    def match_publishers(self) -> None:
        """Subscribe again where the publishers' reliability has changed."""
        images = self._images
        if images is None:
            return
        self._look_for_images()
        if self._health.incompatible and not self._best_effort_publishers():
            self._health.incompatible = ''
        wanted = self._matching()
        if wanted != self._current:
            self._node.destroy_subscription(images)
            self._subscribe(wanted)
            self._node.get_logger().info(
                f'Subscribed again to {self.image_topic}, {wanted.name.lower()} as its publishers.'
            )

    def _look_for_images(self) -> None:
        """Warn where nobody publishes what is subscribed to, but something like it."""
        found = self._why_silent()
        if found:
            self._health.warn('no images', found)
        if found and found != self._silence:
            self._node.get_logger().warning(found[0].upper() + found[1:] + '.')
        self._silence = found

    def _why_silent(self) -> str:
        """Return why no image can arrive, and the remedy; '' where one can or may yet."""
        wanted = _type_name(self._kind)
        types = {p.topic_type for p in self._node.get_publishers_info_by_topic(self.image_topic)}
        if wanted in types:
            return ''
        if types:
            return (
                f'{self.image_topic} carries {", ".join(sorted(types))}; expected {wanted}: remap '
                'image to a topic of that type'
            )
        if self._kind is Image:
            other, kind, transport = (
                f'{self.image_topic}/compressed',
                CompressedImage,
                'compressed',
            )
        else:
            other, kind, transport = self.image_topic.removesuffix('/compressed'), Image, 'raw'
        publishers = self._node.get_publishers_info_by_topic(other)
        if _type_name(kind) not in {publisher.topic_type for publisher in publishers}:
            return ''
        return (
            f'nobody publishes {self.image_topic}, but somebody {other}: set parameter '
            f'image_transport to {transport}'
        )

    def _matching(self) -> ReliabilityPolicy:
        if self._reliability != 'auto':
            return ReliabilityPolicy[self._reliability.upper()]
        # Reliable while there is no publisher yet: best effort loses images beyond half a megabyte
        # on the default shared-memory segment.
        reliable = not self._best_effort_publishers()
        return ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT

    def _best_effort_publishers(self) -> int:
        publishers = self._node.get_publishers_info_by_topic(self.image_topic)
        return sum(p.qos_profile.reliability != ReliabilityPolicy.RELIABLE for p in publishers)

    def _subscribe(self, reliability: ReliabilityPolicy) -> None:
        qos = QoSProfile(reliability=reliability, history=HistoryPolicy.KEEP_LAST, depth=1)
        self._current = reliability
        self._health.incompatible = ''
        self._lost_messages = LostMessageCounter(self._publishers)
        for on_lost in (self._on_lost, None):
            events = SubscriptionEventCallbacks(
                incompatible_qos=self._on_incompatible, message_lost=on_lost
            )
            try:
                self._images = self._node.create_subscription(
                    self._kind,
                    self.image_topic,
                    self._on_image,
                    qos,
                    event_callbacks=events,
                    raw=True,
                )
                return
            except UnsupportedEventTypeError:
                continue  # the middleware does not report lost messages

    def _publishers(self) -> frozenset[Hashable]:
        if not self._node.context.ok():
            return frozenset()  # ROS was shut down while an image was taken
        publishers = self._node.get_publishers_info_by_topic(self.image_topic)
        return frozenset(tuple(publisher.endpoint_gid) for publisher in publishers)

    def _on_image(self, serialized: bytes, info: Mapping[str, int | None]) -> None:
        """Note losses and pass an image on; rclpy calls this in the executor's thread."""
        if missing := self._lost_messages.arrived(info.get('publication_sequence_number')):
            self._health.missed(missing)
        arrived, arrived_s = self._node.get_clock().now(), time.perf_counter()
        message = read_image(self._kind, serialized)
        self._on_frame(Frame(message, arrived, arrived_s, Receipt(self._health)))

    def _on_camera_info(self, message: CameraInfo) -> None:
        """Keep the newest camera_info; rclpy calls this in the executor's thread."""
        self.camera_info = message

    def _on_incompatible(self, event: Any) -> None:
        """Note a publisher that is not heard; rclpy calls this in the executor's thread."""
        policy = qos_policy_name_from_kind(event.last_policy_kind)
        if self._reliability == 'auto' and policy == 'RELIABILITY':
            return  # match_publishers is about to subscribe as the publisher offers
        self._health.incompatible = (
            f'a publisher of {self.image_topic} is not heard, since its {policy} is incompatible '
            'with parameter image_reliability: set that to auto'
        )

    def _on_lost(self, event: Any) -> None:
        """Count losses that the middleware reports; rclpy calls this in the executor's thread."""
        self._health.lost(self._lost_messages.reported(event.total_count_change))


def _type_name(kind: type[Image] | type[CompressedImage]) -> str:
    return f'sensor_msgs/msg/{kind.__name__}'
