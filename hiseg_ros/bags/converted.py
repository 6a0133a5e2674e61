# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Topics whose images come in another form: packets of a video, and Foxglove's image messages.

They become Image or CompressedImage messages while the recording is read, so that everything else
knows these two only. Frames of a video become JPEG.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from hiseg_ros.bags.bag import IMAGE_TYPES
from hiseg_ros.bags.builder import messages
from hiseg_ros.bags.foxglove import IMAGE, PACKET, RAW, VIDEO
from hiseg_ros.bags.hiseg_types import node_types
from hiseg_ros.bags.stamps import stamp_ns_of
from hiseg_ros.errors import ImageError
from hiseg_ros.images.header import check_size

VIDEO_TYPES = (VIDEO, PACKET)
"""Types whose messages are packets of a video."""

JPEG_QUALITY = 95

_CODECS = {
    'h264': 'h264', '264': 'h264', 'avc': 'h264', 'h265': 'hevc', '265': 'hevc', 'hevc': 'hevc',
    'av1': 'av1', 'vp9': 'vp9', 'vp8': 'vp8', 'mjpeg': 'mjpeg', 'mpeg4': 'mpeg4',
}  # fmt: skip
"""Decoders by a part of the name of the format or of the encoder."""


def has_video() -> bool:
    """Return whether PyAV is installed, which decodes videos."""
    return find_spec('av') is not None


def converted_type(message_type: str) -> str | None:
    """Return the type that messages of a type are converted to; None for no conversion."""
    if message_type in VIDEO_TYPES:
        return IMAGE_TYPES[1] if has_video() else None
    return {IMAGE: IMAGE_TYPES[1], RAW: IMAGE_TYPES[0]}.get(message_type)


@dataclass(frozen=True)
class _Origin:
    """Header of a frame, and what its message is told by."""

    stamp_ns: int
    frame_id: str
    token: Any


class Converter:
    """Converts the messages of one topic, in their order."""

    def __init__(self, message_type: str) -> None:
        """Start.

        Args:
            message_type: A type that `converted_type` knows.
        """
        self._type = message_type
        self._codec: Any = None
        self._codec_name = ''
        self._count = 0
        self._waiting: dict[int, _Origin] = {}
        self.first_error = ''
        """Why the first packet that gave no image did not, a sentence; '' if nothing says it."""

    def convert(self, message: Any, token: Any) -> Iterator[tuple[Any, bytes]]:
        """Yield (token, serialised message) of each image that is complete now.

        Args:
            message: A message of the topic.
            token: Anything; it is given back with the message's own image, which may come later
                or, of a damaged packet, never: see `lost`.
        """
        if self._type == PACKET:
            header = message.header
            origin = _Origin(stamp_ns_of(header.stamp), str(header.frame_id), token)
            yield from self._decoded(origin, str(message.encoding), message.data)
            return
        origin = _Origin(stamp_ns_of(message.timestamp), str(message.frame_id), token)
        if self._type == VIDEO:
            yield from self._decoded(origin, str(message.format), message.data)
            return
        header = messages.header(origin.stamp_ns, origin.frame_id)
        types = node_types().types
        if self._type == IMAGE:
            made = types[IMAGE_TYPES[1]](header, str(message.format), message.data)
            yield token, bytes(node_types().serialize_cdr(made, IMAGE_TYPES[1]))
        else:
            made = types[IMAGE_TYPES[0]](
                header,
                message.height,
                message.width,
                str(message.encoding),
                0,
                message.step,
                message.data,
            )
            yield token, bytes(node_types().serialize_cdr(made, IMAGE_TYPES[0]))

    def rest(self) -> Iterator[tuple[Any, bytes]]:
        """Yield the images that the decoder still holds at the end."""
        if self._codec is not None:
            yield from self._images(None)

    @property
    def lost(self) -> int:
        """Number of packets so far that gave no image, as those before the first key frame."""
        return len(self._waiting)

    def _decoded(self, origin: _Origin, form: str, data: Any) -> Iterator[tuple[Any, bytes]]:
        import av

        number, self._count = self._count, self._count + 1
        self._waiting[number] = origin
        try:
            name = _codec_of(form)
        except ImageError as error:
            self.first_error = self.first_error or str(error)
            return
        if name != self._codec_name:
            self._codec, self._codec_name = av.CodecContext.create(name, 'r'), name
            self._codec.thread_count = 1  # else frames come out later
            self._codec.options = {'flags': 'low_delay'}
        packet = av.Packet(np.asarray(data, np.uint8).tobytes())
        packet.pts = packet.dts = number
        yield from self._images(packet)

    def _images(self, packet: Any) -> Iterator[tuple[Any, bytes]]:
        import av

        try:
            frames = self._codec.decode(packet)
        except av.error.FFmpegError as error:
            self.first_error = self.first_error or (
                f'a packet of a {self._codec_name} video cannot be decoded ({error.strerror}); '
                'expected whole ones from a key frame on.'
            )
            return
        for frame in frames:
            if frame.pts not in self._waiting or frame.is_corrupt:
                continue
            try:
                check_size(frame.height, frame.width, f'A frame of a {self._codec_name} video')
            except ImageError as error:
                self.first_error = self.first_error or str(error)
                continue
            origin = self._waiting.pop(frame.pts)
            rgb = frame.to_ndarray(format='rgb24')
            header = messages.header(origin.stamp_ns, origin.frame_id)
            made = messages.compressed_message(header, rgb, JPEG_QUALITY)
            yield origin.token, bytes(node_types().serialize_cdr(made, IMAGE_TYPES[1]))


def _codec_of(form: str) -> str:
    """Return the name of the decoder for a format such as 'h264' or 'hevc_nvenc;nv12;...'.

    Raises:
        ImageError: It is unknown.
    """
    encoder = form.partition(';')[0].lower()
    for part, codec in _CODECS.items():
        if part in encoder:
            return codec
    raise ImageError(
        f'A video has the format {form!r}; expected one of {", ".join(_CODECS)}: convert it.'
    )
