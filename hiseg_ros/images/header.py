# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Header and completeness of a JPEG or PNG, checked before it is decoded.

OpenCV decodes a JPEG that ends early to an image with a grey rest, and allocates whatever size a
header claims; both are detected here, in a fraction of a millisecond.
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass

from hiseg_ros.errors import ImageError

PNG_SIGNATURE = b'\x89PNG\r\n\x1a\n'
JPEG_SIGNATURE = b'\xff\xd8\xff'

_START_OF_FRAME = {0xC0 + n for n in range(16)} - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD8)}
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
# In entropy-coded data 0xFF is followed by 0 or a restart marker; anything else ends the scan.
_MARKER_AFTER_SCAN = re.compile(rb'\xff[^\x00\xd0-\xd7\xff]')

MAX_PIXELS = 64 * 2**20
"""Most pixels of an image, from a file or a message: a damaged header must not make a decoder take
all memory."""

MAX_SCANS = 64
"""Most scans of a progressive JPEG, which has about ten: each costs a pass over all pixels."""

WEBP_HEADER_BYTES = 30
"""Bytes of a WebP file that hold its size."""

_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# Deflate cannot shrink data further than this.
_LARGEST_DEFLATE_RATIO = 1032


@dataclass(frozen=True)
class ImageHeader:
    """Kind and size of a compressed image."""

    kind: str
    """'JPEG' or 'PNG'."""
    height: int
    width: int
    is_gray: bool
    """Whether it has one channel and no palette."""
    smallest_bytes: int
    """Fewest bytes that an image of this size can be compressed to."""
    has_palette: bool = False
    """Whether its values are indices of a palette."""
    sample_bits: int = 8
    """Bits of one value: 1, 2, 4, 8 or 16."""


def check_size(height: int, width: int, what: str) -> None:
    """Check that an image has at least one pixel and at most MAX_PIXELS.

    Args:
        height: In pixels.
        width: In pixels.
        what: Its kind in words, for the error message, such as 'A PNG'.

    Raises:
        ImageError: It has no pixels or too many.
    """
    if height == 0 or width == 0:
        raise ImageError(
            f'{what} has {width}x{height} pixels; expected at least one pixel: look at what the '
            'camera driver publishes.'
        )
    if height * width > MAX_PIXELS:
        raise ImageError(
            f'{what} claims {width}x{height} pixels; expected at most {MAX_PIXELS} pixels: its '
            'header is damaged, or the image has to be scaled down before.'
        )


def check_claim(data: bytes | memoryview) -> ImageHeader:
    """Return the header of a complete JPEG or PNG whose size is plausible and allowed.

    Args:
        data: The file.

    Raises:
        ImageError: It is damaged, or claims more pixels than it can hold or than MAX_PIXELS.
    """
    header = read_header(data)
    check_size(header.height, header.width, f'A {header.kind}')
    if len(data) < header.smallest_bytes:
        raise ImageError(
            f'A {header.kind} of {header.width}x{header.height} pixels has {len(data)} bytes; '
            f'expected more than {header.smallest_bytes}, the fewest that can hold so many: the '
            'data is damaged on its way, skip it.'
        )
    return header


def read_header(data: bytes | memoryview) -> ImageHeader:
    """Return the header of a complete JPEG or PNG.

    Bytes after the end of the image, which some cameras send, are ignored.

    Raises:
        ImageError: The data is neither JPEG nor PNG, is cut off, or its structure is damaged.
    """
    if data[:3] == JPEG_SIGNATURE:
        return _read_jpeg(data)
    if data[:8] == PNG_SIGNATURE:
        return _read_png(data)
    raise ImageError(
        f'A compressed image of {len(data)} bytes begins with {bytes(data[:8]).hex(" ")!r}; '
        'expected a JPEG or PNG (ff d8 ff or 89 50 4e 47): subscribe to a topic of '
        'image_transport "compressed", not "compressedDepth" or "theora".'
    )


def check_webp(data: bytes) -> None:
    """Check the size that a WebP claims; other data pass.

    Args:
        data: The first WEBP_HEADER_BYTES of a file.

    Raises:
        ImageError: It claims more than MAX_PIXELS.
    """
    if data[:4] != b'RIFF' or data[8:12] != b'WEBP' or len(data) < WEBP_HEADER_BYTES:
        return
    kind = data[12:16]
    if kind == b'VP8X':
        width, height = (1 + int.from_bytes(data[i : i + 3], 'little') for i in (24, 27))
    elif kind == b'VP8L':
        bits = int.from_bytes(data[21:25], 'little')
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    else:
        width, height = (side & 0x3FFF for side in struct.unpack_from('<HH', data, 26))
    if width * height > MAX_PIXELS:
        check_size(height, width, 'A WEBP')


def _read_jpeg(data: bytes | memoryview) -> ImageHeader:
    header: ImageHeader | None = None
    position, scans = 2, 0
    try:
        while True:
            if data[position] != 0xFF:
                raise ImageError(
                    f'A JPEG of {len(data)} bytes has no marker at byte {position} where one must '
                    'be; expected a chain of segments: the data is damaged on its way, skip it.'
                )
            marker = data[position + 1]
            if marker == 0xFF:  # fill byte
                position += 1
                continue
            position += 2
            # A decoder may take a second frame header, or one hidden here, for the size.
            if marker == 0 or (marker in _START_OF_FRAME and header is not None):
                raise ImageError(
                    f'A JPEG of {len(data)} bytes has the marker ff {marker:02x} at byte '
                    f'{position - 2}; expected one frame in one chain of segments: the data is '
                    'damaged on its way, skip it.'
                )
            if marker == _END_OF_IMAGE:
                break
            if marker in _WITHOUT_LENGTH:
                continue
            (length,) = struct.unpack_from('>H', data, position)
            if marker in _START_OF_FRAME:
                header = _jpeg_frame(data, position)
            position += length
            if marker == _START_OF_SCAN:
                scans += 1
                if scans > MAX_SCANS:
                    raise ImageError(
                        f'A JPEG of {len(data)} bytes has more than {MAX_SCANS} scans; expected '
                        'about ten of a progressive one: write it again.'
                    )
                found = _MARKER_AFTER_SCAN.search(data, position)
                if found is None:
                    raise _cut_off('JPEG', len(data), 'its end marker (ff d9)')
                position = found.start()
    except (IndexError, struct.error):
        raise _cut_off('JPEG', len(data), 'its end marker (ff d9)') from None
    if header is None:
        raise ImageError(
            f'A JPEG of {len(data)} bytes has an end but no frame; expected a frame header: the '
            'data is damaged on its way, skip it.'
        )
    return header


def _jpeg_frame(data: bytes | memoryview, position: int) -> ImageHeader:
    _, _, height, width, components = struct.unpack_from('>HBHHB', data, position)
    # Each block of 8x8 pixels takes one bit at least.
    blocks = -(-height // 8) * -(-width // 8)
    return ImageHeader('JPEG', height, width, components == 1, blocks // 8)


def _read_png(data: bytes | memoryview) -> ImageHeader:
    header: ImageHeader | None = None
    position = len(PNG_SIGNATURE)
    name = b''
    while name != b'IEND':
        try:
            length, name = struct.unpack_from('>I4s', data, position)
            (checksum,) = struct.unpack_from('>I', data, position + 8 + length)
        except struct.error:
            raise _cut_off('PNG', len(data), 'its last chunk (IEND)') from None
        if zlib.crc32(data[position + 4 : position + 8 + length]) != checksum:
            raise ImageError(
                f'Chunk {name.decode("ascii", "replace")!r} of a PNG of {len(data)} bytes does '
                'not match its checksum; expected undamaged data: it was changed on its way, '
                'skip it.'
            )
        if header is None:
            header = _png_header(name, data, position + 8, length)
        position += 12 + length
    if header is None:
        raise _no_png_header(len(data))
    return header


def _png_header(name: bytes, data: bytes | memoryview, position: int, length: int) -> ImageHeader:
    if name != b'IHDR' or length != 13:
        raise _no_png_header(len(data))
    width, height, depth, color_type = struct.unpack_from('>IIBB', data, position)
    row_bytes = width * _PNG_CHANNELS.get(color_type, 1) * depth // 8
    smallest = height * row_bytes // _LARGEST_DEFLATE_RATIO
    return ImageHeader('PNG', height, width, color_type == 0, smallest, color_type == 3, depth)


def _no_png_header(size: int) -> ImageError:
    return ImageError(
        f'A PNG of {size} bytes does not begin with its header; expected the chunk IHDR: the '
        'data is damaged on its way, skip it.'
    )


def _cut_off(kind: str, size: int, missing: str) -> ImageError:
    return ImageError(
        f'A {kind} ends after {size} bytes; expected {missing} before that: it was cut off on '
        'its way, skip it.'
    )
