# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Finding the results of a node in a recording, and the camera of each."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

from hiseg_ros.bags.bag import Topic
from hiseg_ros.bags.cameras import choose_from
from hiseg_ros.bags.message_stream import MessageStream
from hiseg_ros.bags.node_results import TAXONOMY, result_places
from hiseg_ros.bags.recording import Recording
from hiseg_ros.bags.stamps import header_stamp_ns
from hiseg_ros.errors import BagError, ImageError
from hiseg_ros.messages.codec import decode_taxonomy
from hiseg_ros.taxonomy import Taxonomy

_SHOWN = ('labels', 'confidence', 'traffic_signs', 'stats')
_OVERLAY = 'overlay/image'

FIRST_MESSAGES = 600
"""Number of first messages that are read to pair labels with their images."""


@dataclass(frozen=True)
class SeenCamera:
    """Topics of one camera: the node's results, and the images that they were made from."""

    node: str
    """Prefix of its result topics, such as /segmentation."""
    taxonomy: Taxonomy
    results: Mapping[str, str]
    """Message types by topic without the prefix: labels, confidence, level_1/probabilities, ..."""
    image: Topic | None
    """Its images; the overlays if no images were recorded; else None."""
    is_timed: bool
    """Whether its statistics hold times, as those of a live node do."""

    @property
    def levels(self) -> tuple[int, ...]:
        """Levels of the tree with recorded probabilities."""
        everything = range(1, self.taxonomy.depth + 1)
        return tuple(n for n in everything if f'level_{n}/probabilities' in self.results)

    def shown(self, levels: Iterable[int]) -> dict[str, str]:
        """Return the topics that are shown, with their message types.

        Args:
            levels: Levels whose probabilities are shown.
        """
        names = (*_SHOWN, *(f'level_{level}/probabilities' for level in levels))
        topics = {f'{self.node}/{n}': self.results[n] for n in names if n in self.results}
        if self.image is not None:
            topics[self.image.name] = self.image.message_type
        return topics


def find_cameras(recording: Recording) -> tuple[SeenCamera, ...]:
    """Return the cameras of a recording, in the order of their names.

    Raises:
        BagError: The recording has no labels of a node, or no label tree.
        TaxonomyError: A label tree is not valid.
    """
    topics = {topic.name: topic for topic in recording.topics if topic.count}
    nodes = _nodes(topics)
    if not nodes:
        raise BagError(
            f'The recording {recording.path} holds no labels with their label tree; expected the '
            "node's topics labels (Image) and taxonomy (hiseg_ros/msg/Taxonomy), as `hiseg "
            'replay` and `hiseg demo` write them, found: '
            f'{", ".join(sorted(topics)) or "no messages"}.'
        )
    trees = _trees(recording, set(nodes.values()))
    images = _images(recording, topics, nodes)
    return tuple(
        SeenCamera(
            node,
            trees[tree],
            {
                name.removeprefix(f'{node}/'): topic.message_type
                for name, topic in topics.items()
                if name.startswith(f'{node}/')
            },
            images.get(node, topics.get(f'{node}/{_OVERLAY}')),
            is_timed=_is_timed(recording, topics.get(f'{node}/stats')),
        )
        for node, tree in sorted(nodes.items())
    )


def _nodes(topics: Mapping[str, Topic]) -> dict[str, str]:
    """Return the topic of the label tree for each prefix of results.

    One node may serve several cameras: /segmentation/front/labels belongs to the tree of
    /segmentation.
    """
    trees = [
        name
        for name, topic in topics.items()
        if topic.message_type == TAXONOMY and name.endswith('/taxonomy')
    ]
    found = {}
    for place in result_places(topics.values()):
        above = [tree for tree in trees if f'{place}/'.startswith(tree.removesuffix('taxonomy'))]
        if above:
            found[place] = max(above, key=len)
    return found


def _trees(recording: Recording, topics: Collection[str]) -> dict[str, Taxonomy]:
    """Return the label tree by topic."""
    found: dict[str, Taxonomy] = {}
    for message in MessageStream([recording], topics):
        if message.raw.topic not in found:
            found[message.raw.topic] = decode_taxonomy(message.decode())
        if len(found) == len(topics):
            return found
    missing = ', '.join(sorted(set(topics) - set(found)))
    raise BagError(
        f'The recording {recording.path} has no message on {missing}; expected the latched label '
        'tree of the node: record from before the first frame on.'
    )


def _is_timed(recording: Recording, stats: Topic | None) -> bool:
    """Return whether the first statistics hold times; an offline replay measures none."""
    if stats is None:
        return False
    for message in MessageStream([recording], [stats.name]):
        return math.isfinite(message.decode().total_ms)
    return False


def _images(
    recording: Recording,
    topics: Mapping[str, Topic],
    nodes: Collection[str],
) -> dict[str, Topic]:
    """Return the image topic for each prefix of results, if there is one.

    An image and its labels have the same header. If two cameras have the same headers, the names
    decide: /front/image_raw belongs to /front/segmentation.
    """
    try:
        images = [camera.topic for camera in choose_from([recording]).cameras]
    except BagError:
        return {}  # no images were recorded
    labels = {f'{node}/labels': node for node in nodes}
    headers: dict[str, set[tuple[int, str]]] = {name: set() for name in (*images, *labels)}
    for message in islice(MessageStream([recording], headers), FIRST_MESSAGES):
        topic = message.raw.topic
        try:
            decoded = message.decode()
        except ImageError:
            continue  # damaged: the next message will do
        headers[topic].add((header_stamp_ns(decoded), decoded.header.frame_id))
        if all(any(headers[name] & headers[p] for p in images) for name in labels):
            break
    found = {}
    for name, node in labels.items():
        matching = [image for image in images if headers[image] & headers[name]]
        if matching:
            found[node] = topics[max(matching, key=lambda image: _shared_words(image, node))]
    return found


def _shared_words(one: str, other: str) -> int:
    return len(set(one.split('/')) & set(other.split('/')))
