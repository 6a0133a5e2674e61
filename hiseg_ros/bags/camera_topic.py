# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Choice of the camera topic for a live replay, with its camera_info and ground truth."""

from __future__ import annotations

from hiseg_ros.bags.bag import IMAGE_TYPES, Bag, Topic
from hiseg_ros.errors import BagError

GROUND_TRUTH = '/ground_truth/'
"""Namespace of topics with ground truth for the camera's images, under the same stamps."""


def choose_image_topic(bag: Bag, wanted: str | None = None) -> tuple[Topic, tuple[Topic, ...]]:
    """Return the camera topic to replay, and the other image topics.

    Args:
        bag: The bag.
        wanted: Name of the topic; None for the first image topic that has messages and is no
            ground truth.

    Raises:
        BagError: The wanted topic is missing or no image topic, or there is no image topic.
    """
    candidates = [t for t in bag.topics if t.is_image and t.count]
    if wanted is not None:
        topic = bag.topic(wanted)
        if topic not in candidates:
            names = ', '.join(t.name for t in candidates) or 'none'
            raise BagError(
                f'Topic {wanted} of {bag.path} has {topic.count} messages of the type '
                f'{topic.message_type}; expected images, which these have: {names}.'
            )
        return topic, tuple(t for t in candidates if t != topic)
    cameras = [t for t in candidates if not t.name.startswith(GROUND_TRUTH)]
    if not cameras:
        names = ', '.join(f'{t.name} ({t.message_type})' for t in bag.topics) or 'none'
        raise BagError(
            f'The bag {bag.path} has no images to replay; expected a topic with '
            f'{" or ".join(IMAGE_TYPES)}, found: {names}.'
        )
    return cameras[0], tuple(cameras[1:])


def companions(bag: Bag, camera: Topic) -> tuple[Topic, ...]:
    """Return the topics that are replayed with a camera: its camera_info and ground truth."""
    base = camera.name.removesuffix('/compressed').rpartition('/')[0]
    return tuple(
        topic
        for topic in bag.topics
        if topic.count
        and (
            (topic.name.startswith(GROUND_TRUTH) and topic.is_image)
            or (
                topic.name == f'{base}/camera_info'
                and topic.message_type == 'sensor_msgs/msg/CameraInfo'
            )
        )
    )
