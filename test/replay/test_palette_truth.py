# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Ground truth as palette PNG: the indices are the label ids, from a file and from a topic."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from image_messages import Message
from PIL import Image
from replay_support import SIZE, TRUTH, tree
from rosbags.rosbag2 import StoragePlugin, Writer

from hiseg_ros.bags.bag import read_images
from hiseg_ros.bags.builder import messages
from hiseg_ros.bags.hiseg_types import node_types
from hiseg_ros.bags.recording import open_recording
from hiseg_ros.errors import ImageError
from hiseg_ros.images import read_ids, read_label_ids
from hiseg_ros.images.image_message import rgb_of, values_of
from hiseg_ros.replay.truth import Truth, TruthFolder, TruthTopic

KIND = 'sensor_msgs/msg/CompressedImage'
STAMP = 1_600_000_000_000_000_000


def ids(colors: int = 20) -> np.ndarray:
    return np.random.default_rng(3).integers(0, colors, SIZE).astype(np.uint8)


def palette_png(labels: np.ndarray, *, bits: int = 8, transparency: int | None = None) -> bytes:
    """Return label ids as a palette PNG whose colours are those of a tree."""
    image = Image.fromarray(labels)
    image.putpalette(tree().palette.reshape(-1).tolist())
    file = io.BytesIO()
    more = {} if transparency is None else {'transparency': transparency}
    image.save(file, 'PNG', bits=bits, **more)
    return file.getvalue()


def compressed(png: bytes) -> Message:
    message = messages.compressed_message(messages.header(STAMP, 'camera'), ids())
    message.data = np.frombuffer(png, np.uint8)
    return message  # type: ignore[no-any-return]


@pytest.mark.parametrize(('bits', 'colors'), [(8, 20), (4, 16), (2, 4), (1, 2)])
@pytest.mark.parametrize('transparency', [None, 0])
def test_a_topic_and_a_file_give_the_indices(
    tmp_path: Path, bits: int, colors: int, transparency: int | None
) -> None:
    """Of every depth; as an image the same message has the palette's colours."""
    labels = ids(colors)
    png = palette_png(labels, bits=bits, transparency=transparency)
    (tmp_path / 'labels.png').write_bytes(png)
    np.testing.assert_array_equal(read_ids(tmp_path / 'labels.png'), labels)
    np.testing.assert_array_equal(values_of(compressed(png)), labels)
    np.testing.assert_array_equal(rgb_of(compressed(png)), tree().palette[labels])


def grey_png(labels: np.ndarray, bits: int) -> bytes:
    """Return label ids as a grey PNG with so many bits for each pixel."""

    def chunk(name: bytes, body: bytes) -> bytes:
        crc = struct.pack('>I', zlib.crc32(name + body))
        return struct.pack('>I', len(body)) + name + body + crc

    height, width = labels.shape
    shifts = np.arange(8 - bits, -1, -bits, dtype=np.uint8)
    packed = (labels.reshape(height, -1, 8 // bits) << shifts).sum(2).astype(np.uint8)
    rows = b''.join(b'\0' + row.tobytes() for row in packed)
    head = struct.pack('>IIBBBBB', width, height, bits, 0, 0, 0, 0)
    parts = [chunk(b'IHDR', head), chunk(b'IDAT', zlib.compress(rows)), chunk(b'IEND', b'')]
    return b'\x89PNG\r\n\x1a\n' + b''.join(parts)


@pytest.mark.parametrize('bits', [1, 2, 4, 8])
def test_grey_of_less_than_a_byte_keeps_its_ids(tmp_path: Path, bits: int) -> None:
    """From every reader; decoders stretch it to 0 to 255. As an image it stays stretched."""
    labels = ids(2**bits if bits < 8 else 20)
    (tmp_path / 'a.png').write_bytes(png := grey_png(labels, bits))
    np.testing.assert_array_equal(read_ids(tmp_path / 'a.png'), labels)
    assert read_ids(tmp_path / 'a.png').dtype == np.uint8
    np.testing.assert_array_equal(read_label_ids(tmp_path / 'a.png'), labels)
    np.testing.assert_array_equal(values_of(compressed(png)), labels)
    found = TruthFolder(tmp_path, 1).at(0, STAMP, STAMP)
    assert isinstance(found, Truth)
    np.testing.assert_array_equal(found.label_ids, labels)
    stretched = labels * (255 // (2**bits - 1))
    np.testing.assert_array_equal(rgb_of(compressed(png))[..., 0], stretched)


def test_truth_is_read_from_folder_and_topic(tmp_path: Path) -> None:
    """By both sources of `hiseg replay`, and as `hiseg evaluate` reads a topic."""
    png = palette_png(ids())
    folder = tmp_path / 'labels'
    folder.mkdir()
    (folder / 'a.png').write_bytes(png)
    path, types = tmp_path / 'bag', node_types()
    with Writer(path, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection(TRUTH, KIND, typestore=types)
        writer.write(connection, STAMP, types.serialize_cdr(compressed(png), KIND))
    for source in (TruthFolder(folder, 1), TruthTopic([open_recording(path)], TRUTH)):
        found = source.at(0, STAMP, STAMP)
        assert isinstance(found, Truth)
        np.testing.assert_array_equal(found.label_ids, ids())
    [(_, pixels)] = read_images(path, TRUTH)
    np.testing.assert_array_equal(pixels, ids())


@pytest.mark.parametrize('share', [0.3, 0.6, 0.95])
def test_a_palette_png_that_is_cut_off_is_refused(share: float) -> None:
    """One sentence, as for any other damaged image."""
    png = palette_png(ids())
    with pytest.raises(ImageError, match='expected'):
        values_of(compressed(png[: int(share * len(png))]))
