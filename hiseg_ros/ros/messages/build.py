# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Results as ROS messages; the input's header goes into each of them unchanged."""

from __future__ import annotations

import copy
import math
from array import array
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, Image, RegionOfInterest
from std_msgs.msg import Header

import hiseg_ros.msg as msg
from hiseg_ros.messages.codec import (
    PROBABILITY_BYTES,
    bytes_of,
    encode_mask,
    encode_probabilities,
    map_size,
)
from hiseg_ros.ros.health.camera_health import Counters
from hiseg_ros.ros.messages.preserialized import message_with_data
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.types import (
    UNLABELED,
    ImageSize,
    LabelImage,
    NodeProbabilities,
    RgbImage,
    SubclassMask,
)
from hiseg_ros.visualization import overlay

Message = TypeVar('Message', Image, msg.ProbabilityMap)

STAGES = (
    'age', 'queue', 'decode', 'preprocess', 'network', 'decision', 'messages', 'publish',
    'total', 'latency',
)  # fmt: skip
"""The times of FrameStats, without their suffix _ms."""


def labels_message(header: Header, labels: LabelImage, again: Image | None = None) -> Image:
    """Return a mono8 image of node ids.

    Args:
        header: Of the camera image.
        labels: (H, W) uint8.
        again: An earlier message, written over and returned where it has the size.
    """
    return _gray(header, labels, again)


def confidence_message(
    header: Header, confidence: NDArray[np.uint8], again: Image | None = None
) -> Image:
    """Return a mono8 image of 255 times the probability of each pixel's node.

    Args:
        header: Of the camera image.
        confidence: (H, W) uint8.
        again: An earlier message, written over and returned where it has the size.
    """
    return _gray(header, confidence, again)


def level_labels_message(
    header: Header, labels: LabelImage, table: NDArray[np.uint8], again: Image | None = None
) -> Image:
    """Return a mono8 image of node ids, cut at a level.

    Args:
        header: Of the camera image.
        labels: (H, W) uint8 node ids.
        table: (256,) uint8, `Taxonomy.node_id_at_level`.
        again: An earlier message, written over and returned where it has the size.
    """
    message = _image(header, labels.shape, 'mono8', again)
    cv2.LUT(labels, table, dst=bytes_of(message.data).reshape(labels.shape))
    return message


def overlay_message(
    header: Header,
    rgb: RgbImage,
    labels: LabelImage,
    taxonomy: Taxonomy,
    alpha: float,
    again: Image | None = None,
) -> Image:
    """Return an rgb8 image of the camera's with the labels laid over it.

    Args:
        header: Of the camera image.
        rgb: (H, W, 3) uint8.
        labels: (H, W) uint8 node ids.
        taxonomy: The tree whose colours are used.
        alpha: Share of colour, 0 to 1.
        again: An earlier message, written over and returned where it has the size.
    """
    message = _image(header, rgb.shape, 'rgb8', again)
    overlay(rgb, labels, taxonomy, alpha, out=bytes_of(message.data).reshape(rgb.shape))
    return message


def probability_map_message(
    header: Header,
    probabilities: NodeProbabilities,
    node_ids: Sequence[int],
    taxonomy: Taxonomy,
    *,
    encoding: str = 'uint8',
    stride: int = 0,
    again: msg.ProbabilityMap | None = None,
) -> msg.ProbabilityMap:
    """Return the probabilities of some nodes, such as `Taxonomy.level_nodes`.

    Args:
        header: Of the camera image.
        probabilities: Of all nodes of the taxonomy.
        node_ids: The channels of the message, ascending; its level is that of the deepest.
        taxonomy: The tree the ids belong to.
        encoding: 'uint8' or 'float16'.
        stride: Image pixels per cell along both axes; 0 keeps the network's grid.
        again: An earlier message, written over and returned where it has the size.

    Raises:
        ConfigError: The encoding is another.
    """
    values = probabilities.values
    size = map_size((values.shape[1], values.shape[2]), probabilities.image_size, stride)
    length = len(node_ids) * math.prod(size) * PROBABILITY_BYTES.get(encoding, 0)
    message = _message(msg.ProbabilityMap, length, again)
    message.header = header
    message.taxonomy_digest = taxonomy.digest
    message.level = max(taxonomy.level(node_id) for node_id in node_ids)
    message.encoding = encoding
    message.image_height, message.image_width = probabilities.image_size
    message.height, message.width = size
    message.stride_y = message.image_height / message.height
    message.stride_x = message.image_width / message.width
    message.node_ids = array('H', node_ids)
    out = bytes_of(message.data)
    encode_probabilities(values, encoding, node_ids=node_ids, size=size, out=out)
    return message


def subclass_masks_message(
    header: Header,
    masks: Sequence[SubclassMask],
    taxonomy: Taxonomy,
    image_size: ImageSize,
    *,
    encoding: str = 'packbits',
) -> msg.SubclassMasks:
    """Return the regions of one image.

    Args:
        header: Of the camera image.
        masks: The regions, in the order of the message.
        taxonomy: The tree their ids belong to.
        image_size: (H, W) of the camera image.
        encoding: Of each mask: 'packbits' or 'raw'.

    Raises:
        ConfigError: The encoding is another.
    """
    message = msg.SubclassMasks()
    message.header = header
    message.taxonomy_digest = taxonomy.digest
    message.image_height, message.image_width = image_size
    message.subclass_root = _subclass_root(taxonomy)
    message.masks = [_subclass_mask(mask, encoding) for mask in masks]
    return message


def _subclass_mask(mask: SubclassMask, encoding: str) -> msg.SubclassMask:
    y, x, height, width = mask.roi
    message = msg.SubclassMask()
    message.node_id = mask.node_id
    message.parent_id = mask.parent_id
    message.score = float(mask.score)
    message.top_node_ids = array('H', [node_id for node_id, _ in mask.top])
    message.top_probabilities = array('f', [vote for _, vote in mask.top])
    message.roi = RegionOfInterest(y_offset=y, x_offset=x, height=height, width=width)
    message.area = mask.area
    message.encoding = encoding
    message.data = _bytes(encode_mask(mask.mask, encoding))
    return message


def camera_info_message(
    header: Header, camera_info: CameraInfo, image_size: ImageSize | None = None
) -> CameraInfo:
    """Return a copy of a camera_info that goes with an image of ours.

    Args:
        header: Of the camera image.
        camera_info: What the camera's driver published.
        image_size: (H, W) of the image it goes with; where it differs from the size that the
            camera_info announces, intrinsics and region of interest are scaled. None leaves them.
    """
    message = copy.deepcopy(camera_info)
    message.header = header
    roi = message.roi
    # What the driver delivers: a part of the sensor where it says so, binned where it says so.
    height = (roi.height or message.height) // max(message.binning_y, 1)
    width = (roi.width or message.width) // max(message.binning_x, 1)
    if image_size is None or image_size == (height, width) or 0 in (height, width):
        return message
    scale_y, scale_x = image_size[0] / height, image_size[1] / width
    message.height, message.width = round(message.height * scale_y), round(message.width * scale_x)
    rows = np.array([scale_x, scale_y, 1.0])[:, np.newaxis]
    message.k = (np.reshape(message.k, (3, 3)) * rows).reshape(-1)
    message.p = (np.reshape(message.p, (3, 4)) * rows).reshape(-1)
    roi.y_offset, roi.height = round(roi.y_offset * scale_y), round(roi.height * scale_y)
    roi.x_offset, roi.width = round(roi.x_offset * scale_x), round(roi.width * scale_x)
    return message


def taxonomy_message(taxonomy: Taxonomy, header: Header | None = None) -> msg.Taxonomy:
    """Return the label tree."""
    message = msg.Taxonomy(header=header or Header())
    message.name = taxonomy.name
    message.version = taxonomy.version
    message.digest = taxonomy.digest
    message.unlabeled_id = UNLABELED
    message.subclass_root = _subclass_root(taxonomy)
    message.nodes = [
        msg.TaxonomyNode(
            id=node.node_id,
            parent_id=msg.TaxonomyNode.NO_PARENT if node.parent is None else node.parent,
            level=node.level,
            name=node.name,
            r=node.color[0],
            g=node.color[1],
            b=node.color[2],
            is_leaf=taxonomy.is_leaf(node.node_id),
        )
        for node in taxonomy.nodes
    ]
    return message


def label_info_message(taxonomy: Taxonomy, header: Header | None = None) -> Any | None:
    """Return a vision_msgs/LabelInfo with all nodes, or None where vision_msgs is not installed.

    Its threshold is 0: every pixel has the class that its label says.
    """
    try:
        from vision_msgs.msg import LabelInfo, VisionClass
    except ImportError:
        return None
    message = LabelInfo(header=header or Header())
    message.class_map = [
        VisionClass(class_id=node.node_id, class_name=node.name) for node in taxonomy.nodes
    ]
    return message


def frame_stats_message(
    header: Header,
    *,
    times_ms: Mapping[str, float],
    counters: Counters,
    image_size: ImageSize,
    batch_size: int = 1,
    device: str = '',
    backend: str = '',
) -> msg.FrameStats:
    """Return the cost of a frame.

    Args:
        header: Of the camera image.
        times_ms: Milliseconds of any of `STAGES`; the others become NaN.
        counters: Of all frames of the camera so far, this one included.
        image_size: (H, W) of the camera image.
        batch_size: Images that went through the network together.
        device: Where the network ran; empty where unknown.
        backend: How the network ran; empty where unknown.

    Raises:
        ValueError: A time belongs to no stage.
    """
    if unknown := sorted(times_ms.keys() - set(STAGES)):
        raise ValueError(f'FrameStats has no times of {unknown}; expected some of {STAGES}.')
    message = msg.FrameStats(header=header, device=device, backend=backend)
    for stage in STAGES:
        setattr(message, f'{stage}_ms', float(times_ms.get(stage, math.nan)))
    message.received = counters.received
    message.processed = counters.processed
    message.dropped_busy = counters.busy
    message.dropped_stale = counters.stale
    message.dropped_malformed = counters.bad
    message.dropped_unwanted = counters.unwanted
    message.dropped_stopped = counters.stopped
    message.dropped_memory = counters.memory
    message.lost = counters.lost
    message.batch_size = batch_size
    message.image_height, message.image_width = image_size
    return message


def _subclass_root(taxonomy: Taxonomy) -> int:
    root = taxonomy.subclass_root
    return int(msg.SubclassMasks.NO_NODE) if root is None else root


def _gray(header: Header, pixels: NDArray[np.uint8], again: Image | None) -> Image:
    message = _image(header, pixels.shape, 'mono8', again)
    bytes_of(message.data).reshape(pixels.shape)[:] = pixels
    return message


def _image(header: Header, shape: tuple[int, ...], encoding: str, again: Image | None) -> Image:
    """Return an image message whose pixels are to be filled in."""
    message = _message(Image, math.prod(shape), again)
    message.header = header
    message.height, message.width = shape[:2]
    message.encoding = encoding
    message.step = math.prod(shape[1:])
    return message


def _message(kind: type[Message], size: int, again: Message | None) -> Message:
    """Return a message with a number of bytes of data: the earlier one where it has as many.

    Memory that is new for each frame costs a page fault every 4 KiB.
    """
    if again is not None and len(again.data) == size:
        return again
    return message_with_data(kind, size)


def _bytes(values: NDArray[Any]) -> array[int]:
    # The one way that is fast on every distribution: a numpy array assigned to a field takes 40
    # ms per MB, since each element is checked.
    data = array('B')
    data.frombytes(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)
    return data
