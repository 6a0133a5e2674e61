# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Choice of the camera topics of recordings, and the node name for the results of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hiseg_ros.bags.bag import IMAGE_TYPES, Topic
from hiseg_ros.bags.camera_content import Kind, Look, base_topic, info_topic, look_at
from hiseg_ros.bags.converted import VIDEO_TYPES
from hiseg_ros.bags.message_types import is_foreign
from hiseg_ros.bags.node_results import NODE, node_namespaces
from hiseg_ros.bags.recording import Recording
from hiseg_ros.errors import BagError

GROUND_TRUTH = '/ground_truth/'
"""Namespace of topics with ground truth for the camera's images, under the same stamps."""


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
        return info_topic(self.topic)


@dataclass(frozen=True)
class CameraChoice:
    """The cameras of recordings, and what was not taken."""

    cameras: tuple[Camera, ...]
    """In the order of the recording."""
    best: Camera
    """The one for a single camera: colour before grey, else the first."""
    left_out: Mapping[str, str]
    """Other image topics with messages, with the reason in a few words."""

    def left_out_text(self) -> str:
        """Return a line that names what was not taken and how to choose it; '' for nothing."""
        if not self.left_out:
            return ''
        rows = ', '.join(f'{name} ({reason})' for name, reason in self.left_out.items())
        return f'Not replayed: {rows}; choose topics with --topic.'

    def only_best(self) -> CameraChoice:
        """Return the choice of the best camera alone."""
        others = {c.topic: 'another camera' for c in self.cameras if c != self.best}
        return CameraChoice((self.best,), self.best, {**others, **self.left_out})


def choose_from(
    recordings: Sequence[Recording], wanted: Sequence[str] = (), truth: str | None = None
) -> CameraChoice:
    """Return the cameras of recordings, by the content of their image topics.

    Args:
        recordings: The recordings.
        wanted: Names of the topics to take; empty for all cameras, see `choose_cameras`.
        truth: Topic with the ground truth, which is no camera.

    Raises:
        BagError: A wanted topic is missing or holds no images, or there is no camera.
    """
    topics = [topic for recording in recordings for topic in recording.topics]
    looks = {} if wanted else look_at(recordings)
    cameras = choose_cameras(topics, wanted, truth, looks)
    if wanted:
        return CameraChoice(cameras, cameras[0], {})
    taken = {camera.topic for camera in cameras}
    reasons = _reasons(topics, truth, looks)
    left_out = {name: reasons[name] for name in reasons if name not in (*taken, truth)}
    best = min(cameras, key=lambda camera: looks[camera.topic].kind)
    return CameraChoice(cameras, best, left_out)


def choose_cameras(
    topics: Iterable[Topic],
    wanted: Sequence[str] = (),
    truth: str | None = None,
    looks: Mapping[str, Look] | None = None,
) -> tuple[Camera, ...]:
    """Return the cameras to replay.

    Args:
        topics: Topics of all recordings.
        wanted: Names of the topics to replay. Empty for all image topics except ground truth,
            depth, labels, results of a hiseg_ros node, and compressed images whose raw topic is
            taken.
        truth: Topic with the ground truth, which is no camera.
        looks: What each image topic holds, see `look_at`; of one that is not in it nothing is
            known, and it is taken.

    Raises:
        BagError: A wanted topic is missing or holds no images, or there is no camera.
    """
    topics = list(topics)
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
            what = 'images on' if any(topic.name == name for topic in topics) else 'topic'
            raise BagError(
                f'The recording has no {what} {name}; expected a topic with '
                f'{" or ".join(IMAGE_TYPES)}, found: {listed}.'
            )
    reasons = _reasons(topics, truth, looks or {})
    chosen = [name for name in images if (name in wanted if wanted else name not in reasons)]
    if not chosen:
        why = ''.join(f'; {name} is not taken ({reason})' for name, reason in reasons.items())
        if any(is_foreign(kind) for _, kind in counts):
            why += '; messages in brackets are not CDR, as those of ROS 2, and cannot be read'
        advice = ': choose a topic with --topic' if reasons else ''
        raise BagError(
            f'The recording has no camera; expected a topic with {" or ".join(IMAGE_TYPES)}, '
            f'found: {listed}{why}{advice}.'
        )
    places = node_names(chosen)
    return tuple(
        Camera(name, images[name], places[name], counts[name, images[name]]) for name in chosen
    )


def _reasons(
    topics: Iterable[Topic], truth: str | None, looks: Mapping[str, Look]
) -> dict[str, str]:
    """Return why image topics with messages are no cameras, in a few words each."""
    topics = list(topics)
    nodes = node_namespaces(topics)
    names = list(dict.fromkeys(topic.name for topic in topics if topic.is_image and topic.count))
    reasons = {
        topic.name: 'a video, for which PyAV is needed: pip install av'
        for topic in topics
        if topic.message_type in VIDEO_TYPES
    }
    for name in names:
        look = looks.get(name)
        # Colour images are a camera's, whatever the name: simulators publish theirs so.
        is_color = look is not None and look.kind == Kind.COLOR and bool(look.encoding)
        if name == truth or (name.startswith(GROUND_TRUTH) and not is_color):
            reasons[name] = 'ground truth'
        elif name.startswith(nodes):
            reasons[name] = 'result of a hiseg_ros node'
        elif look is not None and not look.kind.is_camera:
            reasons[name] = look.reason
    for name in names:
        raw = base_topic(name)
        if name not in reasons and raw != name and raw in names and raw not in reasons:
            reasons[name] = f'the images of {raw}'
    return reasons


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


def companions(topics: Iterable[Topic], camera: Camera) -> tuple[Topic, ...]:
    """Return the topics that are replayed live with a camera: its camera_info and ground truth."""
    return tuple(
        topic
        for topic in topics
        if topic.count
        and topic.name != camera.topic
        and (
            (topic.name.startswith(GROUND_TRUTH) and topic.is_image)
            or (
                topic.name == camera.info_topic
                and topic.message_type == 'sensor_msgs/msg/CameraInfo'
            )
        )
    )
