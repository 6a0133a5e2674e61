# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Logging messages to Rerun, each to the entity with the name of its topic."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import cv2
import numpy as np
import rerun as rr
from numpy.typing import NDArray

from hiseg_ros.bags.bag import IMAGE_TYPES
from hiseg_ros.bags.message_stream import StreamMessage
from hiseg_ros.bags.stamps import header_stamp_ns
from hiseg_ros.images.bit_depth import BitDepth
from hiseg_ros.images.image_message import values_of
from hiseg_ros.messages.codec import decode_probability_bytes
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.types import UNLABELED
from hiseg_ros.viewer.batches import Batches
from hiseg_ros.viewer.cameras import SeenCamera
from hiseg_ros.viewer.names import (
    FRAMES,
    TIMELINE,
    TIMES,
    most_probable_path,
    node_path,
)
from hiseg_ros.viewer.truth import SeenTruth

LABELS_OPACITY = 0.5
JPEG_QUALITY = 90
"""JPEG quality for images recorded without compression; the viewer keeps all images in memory."""

LOWEST = -100.0
"""Draw order below all images."""

Log = Callable[[Any], None]


class Scene:
    """Logs the messages of some cameras to a Rerun recording stream."""

    def __init__(
        self,
        stream: rr.RecordingStream,
        batches: Batches,
        cameras: Sequence[SeenCamera],
        levels: Sequence[int],
        truth: SeenTruth | None,
    ) -> None:
        """Log the names and colours of the nodes, which hold for all times.

        Args:
            stream: The recording stream.
            batches: Batches for small values, of the same stream.
            cameras: The cameras to show.
            levels: Levels whose probabilities are shown.
            truth: The ground truth, None without it.
        """
        self._stream, self._batches = stream, batches
        self._stamp_ns = 0
        self._depths: dict[str, BitDepth] = {}
        self._logs: dict[str, Log] = {}
        for camera in cameras:
            self._stream.log(camera.node, annotation_context(camera.taxonomy), static=True)
            self._logs |= self._logs_of(camera, levels)
        if truth is not None:
            self._stream.log(truth.topic, named_classes(truth.labels), static=True)
            topic = truth.topic
            self._logs[topic] = lambda message: self._labels(topic, message)

    def _logs_of(self, camera: SeenCamera, levels: Sequence[int]) -> dict[str, Log]:
        """Return the function that logs the messages of each topic."""
        node, tree = camera.node, camera.taxonomy
        logs: dict[str, Log] = {
            f'{node}/labels': lambda message: self._labels(f'{node}/labels', message),
            f'{node}/confidence': lambda message: self._confidence(f'{node}/confidence', message),
            f'{node}/traffic_signs': lambda message: self._signs(
                f'{node}/traffic_signs', tree, message
            ),
            f'{node}/stats': lambda message: self._stats(f'{node}/stats', message),
        }
        shown: set[int] = set()
        for level in sorted(set(levels) & set(camera.levels)):
            new = frozenset(tree.level_nodes(level)) - shown
            logs[f'{node}/level_{level}/probabilities'] = self._level(node, tree, level, new)
            shown |= new
        if camera.image is not None:
            name, kind = camera.image.name, camera.image.message_type
            logs[name] = lambda message: self._image(name, kind, message)
        return logs

    def log(self, found: StreamMessage) -> None:
        """Log a message of one of the topics at its header stamp.

        Raises:
            ImageError: The message is damaged.
        """
        message = found.decode()
        self._stamp_ns = header_stamp_ns(message) or found.raw.time_ns
        self._stream.set_time(TIMELINE, timestamp=np.datetime64(self._stamp_ns, 'ns'))
        self._logs[found.raw.topic](message)

    def _image(self, topic: str, message_type: str, message: Any) -> None:
        if message_type == IMAGE_TYPES[1]:
            contents = np.asarray(message.data, np.uint8).tobytes()
            kind = 'image/png' if contents.startswith(b'\x89PNG') else 'image/jpeg'
        else:
            pixels = values_of(message)
            if pixels.dtype == np.uint16:
                pixels = self._depths.setdefault(topic, BitDepth()).to_bytes(pixels)
            contents, kind = jpeg(pixels), 'image/jpeg'
        self._stream.log(topic, rr.EncodedImage(contents=contents, media_type=kind))

    def _labels(self, path: str, message: Any) -> None:
        labels = rr.SegmentationImage(values_of(message), opacity=LABELS_OPACITY, draw_order=1)
        self._stream.log(path, labels)

    def _confidence(self, path: str, message: Any) -> None:
        image = rr.EncodedImage(contents=png(values_of(message)), media_type='image/png')
        self._stream.log(path, image)

    def _signs(self, path: str, tree: Taxonomy, message: Any) -> None:
        boxes = [
            (mask.roi.x_offset, mask.roi.y_offset, mask.roi.width, mask.roi.height)
            for mask in message.masks
        ]
        signs = rr.Boxes2D(
            array=np.array(boxes, np.float32).reshape(-1, 4),
            array_format=rr.Box2DFormat.XYWH,
            labels=[f'{tree.nodes[m.node_id].name} {m.score:.2f}' for m in message.masks],
            class_ids=[mask.node_id for mask in message.masks],
            show_labels=True,
            draw_order=2,
        )
        self._stream.log(path, signs)

    def _stats(self, path: str, message: Any) -> None:
        for name, value in vars(message).items():
            group = TIMES if name.endswith('_ms') else FRAMES
            is_counter = name in ('received', 'processed', 'lost') or name.startswith('dropped')
            # NaN is a time that was not measured.
            if is_counter or (group == TIMES and math.isfinite(value)):
                curve = f'{path}/{group}/{name}'
                title = name.removesuffix('_ms').replace('_', ' ')
                self._batches.add_point(curve, self._stamp_ns, float(value), title)

    def _level(self, node: str, tree: Taxonomy, level: int, new: frozenset[int]) -> Log:
        """Return the function that logs a level; `new` are its nodes that no level above shows."""
        best_path = most_probable_path(node, level)
        below = rr.SegmentationImage.from_fields(draw_order=LOWEST)
        self._stream.log(best_path, below, static=True)

        def log(message: Any) -> None:
            values, node_ids = decode_probability_bytes(message), list(map(int, message.node_ids))
            best = np.array(node_ids, np.uint8)[values.argmax(0)]
            self._batches.add(best_path, self._stamp_ns, best)
            for node_id, plane in zip(node_ids, values, strict=True):
                if node_id in new:
                    path = node_path(node, tree.nodes[node_id].name)
                    self._batches.add(path, self._stamp_ns, png(plane))

        return log


def jpeg(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> bytes:
    """Return a grey or RGB image, uint8 or uint16, as JPEG of 8 bits."""
    values = (pixels // 257).astype(np.uint8) if pixels.dtype == np.uint16 else pixels
    bgr = values[:, :, ::-1] if values.ndim == 3 else values
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    return cv2.imencode('.jpg', np.ascontiguousarray(bgr), quality)[1].tobytes()


def png(plane: NDArray[Any]) -> bytes:
    """Return one channel, (H, W) uint8, as PNG: a twentieth of the bytes of probabilities."""
    return cv2.imencode('.png', plane, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()


def annotation_context(tree: Taxonomy) -> rr.AnnotationContext:
    """Return the name and colour of each node for Rerun; unlabeled is transparent."""
    nodes = [(node.node_id, node.name, node.color) for node in tree.nodes]
    return named_classes([*nodes, (UNLABELED, 'unlabeled', (0, 0, 0, 0))])


def named_classes(labels: Iterable[tuple[int, str, Sequence[int]]]) -> rr.AnnotationContext:
    """Return ids, names and colours in Rerun's form."""
    return rr.AnnotationContext(
        [rr.AnnotationInfo(id=number, label=name, color=color) for number, name, color in labels]
    )
