# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Telling cameras from depth and other measured images by the encoding of the first message."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

from hiseg_ros.bags.definitions import Definitions
from hiseg_ros.bags.message_stream import MessageStream
from hiseg_ros.bags.recording import Recording
from hiseg_ros.errors import HisegError

_MEASURED = re.compile(r'(8S|16S|32S|32F|64F)C\d*$')
_WIDE = ('16UC1', 'mono16')
_MEASURED_NAMES = ('depth', 'disparity')
_OTHER_TRANSPORTS = ('/compressedDepth', '/zstd', '/theora', '/ffmpeg')
MAX_MESSAGES = 200
"""Most messages of a recording that are read for the first one of each topic."""


def first_encodings(recordings: Sequence[Recording]) -> dict[str, str]:
    """Return the encoding of the first message of each image topic, as far as it comes early.

    Returns:
        Topic to `encoding` of an Image, or `format` of a CompressedImage.
    """
    found: dict[str, str] = {}
    for recording in recordings:
        names = {topic.name for topic in recording.topics if topic.is_image and topic.count}
        definitions: Definitions | None = None
        for message in islice(MessageStream([recording], names), MAX_MESSAGES):
            definitions = definitions or message.definitions
            if message.raw.topic in found:
                continue
            try:
                image = definitions.decode(message.raw)
            except HisegError:
                continue
            found[message.raw.topic] = str(
                getattr(image, 'encoding', getattr(image, 'format', ''))
            )
            if names <= set(found):
                break
    return found


def cameras_among(names: Iterable[str], encodings: Mapping[str, str]) -> list[str]:
    """Return the topics that may be cameras.

    Args:
        names: Image topics.
        encodings: See `first_encodings`; of a topic without one the name decides.
    """
    return [name for name in names if not _is_measured(name, encodings.get(name))]


def _is_measured(name: str, encoding: str | None) -> bool:
    """Return whether a topic holds depth, disparity or other measured values, or no image."""
    if name.endswith(_OTHER_TRANSPORTS):
        return True
    is_named_so = any(word in name.lower() for word in _MEASURED_NAMES)
    if encoding is None:
        return is_named_so
    origin = encoding.partition(';')[0].strip()
    if 'compressedDepth' in encoding or _MEASURED.match(origin):
        return True
    return is_named_so and origin in (*_WIDE, '')
