# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Choice of the camera topics of recordings, and the node name for the results of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hiseg_ros.bags.bag import IMAGE_TYPES, Topic
from hiseg_ros.bags.camera_content import cameras_among
from hiseg_ros.bags.camera_topic import GROUND_TRUTH
from hiseg_ros.bags.node_results import NODE, node_namespaces
from hiseg_ros.errors import BagError

_COMPRESSED = '/compressed'


@dataclass(frozen=True)
class Camera:
    """A camera topic to replay."""

    topic: str
    message_type: str
    node: str
    """Name of the node whose topics get the results, such as '/segmentation'."""
    count: int
    """Number of messages that the metadata announces; a damaged recording holds fewer."""

    @property
    def info_topic(self) -> str:
        """Topic of its CameraInfo, which the recording may lack."""
        return f'{base_topic(self.topic).rpartition("/")[0]}/camera_info'


def base_topic(topic: str) -> str:
    """Return the topic of the raw images that a topic of compressed images belongs to."""
    return topic.removesuffix(_COMPRESSED)


def choose_cameras(
    topics: Iterable[Topic],
    wanted: Sequence[str] = (),
    truth: str | None = None,
    encodings: Mapping[str, str] | None = None,
) -> tuple[Camera, ...]:
    """Return the cameras to replay.

    Args:
        topics: Topics of all recordings.
        wanted: Names of the topics to replay. Empty for all image topics except ground truth,
            depth, results of a hiseg_ros node, and compressed images whose raw topic is there
            too.
        truth: Topic with the ground truth, which is no camera.
        encodings: Encoding of the first message by topic, see `first_encodings`: it decides what
            is depth; without it the name does.

    Raises:
        BagError: A wanted topic is missing or holds no images, or there is no camera.
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
    cameras = cameras_among(images, encodings or {})
    chosen = (
        [name for name in images if name in wanted]
        if wanted
        else [
            name
            for name in images
            if name != truth
            and not name.startswith((GROUND_TRUTH, *nodes))
            and name in cameras
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
    """Return the node name for the results of each camera.

    The only camera gets the node's default name. Of several, each gets a namespace in front: that
    of its topic or, where two cameras share it, the whole topic.
    """
    if len(cameras) == 1:
        return {cameras[0]: NODE}
    spaces = {name: base_topic(name).rpartition('/')[0] for name in cameras}
    if len(set(spaces.values())) < len(cameras) or '' in spaces.values():
        spaces = {name: base_topic(name) for name in cameras}
    if len(set(spaces.values())) < len(cameras):
        spaces = {name: name for name in cameras}
    return {name: f'{space}{NODE}' for name, space in spaces.items()}
