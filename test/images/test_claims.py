# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Images that claim too many pixels are refused from their header, in every format."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from hiseg_ros.errors import ImageError
from hiseg_ros.images import read_image
from hiseg_ros.images.file import image_size

SIDE = 12_000


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack('>I', len(data)) + name + data + struct.pack('>I', zlib.crc32(name + data))


def png() -> bytes:
    header = struct.pack('>IIBBBBB', SIDE, SIDE, 8, 2, 0, 0, 0)
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + chunk(b'IEND', b'')


def jpeg() -> bytes:
    frame = b'\xff\xc0' + struct.pack('>HBHHB', 17, 8, SIDE, SIDE, 3) + bytes(9)
    return b'\xff\xd8' + frame + b'\xff\xda\x00\x0c' + bytes(10) + b'\xff\xd9'


def webp(kind: bytes) -> bytes:
    side = (16_383).to_bytes(3, 'little')
    bits = (SIDE - 1 | (SIDE - 1) << 14).to_bytes(4, 'little')
    content = {
        b'VP8X': b'\x02' + bytes(3) + side + side + b'ANIM' + struct.pack('<IIH', 6, 0, 0),
        b'VP8L': b'\x2f' + bits + bytes(20),
        b'VP8 ': b'\x30\x01\x00\x9d\x01\x2a' + struct.pack('<HH', SIDE, SIDE) + bytes(20),
    }[kind]
    body = b'WEBP' + kind + struct.pack('<I', len(content)) + content
    return b'RIFF' + struct.pack('<I', len(body)) + body


def tiff() -> bytes:
    tags = [(256, SIDE), (257, SIDE), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (279, 9)]
    entries = b''.join(struct.pack('<HHII', tag, 4, 1, value) for tag, value in tags)
    return b'II*\x00' + struct.pack('<I', 8) + struct.pack('<H', len(tags)) + entries + bytes(4)


def jpeg_2000() -> bytes:
    size = (
        struct.pack('>HIIIIIIIIH', 0, SIDE, SIDE, 0, 0, SIDE, SIDE, 0, 0, 3) + b'\x07\x01\x01' * 3
    )
    return b'\xff\x4f\xff\x51' + struct.pack('>H', len(size) + 2) + size + bytes(40)


IMAGES = {
    'png': png(),
    'jpg': jpeg(),
    'webp': webp(b'VP8X'),
    'lossless.webp': webp(b'VP8L'),
    'lossy.webp': webp(b'VP8 '),
    'tif': tiff(),
    'jp2': jpeg_2000(),
    'gif': b'GIF89a' + struct.pack('<HHBBB', SIDE, SIDE, 0, 0, 0) + b';',
    'bmp': b'BM' + struct.pack('<IIIIiiHHIIiiII', 99, 0, 54, 40, SIDE, SIDE, 1, 24, *[0] * 6),
    'ppm': b'P6 %d %d 255\n' % (SIDE, SIDE),
    'pgm': b'P5 %d %d 255\n' % (SIDE, SIDE),
    'pfm': b'PF\n%d %d\n-1.0\n' % (SIDE, SIDE),
    'hdr': b'#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y %d +X %d\n' % (SIDE, SIDE) + bytes(9 << 20),
    'exr': b'\x76\x2f\x31\x01\x02\x00\x00\x00dataWindow\x00box2i\x00\x10\x00\x00\x00'
    + struct.pack('<IIII', 0, 0, SIDE, SIDE) + bytes(40),
}  # fmt: skip

PROGRAM = """
import resource, sys
from pathlib import Path
from hiseg_ros.errors import ImageError
from hiseg_ros.images import read_image
from hiseg_ros.images.file import image_size, read_ids

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

before = peak()
for path in map(Path, sys.argv[1:]):
    for read in (read_image, read_ids, image_size):
        try:
            read(path)
        except ImageError:
            continue
        raise SystemExit(f'{path} was read by {read}')
    if peak() - before > 100:
        raise SystemExit(f'{path} took {peak() - before} MB')
"""


@pytest.mark.parametrize('ending', IMAGES)
def test_a_claim_of_too_many_pixels_ends_in_a_sentence(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f'image.{ending}'
    path.write_bytes(IMAGES[ending])
    for read in (read_image, image_size):
        with pytest.raises(ImageError, match='expected') as caught:
            read(path)
        assert str(path) in str(caught.value)


def test_no_such_claim_takes_memory(tmp_path: Path) -> None:
    paths = []
    for ending, content in IMAGES.items():
        paths.append(str(tmp_path / f'image.{ending}'))
        Path(paths[-1]).write_bytes(content)
    done = subprocess.run([sys.executable, '-c', PROGRAM, *paths], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
