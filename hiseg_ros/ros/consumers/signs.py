# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Traffic signs of one camera: masks, vision_msgs detections, annotations for Foxglove."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from std_msgs.msg import Header

from hiseg_ros.bags.stamps import stamp_ns_of
from hiseg_ros.msg import SubclassMasks
from hiseg_ros.regions import subclass_masks
from hiseg_ros.ros.consumers.message_packages import FOXGLOVE, VISION, message_type
from hiseg_ros.ros.messages.builder import messages
from hiseg_ros.ros.messages.product import Product
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.tracking import SignTracker
from hiseg_ros.types import SubclassMask

MASKS = 'traffic_signs'
DETECTIONS = 'traffic_signs/detections'
ANNOTATIONS = 'traffic_signs/annotations'
_FILL_ALPHA, _TEXT_ALPHA = 0.25, 0.75
_THICKNESS = 2.0
_FONT_SIZE = 14.0


class Signs:
    """Finds the sign regions of a frame once, for all topics about them."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        """Find out which message packages are installed."""
        self._taxonomy = taxonomy
        self._tracker = SignTracker()
        kinds = {
            MASKS: SubclassMasks,
            DETECTIONS: message_type(VISION, 'Detection2DArray'),
            ANNOTATIONS: message_type(FOXGLOVE, 'ImageAnnotations'),
        }
        self.kinds: Mapping[str, type] = {t: kind for t, kind in kinds.items() if kind is not None}

    def build(self, product: Product, wanted: frozenset[str]) -> Iterator[tuple[str, Any]]:
        """Yield masks, detections and annotations; see `TopicGroup`."""
        if not wanted & self.kinds.keys():
            return
        masks = subclass_masks(
            product.segmentation,
            self._taxonomy,
            min_area=product.parameters.signs_min_area,
            max_masks=product.parameters.signs_max_masks,
            min_probability=product.parameters.signs_min_probability,
            min_vote=product.parameters.signs_min_vote,
        )
        header, taxonomy = product.header, self._taxonomy
        if MASKS in wanted:
            size = product.segmentation.probabilities.image_size
            yield MASKS, messages.subclass_masks_message(header, masks, taxonomy, size)
        if DETECTIONS in wanted:
            stamp_ns = stamp_ns_of(header.stamp)
            numbers = self._tracker.numbers_of(product.rgb, masks, stamp_ns)
            yield DETECTIONS, detections_message(header, masks, taxonomy, numbers)
        if ANNOTATIONS in wanted:
            yield ANNOTATIONS, annotations_message(header, masks, taxonomy)

    def destroy(self) -> None:
        """Do nothing: there is no subscription."""


def detections_message(
    header: Header,
    masks: Sequence[SubclassMask],
    taxonomy: Taxonomy,
    numbers: Sequence[int] | None = None,
) -> Any:
    """Return a vision_msgs/Detection2DArray: the box of each region and its best subclasses.

    Args:
        header: Of the camera image.
        masks: The regions, in the order of the message.
        taxonomy: The tree their ids belong to; its names are the class ids.
        numbers: Of the track of each region, its id; None for none.
    """
    from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose

    message = Detection2DArray(header=header)
    ids = [''] * len(masks) if numbers is None else map(str, numbers)
    for mask, track_id in zip(masks, ids, strict=True):
        detection = Detection2D(header=header, id=track_id)
        y, x, height, width = mask.roi
        detection.bbox.center.position.x = x + width / 2
        detection.bbox.center.position.y = y + height / 2
        detection.bbox.size_x, detection.bbox.size_y = float(width), float(height)
        for node_id, vote in mask.top:
            result = ObjectHypothesisWithPose()
            result.hypothesis.class_id = taxonomy.nodes[node_id].name
            result.hypothesis.score = float(vote)
            detection.results.append(result)
        message.detections.append(detection)
    return message


def annotations_message(header: Header, masks: Sequence[SubclassMask], taxonomy: Taxonomy) -> Any:
    """Return a foxglove_msgs/ImageAnnotations: outline, name and vote of each region.

    Args:
        header: Of the camera image; its stamp is every annotation's, which is how the panel finds
            the image that they belong to.
        masks: The regions.
        taxonomy: The tree their ids belong to.
    """
    foxglove = importlib.import_module(f'{FOXGLOVE}.msg')
    color, point = foxglove.Color, foxglove.Point2
    message = foxglove.ImageAnnotations()
    if hasattr(message, 'timestamp'):  # of the newer definition
        message.timestamp = header.stamp
    for mask in masks:
        node = taxonomy.nodes[mask.node_id]
        r, g, b = (channel / 255 for channel in node.color)
        for outline in outlines(mask):
            points = foxglove.PointsAnnotation(timestamp=header.stamp)
            points.type = foxglove.PointsAnnotation.LINE_LOOP
            points.points = [point(x=x, y=y) for x, y in outline]
            points.outline_color = color(r=r, g=g, b=b, a=1.0)
            points.fill_color = color(r=r, g=g, b=b, a=_FILL_ALPHA)
            points.thickness = _THICKNESS
            message.points.append(points)
        text = foxglove.TextAnnotation(timestamp=header.stamp)
        text.text = f'{node.name} {mask.score:.2f}'
        text.position = point(x=float(mask.roi[1]), y=float(mask.roi[0]))
        text.font_size = _FONT_SIZE
        text.text_color = color(r=1.0, g=1.0, b=1.0, a=1.0)
        text.background_color = color(r=0.0, g=0.0, b=0.0, a=_TEXT_ALPHA)
        message.texts.append(text)
    return message


def outlines(mask: SubclassMask) -> list[list[tuple[float, float]]]:
    """Return the outer borders of a region as polygons of (x, y), 0 at the image's outer corner.

    They run through the centres of the border's pixels, to about a pixel; a region too thin for
    that gets its box as outline.
    """
    y0, x0, height, width = mask.roi
    contours, _ = cv2.findContours(
        mask.mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    found = []
    for contour in contours:
        corners = cv2.approxPolyDP(contour, 0.7, closed=True).reshape(-1, 2)
        if len(corners) >= 3:
            found.append([(x0 + float(x) + 0.5, y0 + float(y) + 0.5) for x, y in corners])
    x1, y1 = float(x0 + width), float(y0 + height)
    box = [(float(x0), float(y0)), (x1, float(y0)), (x1, y1), (float(x0), y1)]
    return found or [box]
