# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Builder of the messages about the levels of the tree: labels and probabilities.

The levels of a frame have most of their content in common, so they are built together: labels are
read once for all levels, and a node that is part of several levels is encoded once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from hiseg_ros.images.image_message import bytes_of
from hiseg_ros.messages.codec import (
    PROBABILITY_TYPES,
    check_probability_encoding,
    encode_selections,
    map_size,
)
from hiseg_ros.messages.parts import PartBuilder
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.threads import run_in_parallel
from hiseg_ros.types import ImageSize, LabelImage, NodeProbabilities

STRIP_PIXELS = 65536
"""Labels that are looked up at a time for every level, out of a core's cache."""


class LevelBuilder(PartBuilder):
    """Builds messages about levels; parameter `again` is that of `MessageBuilder`."""

    def level_labels_message(
        self,
        header: Any,
        labels: LabelImage,
        table: NDArray[np.uint8],
        again: Any | None = None,
    ) -> Any:
        """Return a mono8 image of node ids, each replaced by its ancestor at a level.

        Args:
            header: Of the camera image.
            labels: (H, W) uint8 node ids.
            table: (256,) uint8, `Taxonomy.node_id_at_level`.
            again: See the class.
        """
        (message,) = self.level_labels_messages(header, labels, [table], [again])
        return message

    def level_labels_messages(
        self,
        header: Any,
        labels: LabelImage,
        tables: Sequence[NDArray[np.uint8]],
        again: Sequence[Any | None] = (),
    ) -> list[Any]:
        """Return a message for each of several levels, on all cores.

        Args:
            header: Of the camera image.
            labels: (H, W) uint8 node ids.
            tables: As for `level_labels_message`, of each level.
            again: Earlier message of each level, see the class; empty for none.
        """
        found = [self._image(header, labels.shape, last) for last in again or [None] * len(tables)]
        images = [bytes_of(message.data).reshape(labels.shape) for message in found]
        strip = max(1, STRIP_PIXELS // max(1, labels.shape[1]))
        starts = range(0, labels.shape[0], strip)

        def look_up(worker: int, workers: int) -> None:
            for start in starts[worker::workers]:
                rows = slice(start, start + strip)
                for table, image in zip(tables, images, strict=True):
                    cv2.LUT(labels[rows], table, dst=image[rows])

        run_in_parallel(look_up)
        return found

    def probability_map_message(
        self,
        header: Any,
        probabilities: NodeProbabilities,
        node_ids: Sequence[int],
        taxonomy: Taxonomy,
        *,
        encoding: str = 'uint8',
        stride: int = 0,
        again: Any | None = None,
    ) -> Any:
        """Return the probabilities of some nodes, such as those of `Taxonomy.level_nodes`.

        Args:
            header: Of the camera image.
            probabilities: Probabilities of all nodes of the taxonomy.
            node_ids: The channels of the message, ascending; its level is that of the deepest.
            taxonomy: The tree the ids belong to.
            encoding: 'uint8' or 'float16'.
            stride: Image pixels per cell along both axes; 0 keeps the network's grid.
            again: See the class.

        Raises:
            ConfigError: The encoding is another.
        """
        (message,) = self.probability_map_messages(
            header,
            probabilities,
            [node_ids],
            taxonomy,
            encoding=encoding,
            stride=stride,
            again=[again],
        )
        return message

    def probability_map_messages(
        self,
        header: Any,
        probabilities: NodeProbabilities,
        selections: Sequence[Sequence[int]],
        taxonomy: Taxonomy,
        *,
        encoding: str = 'uint8',
        stride: int = 0,
        again: Sequence[Any | None] = (),
    ) -> list[Any]:
        """Return a message for each of several selections of nodes, in less time than one by one.

        Args:
            header: As for `probability_map_message`, like all others that are not named here.
            probabilities: See there.
            selections: The channels of each message.
            taxonomy: See there.
            encoding: See there.
            stride: See there.
            again: Earlier message of each selection, see the class; empty for none.

        Raises:
            ConfigError: The encoding is another.
        """
        check_probability_encoding(encoding)
        values = probabilities.values
        size = map_size((values.shape[1], values.shape[2]), probabilities.image_size, stride)
        found = [
            self._probability_map(
                header, probabilities.image_size, size, node_ids, taxonomy, encoding, last
            )
            for node_ids, last in zip(selections, again or [None] * len(selections), strict=True)
        ]
        dtype = np.dtype(PROBABILITY_TYPES[encoding])
        arrays = [
            bytes_of(message.data).view(dtype).reshape(len(node_ids), *size)
            for message, node_ids in zip(found, selections, strict=True)
        ]
        encode_selections(values, list(zip(selections, arrays, strict=True)))
        return found

    def _probability_map(
        self,
        header: Any,
        image_size: ImageSize,
        size: ImageSize,
        node_ids: Sequence[int],
        taxonomy: Taxonomy,
        encoding: str,
        again: Any | None,
    ) -> Any:
        """Return a map whose data is to be filled in."""
        image_height, image_width = image_size
        return self._with_data(
            'hiseg_ros/msg/ProbabilityMap',
            len(node_ids) * math.prod(size) * np.dtype(PROBABILITY_TYPES[encoding]).itemsize,
            again,
            header=header,
            taxonomy_digest=taxonomy.digest,
            level=max(taxonomy.level(node_id) for node_id in node_ids),
            encoding=encoding,
            image_height=image_height,
            image_width=image_width,
            height=size[0],
            width=size[1],
            stride_y=image_height / size[0],
            stride_x=image_width / size[1],
            node_ids=self._classes.array(np.array(node_ids, np.uint16)),
        )
