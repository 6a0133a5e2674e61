# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Results as the node's messages, without ROS; a test compares them with the node's own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from hiseg_ros.bags.hiseg_types import node_types
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.types import UNLABELED, ImageSize, NodeProbabilities, SubclassMask

NO_NODE = 65535
"""SubclassMasks.NO_NODE, Taxonomy.NO_NODE and TaxonomyNode.NO_PARENT."""

_TIMES = (
    'age', 'queue', 'decode', 'preprocess', 'network', 'decision', 'messages', 'publish',
    'total', 'latency',
)  # fmt: skip


def _make(name: str, /, **fields: Any) -> Any:
    return node_types().types[name](**fields)


def image_message(header: Any, pixels: NDArray[np.uint8]) -> Any:
    """Return a mono8 image of (H, W) uint8, or an rgb8 image of (H, W, 3) uint8."""
    return _make(
        'sensor_msgs/msg/Image',
        header=header,
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding='mono8' if pixels.ndim == 2 else 'rgb8',
        is_bigendian=0,
        step=math.prod(pixels.shape[1:]),
        data=np.ascontiguousarray(pixels).reshape(-1),
    )


def png_message(header: Any, label_ids: NDArray[np.uint8]) -> Any:
    """Return label ids, (H, W) uint8, as a CompressedImage."""
    _, data = cv2.imencode('.png', label_ids, [cv2.IMWRITE_PNG_COMPRESSION, 3])
    form = 'mono8; png compressed mono8'
    return _make(
        'sensor_msgs/msg/CompressedImage', header=header, format=form, data=data.reshape(-1)
    )


def probability_message(
    header: Any, probabilities: NodeProbabilities, level: int, taxonomy: Taxonomy
) -> Any:
    """Return the probabilities of a level's nodes on the network's grid, one byte each."""
    node_ids = list(taxonomy.level_nodes(level))
    values = np.ascontiguousarray(probabilities.values[node_ids], np.float32)
    height, width = values.shape[1:]
    image_height, image_width = probabilities.image_size
    return _make(
        'hiseg_ros/msg/ProbabilityMap',
        header=header,
        taxonomy_digest=taxonomy.digest,
        level=max(taxonomy.level(node_id) for node_id in node_ids),
        encoding='uint8',
        image_height=image_height,
        image_width=image_width,
        height=height,
        width=width,
        stride_y=image_height / height,
        stride_x=image_width / width,
        node_ids=np.array(node_ids, np.uint16),
        data=cv2.convertScaleAbs(values.reshape(1, -1), alpha=255.0).reshape(-1),
    )


def signs_message(
    header: Any, masks: Sequence[SubclassMask], taxonomy: Taxonomy, image_size: ImageSize
) -> Any:
    """Return the regions of one image, (H, W) pixels large."""
    return _make(
        'hiseg_ros/msg/SubclassMasks',
        header=header,
        taxonomy_digest=taxonomy.digest,
        image_height=image_size[0],
        image_width=image_size[1],
        subclass_root=_subclass_root(taxonomy),
        masks=[_sign(mask) for mask in masks],
    )


def _sign(mask: SubclassMask) -> Any:
    y, x, height, width = mask.roi
    roi = _make(
        'sensor_msgs/msg/RegionOfInterest',
        x_offset=x, y_offset=y, height=height, width=width, do_rectify=False,
    )  # fmt: skip
    return _make(
        'hiseg_ros/msg/SubclassMask',
        node_id=mask.node_id,
        parent_id=mask.parent_id,
        score=float(mask.score),
        top_node_ids=np.array([node_id for node_id, _ in mask.top], np.uint16),
        top_probabilities=np.array([vote for _, vote in mask.top], np.float32),
        roi=roi,
        area=mask.area,
        encoding='packbits',
        data=np.packbits(mask.mask, axis=None),
    )


def taxonomy_message(taxonomy: Taxonomy) -> Any:
    """Return the label tree."""
    stamp = _make('builtin_interfaces/msg/Time', sec=0, nanosec=0)
    return _make(
        'hiseg_ros/msg/Taxonomy',
        header=_make('std_msgs/msg/Header', stamp=stamp, frame_id=''),
        name=taxonomy.name,
        version=taxonomy.version,
        digest=taxonomy.digest,
        unlabeled_id=UNLABELED,
        subclass_root=_subclass_root(taxonomy),
        nodes=[
            _make(
                'hiseg_ros/msg/TaxonomyNode',
                id=node.node_id,
                parent_id=NO_NODE if node.parent is None else node.parent,
                level=node.level,
                name=node.name,
                r=node.color[0],
                g=node.color[1],
                b=node.color[2],
                is_leaf=taxonomy.is_leaf(node.node_id),
            )
            for node in taxonomy.nodes
        ],
    )


def stats_message(
    header: Any, counters: Mapping[str, int], image_size: ImageSize, device: str
) -> Any:
    """Return a frame's statistics with all times NaN, not measured: replays are comparable.

    Args:
        header: Of the camera image.
        counters: 'received', 'processed' and 'dropped_malformed' so far, this frame included.
        image_size: (H, W) of the camera image.
        device: Where the network ran.
    """
    return _make(
        'hiseg_ros/msg/FrameStats',
        header=header,
        **{f'{stage}_ms': math.nan for stage in _TIMES},
        received=counters['received'],
        processed=counters['processed'],
        dropped_busy=0,
        dropped_stale=0,
        dropped_malformed=counters['dropped_malformed'],
        dropped_unwanted=0,
        dropped_stopped=0,
        dropped_memory=0,
        lost=0,
        batch_size=1,
        image_height=image_size[0],
        image_width=image_size[1],
        device=device,
        backend='',
    )


def camera_info_message(header: Any, info: Any, image_size: ImageSize) -> Any:
    """Return a camera_info with an image's header, scaled where the image has another size."""
    roi = info.roi
    # What the driver delivers: a part of the sensor where it says so, binned where it says so.
    height = (roi.height or info.height) // max(info.binning_y, 1)
    width = (roi.width or info.width) // max(info.binning_x, 1)
    if image_size == (height, width) or 0 in (height, width):
        return replace(info, header=header)
    y, x = image_size[0] / height, image_size[1] / width
    rows = np.array([x, y, 1.0])[:, np.newaxis]
    return replace(
        info,
        header=header,
        height=round(info.height * y),
        width=round(info.width * x),
        k=(np.reshape(info.k, (3, 3)) * rows).reshape(-1),
        p=(np.reshape(info.p, (3, 4)) * rows).reshape(-1),
        roi=replace(
            roi,
            y_offset=round(roi.y_offset * y),
            height=round(roi.height * y),
            x_offset=round(roi.x_offset * x),
            width=round(roi.width * x),
        ),
    )


def _subclass_root(taxonomy: Taxonomy) -> int:
    root = taxonomy.subclass_root
    return NO_NODE if root is None else root
