# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Builder of the messages with results, for the message classes of rclpy and of rosbags.

Each message gets the header of the camera image, unchanged.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from hiseg_ros.images.image_message import bytes_of
from hiseg_ros.messages.camera_info import camera_info_for
from hiseg_ros.messages.codec import encode_mask
from hiseg_ros.messages.levels import LevelBuilder
from hiseg_ros.messages.points import DATATYPES, FLOAT32, OFFSETS, POINT
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.types import (
    UNLABELED,
    ImageSize,
    LabelImage,
    RgbImage,
    SubclassMask,
)
from hiseg_ros.visualization import overlay

STAGES = (
    'age', 'queue', 'decode', 'preprocess', 'network', 'decision', 'messages', 'publish',
    'total', 'latency',
)  # fmt: skip
"""The times in FrameStats, without their suffix _ms."""

DROP_CAUSES = ('busy', 'stale', 'malformed', 'unwanted', 'stopped', 'memory')
"""Why the node drops a frame: counters in FrameStats, without their prefix dropped_."""

COUNTERS = ('received', 'processed', *(f'dropped_{cause}' for cause in DROP_CAUSES), 'lost')
"""The counters in FrameStats."""

NO_NODE = 65535
"""SubclassMasks.NO_NODE, Taxonomy.NO_NODE and TaxonomyNode.NO_PARENT."""


class MessageBuilder(LevelBuilder):
    """Builds messages with the classes of one library.

    Parameter `again` of some methods is an earlier message of the same kind. If its data has the
    size that is needed, the message is overwritten and returned: new memory for each frame costs
    a page fault every 4 KiB.
    """

    def image_message(
        self, header: Any, pixels: NDArray[np.uint8], again: Any | None = None
    ) -> Any:
        """Return a sensor_msgs/Image: mono8 of one channel, rgb8 of three.

        Args:
            header: Of the image.
            pixels: (H, W) or (H, W, 3) uint8, red first.
            again: See the class.
        """
        message = self._image(header, pixels.shape, again)
        bytes_of(message.data).reshape(pixels.shape)[:] = pixels
        return message

    def labels_message(self, header: Any, labels: LabelImage, again: Any | None = None) -> Any:
        """Return a mono8 image of node ids.

        Args:
            header: Of the camera image.
            labels: (H, W) uint8.
            again: See the class.
        """
        return self.image_message(header, labels, again)

    def confidence_message(
        self, header: Any, confidence: NDArray[np.uint8], again: Any | None = None
    ) -> Any:
        """Return a mono8 image with 255 times the probability of each pixel's node.

        Args:
            header: Of the camera image.
            confidence: (H, W) uint8.
            again: See the class.
        """
        return self.image_message(header, confidence, again)

    def signed_labels_message(
        self,
        header: Any,
        labels: LabelImage,
        table: NDArray[np.int16],
        again: Any | None = None,
    ) -> Any:
        """Return a 16SC1 image of labels, little endian.

        Args:
            header: Of the camera image.
            labels: (H, W) uint8.
            table: (256,) int16, the value of each label.
            again: See the class.
        """
        message = self._with_data(
            'sensor_msgs/msg/Image',
            2 * labels.size,
            again,
            header=header,
            height=labels.shape[0],
            width=labels.shape[1],
            encoding='16SC1',
            is_bigendian=0,
            step=2 * labels.shape[1],
        )
        values = bytes_of(message.data).view('<i2').reshape(labels.shape)
        values[:] = table[labels]
        return message

    def points_message(self, header: Any, points: NDArray[Any]) -> Any:
        """Return a sensor_msgs/PointCloud2 with x, y, z, rgb, label and confidence.

        Args:
            header: With the stamp of the camera image and the frame of the points.
            points: (H, W) of `POINT`, from `labelled_points`.
        """
        fields = [
            self._classes.make(
                'sensor_msgs/msg/PointField',
                name=name,
                offset=offset,
                datatype=DATATYPES.get(name, FLOAT32),
                count=1,
            )
            for name, offset in OFFSETS.items()
        ]
        height, width = points.shape
        return self._classes.make(
            'sensor_msgs/msg/PointCloud2',
            header=header,
            height=height,
            width=width,
            fields=fields,
            is_bigendian=False,
            point_step=POINT.itemsize,
            row_step=POINT.itemsize * width,
            data=self._classes.array(points.reshape(-1).view(np.uint8)),
            is_dense=bool(np.isfinite(points['z']).all()),
        )

    def overlay_message(
        self,
        header: Any,
        rgb: RgbImage,
        labels: LabelImage,
        taxonomy: Taxonomy,
        alpha: float,
        again: Any | None = None,
    ) -> Any:
        """Return the camera image as rgb8, with the labels laid over it.

        Args:
            header: Of the camera image.
            rgb: (H, W, 3) uint8.
            labels: (H, W) uint8 node ids.
            taxonomy: The tree whose colours are used.
            alpha: Share of colour, 0 to 1.
            again: See the class.
        """
        message = self._image(header, rgb.shape, again)
        overlay(rgb, labels, taxonomy, alpha, out=bytes_of(message.data).reshape(rgb.shape))
        return message

    def compressed_message(
        self, header: Any, pixels: NDArray[np.uint8], jpeg_quality: int = 95
    ) -> Any:
        """Return a sensor_msgs/CompressedImage: one channel as PNG, colour as JPEG.

        Args:
            header: Of the image.
            pixels: (H, W) or (H, W, 3) uint8, red first.
            jpeg_quality: 0 to 100.
        """
        if pixels.ndim == 2:
            image_format = 'mono8; png compressed mono8'
            _, data = cv2.imencode('.png', pixels, [cv2.IMWRITE_PNG_COMPRESSION, 3])
        else:
            image_format = 'rgb8; jpeg compressed bgr8'
            bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
            _, data = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality])
        return self._classes.make(
            'sensor_msgs/msg/CompressedImage',
            header=header,
            format=image_format,
            data=self._classes.array(data.reshape(-1)),
        )

    def subclass_masks_message(
        self,
        header: Any,
        masks: Sequence[SubclassMask],
        taxonomy: Taxonomy,
        image_size: ImageSize,
        *,
        encoding: str = 'packbits',
    ) -> Any:
        """Return the regions of one image.

        Args:
            header: Of the camera image.
            masks: The regions, in the order of the message.
            taxonomy: The tree their ids belong to.
            image_size: (H, W) of the camera image.
            encoding: Encoding of each mask: 'packbits' or 'raw'.

        Raises:
            ConfigError: The encoding is another.
        """
        return self._classes.make(
            'hiseg_ros/msg/SubclassMasks',
            header=header,
            taxonomy_digest=taxonomy.digest,
            image_height=image_size[0],
            image_width=image_size[1],
            subclass_root=_subclass_root(taxonomy),
            masks=[self._subclass_mask(mask, encoding) for mask in masks],
        )

    def _subclass_mask(self, mask: SubclassMask, encoding: str) -> Any:
        y, x, height, width = mask.roi
        make, array = self._classes.make, self._classes.array
        return make(
            'hiseg_ros/msg/SubclassMask',
            node_id=mask.node_id,
            parent_id=mask.parent_id,
            score=float(mask.score),
            top_node_ids=array(np.array([node_id for node_id, _ in mask.top], np.uint16)),
            top_probabilities=array(np.array([vote for _, vote in mask.top], np.float32)),
            roi=make(
                'sensor_msgs/msg/RegionOfInterest',
                x_offset=x, y_offset=y, height=height, width=width, do_rectify=False,
            ),
            area=mask.area,
            encoding=encoding,
            data=array(encode_mask(mask.mask, encoding)),
        )  # fmt: skip

    def camera_info_message(
        self, header: Any, camera_info: Any, image_size: ImageSize | None = None
    ) -> Any:
        """Return a copy of a camera_info for a published image, see `camera_info_for`."""
        return camera_info_for(header, camera_info, image_size)

    def taxonomy_message(self, taxonomy: Taxonomy, header: Any | None = None) -> Any:
        """Return the label tree.

        Args:
            taxonomy: The tree.
            header: Header of the message; None for a zero stamp and an empty frame_id.
        """
        return self._classes.make(
            'hiseg_ros/msg/Taxonomy',
            header=self.header() if header is None else header,
            name=taxonomy.name,
            version=taxonomy.version,
            digest=taxonomy.digest,
            unlabeled_id=UNLABELED,
            subclass_root=_subclass_root(taxonomy),
            nodes=[
                self._classes.make(
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

    def frame_stats_message(
        self,
        header: Any,
        *,
        times_ms: Mapping[str, float],
        counters: Mapping[str, int],
        image_size: ImageSize,
        input_size: ImageSize = (0, 0),
        batch_size: int = 1,
        device: str = '',
        backend: str = '',
    ) -> Any:
        """Return the statistics of a frame.

        Args:
            header: Of the camera image.
            times_ms: Milliseconds by stage, any of `STAGES`; the others become NaN.
            counters: Counts by name, any of `COUNTERS`, over all frames of the camera so far, this
                one included; the others become 0.
            image_size: (H, W) of the camera image.
            input_size: (h, w) of the network's input; (0, 0) where unknown.
            batch_size: Number of images that went through the network together.
            device: Device of the network; empty where unknown.
            backend: Backend of the network; empty where unknown.

        Raises:
            ValueError: There is no such stage or counter.
        """
        for what, given, known in (('times', times_ms, STAGES), ('counters', counters, COUNTERS)):
            if unknown := sorted(given.keys() - set(known)):
                raise ValueError(f'FrameStats has no {what} {unknown}; expected some of {known}.')
        return self._classes.make(
            'hiseg_ros/msg/FrameStats',
            header=header,
            **{f'{stage}_ms': float(times_ms.get(stage, math.nan)) for stage in STAGES},
            **{counter: counters.get(counter, 0) for counter in COUNTERS},
            batch_size=batch_size,
            image_height=image_size[0],
            image_width=image_size[1],
            input_height=input_size[0],
            input_width=input_size[1],
            device=device,
            backend=backend,
        )


def _subclass_root(taxonomy: Taxonomy) -> int:
    root = taxonomy.subclass_root
    return NO_NODE if root is None else root
