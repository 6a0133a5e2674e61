# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What an adaptation takes as a recording: bags, folders without their labels, videos."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

pytestmark = pytest.mark.needs('torch', 'train')
pytest.importorskip('torch')

from hiseg_ros.adapt.recordings import open_recording  # noqa: E402
from hiseg_ros.bags.footage import Frame, write_camera_bag  # noqa: E402
from hiseg_ros.errors import DatasetError  # noqa: E402
from hiseg_ros.retrieval.sources import BagSource  # noqa: E402


def plain(red: int, green: int, blue: int) -> np.ndarray:
    return np.full((48, 64, 3), (red, green, blue), np.uint8)


def test_folders_of_labels_are_never_opened(tmp_path: Path) -> None:
    """A dataset's folder can be named as it is."""
    for name in ('images/0.png', 'labels/0.png', 'gtFine/x/0.png'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / name), plain(10, 90, 200))
    source = open_recording(tmp_path)
    assert [frame.name for frame in source.frames()] == ['images/0.png']
    assert source.note == f'{tmp_path}: 2 files in folders of labels are left out'
    write_camera_bag(tmp_path / 'drive', [Frame(plain(1, 2, 3))], 10.0)
    assert isinstance(open_recording(tmp_path / 'drive'), BagSource)


def test_a_video_is_a_recording(tmp_path: Path) -> None:
    from hiseg_ros.reports.video import VideoWriter

    images = [plain(20 * n, 90, 200 - 9 * n) for n in range(10)]
    with VideoWriter(tmp_path / 'drive.mp4', 10.0) as video:
        for number, image in enumerate(images):
            video.write(image, round(1e9 + number * 1e8))
    source = open_recording(tmp_path / 'drive.mp4')
    assert source.count == 10
    found = list(source.frames(2, {1, 4, 7}))
    assert [frame.number for frame in found] == [4, 7]
    assert found[0].time_ns == pytest.approx(4e8, rel=0.05)
    for frame in found:
        assert frame.rgb is not None
        assert np.abs(frame.rgb.astype(int) - images[frame.number]).mean() < 12
    (tmp_path / 'broken.mp4').write_bytes(b'no video')
    with pytest.raises(DatasetError, match='cannot be read; expected a file that OpenCV decodes'):
        open_recording(tmp_path / 'broken.mp4')
