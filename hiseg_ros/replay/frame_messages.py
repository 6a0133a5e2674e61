# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The messages of a replayed frame, in the order in which the node publishes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hiseg_ros.bags.bag_part import OutputTopic
from hiseg_ros.bags.builder import messages
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.types import ImageSize, RgbImage, Segmentation, SubclassMask

IMAGE = 'sensor_msgs/msg/Image'
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'

PARTS = ('camera', 'levels', 'overlay', 'probabilities')
"""Kinds of messages that can be left out of the new bag."""

OVERLAY_ALPHA = 0.5
"""The node's default."""


@dataclass(frozen=True)
class FrameResult:
    """One segmented image with everything that its messages are built from."""

    header: Any
    rgb: RgbImage
    segmentation: Segmentation
    masks: Sequence[SubclassMask]
    counters: Mapping[str, int]
    """See `MessageBuilder.frame_stats_message`."""
    device: str
    camera_info: Any | None
    """The newest camera_info of its camera, decoded; None where there is none."""

    @property
    def image_size(self) -> ImageSize:
        """(H, W) of the image."""
        return self.rgb.shape[0], self.rgb.shape[1]


def node_topics(
    node: str, taxonomy: Taxonomy, omit: frozenset[str], *, has_info: bool
) -> tuple[OutputTopic, ...]:
    """Return the topics with the results of one camera.

    Args:
        node: Name of the node, with namespace.
        taxonomy: The label tree.
        omit: Kinds to leave out, some of `PARTS`.
        has_info: Whether the camera has a camera_info.
    """
    levels = range(1, taxonomy.depth + 1)
    kinds = {'taxonomy': 'hiseg_ros/msg/Taxonomy', 'labels': IMAGE, 'confidence': IMAGE}
    if 'levels' not in omit:
        kinds |= {f'level_{level}/labels': IMAGE for level in levels}
    kinds['traffic_signs'] = 'hiseg_ros/msg/SubclassMasks'
    if 'overlay' not in omit:
        kinds['overlay/image'] = IMAGE
        if has_info:
            kinds['overlay/camera_info'] = CAMERA_INFO
    if 'probabilities' not in omit:
        message_type = 'hiseg_ros/msg/ProbabilityMap'
        kinds |= {f'level_{level}/probabilities': message_type for level in levels}
    kinds['stats'] = 'hiseg_ros/msg/FrameStats'
    return tuple(
        OutputTopic(f'{node}/{name}', kind, is_latched=name == 'taxonomy')
        for name, kind in kinds.items()
    )


def frame_messages(
    result: FrameResult, taxonomy: Taxonomy, omit: frozenset[str]
) -> Iterator[tuple[str, Any]]:
    """Yield (topic without the node's name, message) of one frame."""
    header, labels, size = result.header, result.segmentation.labels, result.image_size
    levels = range(1, taxonomy.depth + 1)
    yield 'labels', messages.labels_message(header, labels)
    yield 'confidence', messages.confidence_message(header, result.segmentation.confidence)
    if 'levels' not in omit:
        tables = [taxonomy.node_id_at_level(level) for level in levels]
        of_levels = messages.level_labels_messages(header, labels, tables)
        yield from zip((f'level_{level}/labels' for level in levels), of_levels, strict=True)
    yield 'traffic_signs', messages.subclass_masks_message(header, result.masks, taxonomy, size)
    if 'overlay' not in omit:
        yield (
            'overlay/image',
            messages.overlay_message(header, result.rgb, labels, taxonomy, OVERLAY_ALPHA),
        )
        if result.camera_info is not None:
            info = messages.camera_info_message(header, result.camera_info, size)
            yield 'overlay/camera_info', info
    if 'probabilities' not in omit:
        maps = messages.probability_map_messages(
            header,
            result.segmentation.probabilities,
            [taxonomy.level_nodes(level) for level in levels],
            taxonomy,
        )
        yield from zip((f'level_{level}/probabilities' for level in levels), maps, strict=True)
    yield (
        'stats',
        # Without times: measured ones would differ between replays of the same recording.
        messages.frame_stats_message(
            header,
            times_ms={},
            counters=result.counters,
            image_size=size,
            input_size=result.segmentation.input_size,
            device=result.device,
        ),
    )
