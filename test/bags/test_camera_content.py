# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The encoding tells a camera from depth; a name alone drops no colour images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from replay_support import SIZE
from rosbags.rosbag2 import StoragePlugin, Writer

from hiseg_ros.bags.bag import IMAGE_TYPES
from hiseg_ros.bags.builder import messages
from hiseg_ros.bags.camera_content import first_encodings
from hiseg_ros.bags.cameras import choose_cameras
from hiseg_ros.bags.hiseg_types import node_types
from hiseg_ros.bags.recording import open_recording
from hiseg_ros.errors import BagError

CASES = [
    ('/depth_camera/image_raw', 'rgb8', True),
    ('/depthai/color/image', 'bgr8', True),
    ('/in_depth_robot/front/image_raw', 'bayer_rggb8', True),
    ('/camera/Depth_view/image', 'mono8', True),
    ('/camera/depth/image_rect_raw', '16UC1', False),
    ('/camera/depth/image', 'mono16', False),
    ('/thermal/image_raw', 'mono16', True),
    ('/stereo/confidence', '32FC1', False),
    ('/stereo/disparity_image', '16UC1', False),
    ('/depth_camera/image/compressed', 'rgb8; jpeg compressed bgr8', True),
    ('/camera/aligned/compressed', '16UC1; compressedDepth png', False),
    ('/camera/image_raw/zstd', 'rgb8; zstd', False),
    ('/camera/image_raw/theora', 'theora', False),
]


def write(path: Path, topics: list[tuple[str, str]]) -> Path:
    """Write a bag with one message on each topic; only its encoding matters."""
    types = node_types()
    with Writer(path, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        for name, encoding in topics:
            header = messages.header(10**18, 'camera')
            if name.endswith(('/compressed', '/zstd', '/theora')):
                kind = IMAGE_TYPES[1]
                message = messages.compressed_message(header, np.zeros(SIZE, np.uint8))
                message.format = encoding
            else:
                kind = IMAGE_TYPES[0]
                message = messages.image_message(header, np.zeros((*SIZE, 3), np.uint8))
                message.encoding = encoding
            connection = writer.add_connection(name, kind, typestore=types)
            writer.write(connection, 10**18, types.serialize_cdr(message, kind))
    return path


@pytest.mark.parametrize(('name', 'encoding', 'is_camera'), CASES)
def test_the_first_message_decides(
    tmp_path: Path, name: str, encoding: str, is_camera: bool
) -> None:
    """Beside another camera, and alone."""
    recording = open_recording(write(tmp_path / 'bag', [('/a/image', 'rgb8'), (name, encoding)]))
    encodings = first_encodings([recording])
    assert encodings == {'/a/image': 'rgb8', name: encoding}
    cameras = choose_cameras(recording.topics, encodings=encodings)
    assert [c.topic for c in cameras] == ['/a/image', name][: 1 + is_camera]
    alone = open_recording(write(tmp_path / 'alone', [(name, encoding)]))
    encodings = first_encodings([alone])
    if is_camera:
        assert len(choose_cameras(alone.topics, encodings=encodings)) == 1
    else:
        with pytest.raises(BagError, match='no camera'):
            choose_cameras(alone.topics, encodings=encodings)
        assert choose_cameras(alone.topics, [name])[0].topic == name
