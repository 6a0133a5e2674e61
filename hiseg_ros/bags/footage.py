# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Writing images as the rosbag2 of a camera, with ground truth where it is known; its cache."""

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
"""Topic of the true node ids; /compressed is appended, since they are PNG."""

EPOCH_NS = 1_600_000_000_000_000_000
"""Stamp of the first frame; fixed, so that the same images give the same bag."""

JPEG_QUALITY = 95


@dataclass(frozen=True)
class Frame:
    """One image of a drive, and its ground truth."""

    rgb: RgbImage
    labels: LabelImage | None = None
    """(H, W) uint8 true node ids; None where they are not known."""


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
        frames: The images and their ground truth, all of one size.
        rate_hz: Frames per second.
        compressed: JPEG (CompressedImage on <topic>/compressed) or rgb8 (Image).
        storage: 'mcap' or 'sqlite3'.
        frame_id: frame_id of all headers.

    Returns:
        The number of images written.

    Raises:
        BagError: The folder exists or cannot be written.
        ConfigError: The .msg files of hiseg_ros are not installed.
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
    """Return the bag `folder/key`, written on the first call only.

    The bag is written to a temporary folder and moved when complete, so an interrupted run leaves
    no half bag.

    Args:
        folder: The cache folder; made where it is missing.
        key: Identifies the images and how they were made, such as a digest.
        write: Called with the path at which it writes the bag.

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
