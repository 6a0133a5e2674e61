# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Reading single frames from the new bag: camera image, labels, confidence, ground truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rosbags.rosbag2 import Reader

from hiseg_ros.bags.message_types import MessageTypes
from hiseg_ros.bags.raw_message import RawMessage
from hiseg_ros.bags.stamps import read_stamp_ns
from hiseg_ros.errors import BagError, HisegError, reason_of
from hiseg_ros.images.bit_depth import BitDepth
from hiseg_ros.images.image_message import rgb_of, values_of
from hiseg_ros.replay.truth import WINDOW_S
from hiseg_ros.types import LabelImage, RgbImage


@dataclass(frozen=True)
class Shot:
    """Images of one frame; None where the bag was written without them."""

    rgb: RgbImage | None
    labels: LabelImage | None
    confidence: NDArray[np.uint8] | None
    truth: NDArray[np.uint8] | None
    """(H, W) uint8 label ids."""


@dataclass(frozen=True)
class ShotTopics:
    """Topics of a camera in the new bag."""

    camera: str
    node: str
    truth: str | None


class FrameSource:
    """The open bag of a replay; use as a context manager.

    Frames are found by their recording time. When they are asked for in order of time, a long bag
    is read once, and most of it not at all.
    """

    def __init__(self, bag: Path, bit_depths: Mapping[str, int] | None = None) -> None:
        """Open the bag.

        Args:
            bag: The new bag.
            bit_depths: Bits of 16-bit samples by camera topic, as the replay measured them.

        Raises:
            BagError: The bag is damaged.
        """
        self._path, self._types = bag, MessageTypes()
        self._depths = {name: BitDepth(bits) for name, bits in (bit_depths or {}).items()}
        try:
            self._reader = Reader(bag)
            self._reader.open()
        except Exception as error:  # a damaged bag makes the reader raise anything
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> BagError:
        reason = reason_of(error).rstrip('.')
        return BagError(
            f'The bag {self._path} cannot be read ({reason}); expected it as `hiseg replay` wrote '
            'it: replay the recording again with --restart.'
        )

    def shot(self, topics: ShotTopics, time_ns: int, stamp_ns: int) -> Shot:
        """Return the images of one frame.

        Args:
            topics: Topics of its camera.
            time_ns: Recording time of the frame.
            stamp_ns: Header stamp of the frame.

        Raises:
            BagError: The bag is damaged.
        """
        labels, confidence = f'{topics.node}/labels', f'{topics.node}/confidence'
        wanted = {topics.camera, labels, confidence}
        wanted |= set() if topics.truth is None else {topics.truth}
        found = self._images(wanted, time_ns, time_ns + 1, stamp_ns, topics.camera)
        if (
            topics.truth is not None
            and topics.truth not in found
            and self._is_alone(labels, time_ns, stamp_ns)
        ):
            # The ground truth may have been recorded a little earlier or later than its image.
            window_ns = int(WINDOW_S * 1e9)
            begin, end = time_ns - window_ns, time_ns + window_ns + 1
            found |= self._images({topics.truth}, begin, end, stamp_ns)
        truth = found.get(topics.truth or '')
        return Shot(
            found.get(topics.camera), found.get(labels), found.get(confidence),
            None if truth is None else truth.astype(np.uint8, copy=False),
        )  # fmt: skip

    def _is_alone(self, topic: str, time_ns: int, stamp_ns: int) -> bool:
        """Return whether one frame nearby has this stamp; of several the truth is unknown."""
        connections = [c for c in self._reader.connections if c.topic == topic]
        window_ns = int(WINDOW_S * 1e9)
        try:
            rows = self._reader.messages(connections, time_ns - window_ns, time_ns + window_ns + 1)
            return sum(read_stamp_ns(bytes(data[:12])) == stamp_ns for _, _, data in rows) <= 1
        except HisegError:
            raise
        except Exception as error:  # a damaged bag makes the reader raise anything
            raise self._damaged(error) from error

    def image(self, topic: str, time_ns: int, stamp_ns: int) -> RgbImage | None:
        """Return a camera image, or None if the bag was written without it.

        Raises:
            BagError: The bag is damaged.
        """
        return self._images({topic}, time_ns, time_ns + 1, stamp_ns, topic).get(topic)

    def _images(
        self,
        topics: set[str],
        begin_ns: int,
        end_ns: int,
        stamp_ns: int,
        camera: str | None = None,
    ) -> dict[str, Any]:
        """Return the images of one stamp by topic: of the camera as RGB, of others as values."""
        connections = [c for c in self._reader.connections if c.topic in topics]
        found: dict[str, Any] = {}
        if not connections:
            return found
        try:
            for connection, time_ns, data in self._reader.messages(connections, begin_ns, end_ns):
                message = RawMessage(connection.topic, time_ns, bytes(data))
                if read_stamp_ns(message.data) == stamp_ns:
                    is_camera = connection.topic == camera
                    image = self._types.decode(connection.msgtype, connection.msgdef, message.data)
                    depth = self._depths.get(connection.topic)
                    found[connection.topic] = (
                        rgb_of(image, depth) if is_camera else values_of(image)
                    )
        except HisegError:
            raise
        except Exception as error:  # a damaged bag makes the reader raise anything
            raise self._damaged(error) from error
        return found

    def __enter__(self) -> FrameSource:
        """Return the source itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the bag."""
        self._reader.close()
