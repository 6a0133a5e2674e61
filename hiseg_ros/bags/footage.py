# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Images as the rosbag2 of a camera, with the truth where it is known; and their cache."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from rosbags.interfaces import Connection
from rosbags.rosbag2 import StoragePlugin, Writer

from hiseg_ros.bags.builder import messages
from hiseg_ros.bags.hiseg_types import node_types
from hiseg_ros.errors import BagError
from hiseg_ros.types import LabelImage, RgbImage

CAMERA_TOPIC = '/camera/image_raw'
TRUTH_TOPIC = '/ground_truth/node_ids'
"""Node ids of the taxonomy the images were drawn with; /compressed (PNG) is appended."""

EPOCH_NS = 1_600_000_000_000_000_000
"""Stamp of the first frame: the same images give the same bag."""

JPEG_QUALITY = 95


@dataclass(frozen=True)
class Frame:
    """One image of a drive."""

    rgb: RgbImage
    labels: LabelImage | None = None
    """Node ids of every pixel, where they are known."""


def write_camera_bag(
    path: Path,
    frames: Iterable[Frame],
    rate_hz: float,
    *,
    compressed: bool = True,
    storage: str = 'mcap',
    frame_id: str = 'camera_optical_frame',
) -> int:
    """Write images as a rosbag2, one every 1 / rate_hz seconds.

    Args:
        path: The bag's folder; must not exist yet.
        frames: The images, all of one size.
        rate_hz: Frames per second.
        compressed: JPEG (CompressedImage on <topic>/compressed) or rgb8 (Image).
        storage: 'mcap' or 'sqlite3'.
        frame_id: Of all headers.

    Returns:
        The number of images written.

    Raises:
        BagError: The folder exists or cannot be written.
    """
    if path.exists():
        raise BagError(f'{path} exists already; expected a new folder: remove it or name another.')
    types = node_types()
    plugin = StoragePlugin.MCAP if storage == 'mcap' else StoragePlugin.SQLITE3
    count = 0
    try:
        with Writer(path, version=8, storage_plugin=plugin) as writer:
            connections: dict[str, Connection] = {}
            for count, frame in enumerate(frames, start=1):
                stamp_ns = EPOCH_NS + round((count - 1) * 1e9 / rate_hz)
                parts = [(CAMERA_TOPIC, frame.rgb, compressed)]
                if frame.labels is not None:
                    parts.append((TRUTH_TOPIC, frame.labels, True))
                for topic, pixels, as_compressed in parts:
                    name = f'{topic}/compressed' if as_compressed else topic
                    kind = 'CompressedImage' if as_compressed else 'Image'
                    message_type = f'sensor_msgs/msg/{kind}'
                    if name not in connections:
                        connections[name] = writer.add_connection(
                            name, message_type, typestore=types
                        )
                    header = messages.header(stamp_ns, frame_id)
                    message = (
                        messages.compressed_message(header, pixels, JPEG_QUALITY)
                        if as_compressed
                        else messages.image_message(header, pixels)
                    )
                    data = types.serialize_cdr(message, message_type)
                    writer.write(connections[name], stamp_ns, data)
    except OSError as error:
        raise BagError(
            f'The bag {path} cannot be written ({error}); expected a writable folder with room '
            'for it: name another.'
        ) from error
    return count


def cached_bag(folder: Path, key: str, write: Callable[[Path], object]) -> Path:
    """Return the bag folder/key, written on the first call only.

    It is written beside its place and moved there when complete, so a run that was broken off
    leaves no half bag.

    Args:
        folder: The cache, made if missing.
        key: Names the images and how they were made, e.g. a digest.
        write: Writes the bag at the path it is given.

    Raises:
        BagError: The folder cannot be written.
    """
    place = folder / key
    if (place / 'metadata.yaml').is_file():
        return place
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix='.writing-') as scratch:
            write(Path(scratch) / key)
            (Path(scratch) / key).rename(place)
    except OSError as error:
        if (place / 'metadata.yaml').is_file():
            return place  # another process was faster
        raise BagError(
            f'The drive cannot be kept in {folder} ({error}); expected a writable folder with '
            'room for it: set XDG_CACHE_HOME to another.'
        ) from error
    return place
