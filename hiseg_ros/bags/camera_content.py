# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What the image topics of recordings hold: colour, grey, depth or labels, by their content.

Encoding and pixels of the first messages decide. Names and a camera_info beside the topic count
only where these leave it open, and a name alone never makes a colour image anything else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.bags.message_stream import MessageStream
from hiseg_ros.bags.recording import Recording
from hiseg_ros.errors import HisegError, ImageError
from hiseg_ros.images.header import JPEG_SIGNATURE, PNG_SIGNATURE
from hiseg_ros.images.image_message import ENCODINGS, bytes_of, values_of
from hiseg_ros.types import ImageSize

MESSAGES = 3
"""Number of messages of each topic that are looked at: the first image may be black."""

_ENOUGH = 64
"""Messages without a new topic after which the topics that are known are no longer read."""

_MEASURED = re.compile(r'(8S|16S|32S|32F|64F)C\d*$')
_WIDE = ('16UC1', 'mono16')
_TRANSPORTS = ('compresseddepth', 'zstd', 'theora', 'ffmpeg', 'h264', 'h265', 'hevc', 'av1')
_TRANSPORT_ENDS = tuple(f'/{name}' for name in _TRANSPORTS)
_MEASURED_NAMES = ('depth', 'disparity', 'confidence', 'range_image')
_LABEL_NAMES = (
    'label', 'mask', 'segment', 'semantic', 'instance', 'panoptic', 'class_', 'classes',
    'confidence', 'cost', 'ground_truth', 'groundtruth',
)  # fmt: skip

_FLAT_SHARE = 0.95
"""Least share of equal neighbours in a label image; noise keeps that of a camera below a half."""
_MOST_LABELS = 64
_LEAST_HOLES = 0.002
"""Least share of zeros, which are pixels without a distance, in a depth image of 16 bits."""


class Kind(IntEnum):
    """What an image topic holds, the best input of the network first."""

    COLOR = 0
    GRAY = 1
    """8-bit grey."""
    WIDE = 2
    """16-bit grey of a camera."""
    MEASURED = 3
    """Depth, disparity, confidence or another measurement."""
    LABELS = 4
    """Label images, of another program or as ground truth."""
    UNREADABLE = 5
    """An encoding or transport that cannot be decoded here."""

    @property
    def is_camera(self) -> bool:
        """Whether it is an input of the network."""
        return self <= Kind.WIDE


@dataclass(frozen=True)
class Look:
    """What the first messages of an image topic show."""

    kind: Kind
    encoding: str
    """`encoding` of an Image or `format` of a CompressedImage; '' of a topic without a message."""
    is_flat: bool = False
    """Whether the pixels are areas of few values, as labels are."""
    has_holes: bool = False
    """Whether pixels of a 16-bit image are zero, as those without a distance are."""
    is_constant: bool = True
    """Whether all pixels are equal, which tells nothing."""

    @property
    def reason(self) -> str:
        """Why it is no camera, in a few words; '' for a camera."""
        encoding = self.encoding or 'no message'
        return {
            Kind.MEASURED: f'{encoding}: depth or another measurement',
            Kind.LABELS: f'{encoding}: a label image',
            Kind.UNREADABLE: f'{encoding}: cannot be decoded',
        }.get(self.kind, '')


def look_at(recordings: Sequence[Recording]) -> dict[str, Look]:
    """Return what each image topic with messages holds.

    Args:
        recordings: The recordings; of each the first messages of its image topics are read.
    """
    seen: dict[str, list[Look]] = {}
    for recording in recordings:
        for topic, message in _first_messages(recording):
            seen.setdefault(topic, []).append(_of_message(topic, message))
    names = {t.name for r in recordings for t in r.topics if t.is_image and t.count}
    first = {name: _best(seen.get(name, [])) for name in sorted(names)}
    infos = {t.name for r in recordings for t in r.topics if t.name.endswith('/camera_info')}
    certain = {
        name
        for name, look in first.items()
        if look.kind <= Kind.GRAY and look.encoding and not look.is_flat
    }
    return {
        name: replace(
            look, kind=_kind_of(name, look, bool(certain - {name}), info_topic(name) in infos)
        )
        for name, look in first.items()
    }


def first_image_size(recording: Recording, topic: str) -> ImageSize | None:
    """Return (H, W) in pixels of a topic's first image; None where the first few are damaged."""
    for message in islice(MessageStream([recording], [topic]), MESSAGES):
        with suppress(HisegError):
            height, width = values_of(message.decode()).shape[:2]
            return height, width
    return None


def info_topic(topic: str) -> str:
    """Return the topic of the CameraInfo of an image topic, which the recording may lack."""
    return f'{base_topic(topic).rpartition("/")[0]}/camera_info'


def base_topic(topic: str) -> str:
    """Return the topic of the raw images that a topic of compressed images belongs to."""
    return topic.removesuffix('/compressed').removesuffix('/ffmpeg').removesuffix('/foxglove')


def _first_messages(recording: Recording) -> Iterator[tuple[str, Any]]:
    """Yield (topic, message) of the first messages of each image topic, however late they come."""
    missing = {t.name: MESSAGES for t in recording.topics if t.is_image and t.count}
    while missing:
        idle = 0
        stream = MessageStream([recording], missing)
        skip = {name: MESSAGES - left for name, left in missing.items()}
        for message in stream:
            topic, idle = message.raw.topic, idle + 1
            if skip.get(topic, 0):
                skip[topic] -= 1
                continue
            if topic in missing:
                idle = 0
                missing[topic] -= 1
                if not missing[topic]:
                    del missing[topic]
                with suppress(HisegError):  # of a damaged one the next tells
                    yield topic, message.decode()
            if not missing:
                return
            if idle > _ENOUGH and len(missing) < len(skip):
                break  # what is known need not be read for what comes late
        else:
            return


def _best(looks: Sequence[Look]) -> Look:
    """Return the look that is most like a camera, and least like labels."""
    if not looks:
        return Look(Kind.WIDE, '')
    best = min(looks, key=lambda look: (look.kind, look.is_constant, look.is_flat))
    holes = any(look.has_holes for look in looks)
    return replace(best, has_holes=holes)


def _of_message(topic: str, message: Any) -> Look:
    """Return what one message shows."""
    encoding = str(getattr(message, 'encoding', getattr(message, 'format', '')))
    origin = encoding.partition(';')[0].strip()
    if any(word in encoding.lower() for word in _TRANSPORTS):
        is_depth = 'compresseddepth' in encoding.lower()
        return Look(Kind.MEASURED if is_depth else Kind.UNREADABLE, encoding)
    is_compressed = hasattr(message, 'format')
    is_jpeg = 'jpeg' in encoding.lower()  # also of a video whose frames were converted
    if is_compressed and not is_jpeg and topic.lower().endswith(_TRANSPORT_ENDS):
        return Look(Kind.UNREADABLE, encoding)
    if _MEASURED.match(origin):
        return Look(Kind.MEASURED, encoding)
    if is_compressed:
        head = bytes(bytes_of(message.data)[:32])
        if not head.startswith((JPEG_SIGNATURE, PNG_SIGNATURE)):
            return Look(Kind.UNREADABLE, encoding or 'neither JPEG nor PNG')
        if head.startswith(PNG_SIGNATURE) and (head[25:26] == b'\x03' or head[24] < 8):
            return Look(Kind.LABELS, encoding)  # a palette, or less than a byte for each pixel
    elif encoding not in ENCODINGS:
        return Look(Kind.UNREADABLE, encoding or 'no encoding')
    try:
        values = values_of(message)
    except ImageError:
        return _of_encoding(origin, encoding)
    if values.ndim == 3:
        return _with_content(Kind.COLOR, encoding, values)
    return _with_content(Kind.GRAY if values.dtype == np.uint8 else Kind.WIDE, encoding, values)


def _of_encoding(origin: str, encoding: str) -> Look:
    """Return the look of an image that cannot be decoded."""
    if origin in _WIDE:
        return Look(Kind.WIDE, encoding)
    return Look(Kind.GRAY if origin in ('mono8', '8UC1') else Kind.COLOR, encoding)


def _with_content(kind: Kind, encoding: str, values: NDArray[Any]) -> Look:
    """Return the look of pixels, (H, W) or (H, W, 3)."""
    pixels = values[:: max(1, values.shape[0] // 128)]
    if pixels.ndim == 3:
        pixels = pixels.astype(np.uint32) @ np.array([1, 256, 65536], np.uint32)
    distinct = len(np.unique(pixels))
    equal = float((pixels[:, 1:] == pixels[:, :-1]).mean()) if pixels.shape[1] > 1 else 1.0
    is_flat = 2 <= distinct <= _MOST_LABELS and equal >= _FLAT_SHARE
    holes = float((pixels == 0).mean())
    has_holes = kind == Kind.WIDE and _LEAST_HOLES <= holes < 1 and not is_flat
    return Look(kind, encoding, is_flat, has_holes, distinct < 2)


def _kind_of(name: str, look: Look, has_other: bool, has_info: bool) -> Kind:
    """Return what a topic holds.

    Args:
        name: The topic.
        look: What its first messages show.
        has_other: Whether another topic holds certain camera images.
        has_info: Whether a camera_info belongs to it.
    """
    words = name.lower()
    is_named_measured = any(word in words for word in _MEASURED_NAMES)
    is_named_labels = any(word in words for word in _LABEL_NAMES)
    if look.kind >= Kind.MEASURED:
        return look.kind
    if look.kind == Kind.COLOR:
        is_mask = look.is_flat and is_named_labels and not has_info and has_other
        return Kind.LABELS if is_mask else Kind.COLOR
    if look.kind == Kind.GRAY:
        if look.is_constant:
            return Kind.LABELS if is_named_labels else Kind.GRAY
        is_labels = look.is_flat and (is_named_labels or (has_other and not has_info))
        return Kind.LABELS if is_labels else Kind.GRAY
    if is_named_measured:
        return Kind.MEASURED
    if look.is_flat or (look.is_constant and is_named_labels):
        return Kind.LABELS
    if look.encoding.partition(';')[0].strip() == '16UC1' and (look.has_holes or has_other):
        return Kind.MEASURED  # the encoding of depth images
    return Kind.WIDE
