# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Sources of ground truth: a topic with the stamps of the images, or a folder of label files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.bags.bag import IMAGE_TYPES
from hiseg_ros.bags.hiseg_types import decode
from hiseg_ros.bags.message_stream import Damage, MessageStream, StreamMessage
from hiseg_ros.bags.pairing import Pairing, Place, pair
from hiseg_ros.bags.raw_message import RawMessage
from hiseg_ros.bags.recording import Recording
from hiseg_ros.bags.stamps import is_plain_cdr, read_stamp_ns, with_stamp
from hiseg_ros.errors import BagError, ConfigError, ImageError
from hiseg_ros.images import read_ids
from hiseg_ros.images.file import visible
from hiseg_ros.images.image_message import values_of
from hiseg_ros.taxonomy import Mapping

WINDOW_S = 2.0
"""Longest time between an image and its ground truth in the recording."""

FIRST_STAMP_NS = 10**12
"""Label files whose names are all numbers of at least this size are named by stamp."""


@dataclass(frozen=True)
class Truth:
    """The ground truth of one frame."""

    label_ids: NDArray[np.uint8]
    """(H, W) uint8 label ids."""
    raw: RawMessage | None
    """The message that held it, None for a file."""


class TruthSource(Protocol):
    """Source of the ground truth of each frame."""

    topic: str
    """Topic of the ground truth in the recording and in the new bag."""
    message_type: str

    paired_by_time: int
    """Number of frames whose ground truth is told by recording time or order, not by stamp."""

    @property
    def damages(self) -> list[Damage]:
        """Damages of its recording."""

    def at(self, frame: int, stamp_ns: int, time_ns: int) -> Truth | Damage | None:
        """Return the ground truth of a frame, its damage, or None without one.

        Args:
            frame: Number of the image, from 0.
            stamp_ns: Header stamp of the image.
            time_ns: Recording time of the image; ascending from call to call.

        Raises:
            HisegError: The ground truth is no image of label ids.
        """


class TruthTopic:
    """Ground truth from a topic, read beside the images with a small window in time."""

    def __init__(
        self,
        recordings: Sequence[Recording],
        topic: str,
        camera: str | None = None,
        pairing: Pairing | None = None,
    ) -> None:
        """Find the topic.

        Args:
            recordings: The recordings.
            topic: Topic of the ground truth.
            camera: Topic of the images, which is read once for its stamps: where these are zero
                or repeated, images and ground truth are paired by recording time. None pairs by
                stamp alone.
            pairing: That of an earlier source of the same recordings and topics, which saves
                reading them.

        Raises:
            BagError: No recording has it, or it has no images.
        """
        found = [t for recording in recordings for t in recording.topics if t.name == topic]
        kind = next((t.message_type for t in found if t.is_image), None)
        if kind is None:
            names = sorted({t.name for r in recordings for t in r.topics if t.is_image})
            raise BagError(
                f'The recording has no label images on {topic}; expected a topic with '
                f'{" or ".join(IMAGE_TYPES)}, found: {", ".join(names) or "none"}.'
            )
        self.topic, self.message_type = topic, kind
        self.paired_by_time = 0
        # Index of an image to that of its ground truth; None where stamps tell them.
        self._truth_of: dict[int, int] | None = None
        self._by_time: frozenset[int] = frozenset()
        if camera is not None and pairing is None:
            pairing = self._pair(recordings, camera)
        self.pairing = pairing
        if pairing is not None and not pairing.is_by_stamp:
            self._truth_of, self._by_time = pairing.truth_of, pairing.by_time
            self.paired_by_time = len(pairing.by_time)
        self._stream = MessageStream(recordings, [topic])
        self._messages: Iterator[StreamMessage] = iter(self._stream)
        self._window: dict[int, StreamMessage] = {}
        self._read = 0
        self._next = next(self._messages, None)

    def _pair(self, recordings: Sequence[Recording], camera: str) -> Pairing:
        """Pair images and ground truth of the whole recording, if stamps alone do not."""
        places: dict[str, list[Place]] = {camera: [], self.topic: []}
        for message in MessageStream(recordings, places):
            data = message.raw.data
            stamp_ns = read_stamp_ns(data) if is_plain_cdr(data) else None
            digest = hash(data) if message.raw.topic == self.topic else 0
            places[message.raw.topic].append(Place(stamp_ns, message.raw.time_ns, digest))
        return pair(places[camera], places[self.topic], int(WINDOW_S * 1e9))

    @property
    def damages(self) -> list[Damage]:
        """Damages of the recording, as far as it was read."""
        return self._stream.damages

    def at(self, frame: int, stamp_ns: int, time_ns: int) -> Truth | Damage | None:
        """Return the ground truth with the frame's stamp, see `TruthSource`.

        Raises:
            BagError: It is no image of label ids.
        """
        window_ns = int(WINDOW_S * 1e9)
        while self._next is not None and self._next.raw.time_ns <= time_ns + window_ns:
            if self._next.raw.time_ns >= time_ns - window_ns:
                self._window[self._key(self._next)] = self._next
            self._read += 1
            self._next = next(self._messages, None)
        key = stamp_ns if self._truth_of is None else self._truth_of.get(frame, -1)
        message = self._window.pop(key, None)
        old = [s for s, m in self._window.items() if m.raw.time_ns < time_ns - window_ns]
        for stamp in old:
            del self._window[stamp]
        if message is None:
            return None
        try:
            pixels = values_of(decode(message.raw, self.message_type))
        except ImageError as error:
            return message.damage(str(error))
        raw = message.raw
        if frame in self._by_time:
            # In the new bag stamp and recording time tell the image that it belongs to.
            raw = RawMessage(raw.topic, time_ns, with_stamp(raw.data, stamp_ns))
        return Truth(one_byte(pixels, self.topic), raw)

    def _key(self, message: StreamMessage) -> int:
        """Return what a ground truth is found by: its stamp, or its number where stamps fail."""
        return read_stamp_ns(message.raw.data) if self._truth_of is None else self._read


class TruthFolder:
    """Ground truth from PNG files, named by stamp or in the order of the frames."""

    paired_by_time = 0
    topic = '/ground_truth/label_ids/compressed'
    """Topic of the ground truth in the new bag."""
    message_type = IMAGE_TYPES[1]

    def __init__(self, folder: Path, frames: int) -> None:
        """List the files.

        Args:
            folder: Folder with the PNG files.
            frames: Number of images of the camera.

        Raises:
            ConfigError: There are no files, or neither their names nor their number fits.
        """
        files = sorted(visible(folder.glob('*.png')))
        self._by_stamp: dict[int, Path] = {}
        self._in_order: list[Path] = []
        if files and all(p.stem.isdigit() and int(p.stem) >= FIRST_STAMP_NS for p in files):
            self._by_stamp = {int(path.stem): path for path in files}
        elif files and len(files) == frames:
            self._in_order = files
        else:
            raise ConfigError(
                f'The folder {folder} holds {len(files)} PNG files for {frames} images; '
                'expected files named by the stamps of their images in nanoseconds '
                '(1600000000000000000.png), or one for each image in the same order.'
            )

    @property
    def damages(self) -> list[Damage]:
        """Empty: a file that cannot be read ends the replay."""
        return []

    def at(self, frame: int, stamp_ns: int, time_ns: int) -> Truth | Damage | None:
        """Return the ground truth of a frame, see `TruthSource`.

        Raises:
            ConfigError: A file is no image of label ids.
        """
        path = self._by_stamp.get(stamp_ns)
        if self._in_order and frame < len(self._in_order):
            path = self._in_order[frame]
        if path is None:
            return None
        try:
            pixels = read_ids(path)
        except ImageError as problem:
            raise ConfigError(
                f'{path} cannot be read as an image ({problem}); expected a whole PNG file.'
            ) from problem
        return Truth(one_byte(pixels, str(path)), None)


def one_byte(pixels: NDArray[Any], where: str) -> NDArray[np.uint8]:
    """Return label ids as uint8.

    Raises:
        BagError: There are several channels, or an id above 255.
    """
    if pixels.ndim != 2 or pixels.max(initial=0) > 255:
        raise BagError(
            f'A label image of {where} has shape {pixels.shape} and values up to '
            f'{pixels.max(initial=0)}; expected one channel of ids from 0 to 255: name another '
            'topic or folder.'
        )
    return pixels.astype(np.uint8, copy=False)


def check_label_ids(label_ids: NDArray[np.uint8], mapping: Mapping, where: str) -> None:
    """Check that all label ids belong to the mapping.

    Args:
        label_ids: (H, W) uint8.
        mapping: Mapping of the ground truth.
        where: Origin of the labels, for the error message.

    Raises:
        BagError: An id is neither that of a label nor unlabeled.
    """
    known = {label.label_id for label in mapping.labels}
    # An id of -1 is 255 in a byte.
    known |= {label_id % 256 for label_id in mapping.unlabeled_ids}
    counts = np.bincount(label_ids.ravel(), minlength=256)
    foreign = sorted(set(np.flatnonzero(counts).tolist()) - known)
    if foreign:
        raise BagError(
            f'A ground truth of {where} has the label id {foreign[0]}; expected an id of mapping '
            f'{mapping.name!r}: name another with --mapping.'
        )
