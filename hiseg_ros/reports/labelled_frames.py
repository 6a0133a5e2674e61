# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Images of a recording paired with their labels by stamp."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from hiseg_ros.bags.bag import Topic
from hiseg_ros.bags.message_stream import MessageStream, StreamMessage
from hiseg_ros.bags.pairing import Place, pair
from hiseg_ros.bags.raw_message import RawMessage
from hiseg_ros.bags.recording import Recording
from hiseg_ros.bags.stamps import read_stamp_ns
from hiseg_ros.errors import ImageError
from hiseg_ros.images.bit_depth import BitDepth
from hiseg_ros.images.image_message import rgb_of, values_of
from hiseg_ros.types import LabelImage, RgbImage

MAX_WAITING = 64
"""Most images that wait for their labels at a time, about two seconds of a camera."""


@dataclass(frozen=True)
class LabelledFrame:
    """An image and its labels."""

    stamp_ns: int
    rgb: RgbImage
    labels: LabelImage
    time_ns: int = 0
    """Recording time of the image; 0 where unknown."""


def labelled_frames(
    stream: MessageStream,
    image: Topic,
    labels: Topic,
    labels_of: Mapping[int, int] | None = None,
) -> Iterator[LabelledFrame]:
    """Yield every image whose labels were recorded too, once both have been read.

    Images without labels, such as those that a busy node dropped, are skipped. Messages that
    cannot be decoded are skipped too, and added to `stream.damages`.

    Args:
        stream: Messages of the topics `image` and `labels`.
        image: Topic of the camera's images or of the node's overlays.
        labels: Topic of label images, with the stamps of the images.
        labels_of: Number of an image among the images to that of its labels, where stamps do not
            tell the pairs, see `pairs_of`; None pairs by stamp.
    """
    numbers = {image.name: -1, labels.name: -1}
    depth = BitDepth()
    waiting: dict[str, dict[int, StreamMessage]] = {image.name: {}, labels.name: {}}
    for message in stream:
        stamp = _stamp(message.raw)
        if stamp is None:
            stream.damages.append(message.damage('the message is too short for a header'))
            continue
        here = message.raw.topic
        numbers[here] += 1
        key = stamp
        if labels_of is not None:
            key = numbers[here] if here == labels.name else labels_of.get(numbers[here], -1)
            if key < 0:
                continue
        other = labels.name if here == image.name else image.name
        partner = waiting[other].pop(key, None)
        if partner is None:
            waiting[here].pop(key, None)
            waiting[here][key] = message
            if len(waiting[here]) > MAX_WAITING:
                del waiting[here][next(iter(waiting[here]))]  # the one that waits longest
            continue
        both = {here: message, other: partner}
        try:
            rgb = rgb_of(both[image.name].decode(), depth)
            ids = values_of(both[labels.name].decode())
        except ImageError as error:
            stream.damages.append(message.damage(str(error)))
            continue
        # The node processes images in order: what is older has no partner.
        for names in waiting.values():
            for old in [other_key for other_key in names if other_key < key]:
                del names[old]
        time_ns = both[image.name].raw.time_ns
        yield LabelledFrame(stamp, rgb, ids.astype(np.uint8, copy=False), time_ns)


def pairs_of(recording: Recording, image: Topic, labels: Topic) -> dict[int, int]:
    """Return the number of an image to that of its labels, by stamp, recording time or order."""
    places: dict[str, list[Place]] = {image.name: [], labels.name: []}
    for message in stream_of(recording, image, labels):
        raw = message.raw
        if (stamp := _stamp(raw)) is not None:
            places[raw.topic].append(Place(stamp, raw.time_ns, hash(raw.data)))
    return pair(places[image.name], places[labels.name]).truth_of


def label_images(stream: MessageStream) -> Iterator[tuple[tuple[int, int], LabelImage]]:
    """Yield ((stamp, recording time) in ns, labels) of one topic; damaged ones are skipped."""
    for message in stream:
        stamp = _stamp(message.raw)
        try:
            ids = values_of(message.decode())
        except ImageError:
            continue
        if stamp is not None:
            yield (stamp, message.raw.time_ns), ids.astype(np.uint8, copy=False)


def stream_of(recording: Recording, *topics: Topic) -> MessageStream:
    """Return the messages of some topics of one recording."""
    return MessageStream([recording], [topic.name for topic in topics])


def _stamp(message: RawMessage) -> int | None:
    return read_stamp_ns(message.data) if len(message.data) >= 12 else None
