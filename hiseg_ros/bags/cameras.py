# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Which topics of recordings are cameras, and where their results go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hiseg_ros.bags.bag import IMAGE_TYPES, Topic
from hiseg_ros.bags.camera_topic import GROUND_TRUTH
from hiseg_ros.bags.node_results import NODE, node_namespaces
from hiseg_ros.errors import BagError

_COMPRESSED = '/compressed'


@dataclass(frozen=True)
class Camera:
    """A camera to replay."""

    topic: str
    message_type: str
    node: str
    """Where the results go: the name of the node that would have published them."""
    count: int
    """Messages announced; a damaged recording holds fewer."""

    @property
    def info_topic(self) -> str:
        """Topic of its CameraInfo, which need not be there."""
        return f'{base_topic(self.topic).rpartition("/")[0]}/camera_info'


def base_topic(topic: str) -> str:
    """Return the topic of the raw images that a compressed one belongs to."""
    return topic.removesuffix(_COMPRESSED)


def choose_cameras(
    topics: Iterable[Topic], wanted: Sequence[str] = (), truth: str | None = None
) -> tuple[Camera, ...]:
    """Return the cameras to replay.

    Without a wish these are all topics of images except ground truth, depth, what a node of
    ours has published, and compressed images whose raw ones are there too.

    Args:
        topics: Of all recordings.
        wanted: Names of the topics to replay.
        truth: Topic with the ground truth, which is no camera.

    Raises:
        BagError: A wanted topic is not there or holds no images, or there is no camera.
    """
    counts: dict[tuple[str, str], int] = {}
    for topic in topics:
        key = (topic.name, topic.message_type)
        counts[key] = counts.get(key, 0) + topic.count
    images = {
        name: kind for (name, kind), count in counts.items() if kind in IMAGE_TYPES and count
    }
    listed = ', '.join(f'{name} ({kind})' for name, kind in counts) or 'none'
    for name in wanted:
        if name not in images:
            raise BagError(
                f'The recording has no images on {name}; expected a topic with '
                f'{" or ".join(IMAGE_TYPES)}, found: {listed}.'
            )
    nodes = node_namespaces(Topic(*key, count) for key, count in counts.items())
    chosen = (
        [name for name in images if name in wanted]
        if wanted
        else [
            name
            for name in images
            if name != truth
            and not name.startswith((GROUND_TRUTH, *nodes))
            and 'depth' not in name.lower()
            and (name == base_topic(name) or base_topic(name) not in images)
        ]
    )
    if not chosen:
        raise BagError(
            f'The recording has no camera; expected a topic with {" or ".join(IMAGE_TYPES)}, '
            f'found: {listed}.'
        )
    places = node_names(chosen)
    return tuple(
        Camera(name, images[name], places[name], counts[name, images[name]]) for name in chosen
    )


def node_names(cameras: Sequence[str]) -> dict[str, str]:
    """Return the node's name for each camera: one camera as the node is called by default.

    Of several, each gets a namespace: that of its topic, or, where two share it, the topic.
    """
    if len(cameras) == 1:
        return {cameras[0]: NODE}
    spaces = {name: base_topic(name).rpartition('/')[0] for name in cameras}
    if len(set(spaces.values())) < len(cameras) or '' in spaces.values():
        spaces = {name: base_topic(name) for name in cameras}
    if len(set(spaces.values())) < len(cameras):
        spaces = {name: name for name in cameras}
    return {name: f'{space}{NODE}' for name, space in spaces.items()}
