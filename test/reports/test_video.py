# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Videos open everywhere, have every frame, and keep its time."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from hiseg_ros.errors import ConfigError
from hiseg_ros.reports.video import STRIP_HEIGHT, VideoWriter, with_strip


def write(path: Path, sizes: list[tuple[int, int]], times_ms: list[int]) -> None:
    with VideoWriter(path, 15.0) as video:
        for (height, width), time_ms in zip(sizes, times_ms, strict=True):
            video.write(np.full((height, width, 3), (200, 40, 40), np.uint8), time_ms * 1_000_000)


def test_every_frame_is_there_at_its_time(tmp_path: Path) -> None:
    times_ms = [5000 + t for t in (0, 67, 133, 333, 400)]  # two frames were dropped
    write(tmp_path / 'video.mp4', [(48, 64)] * 5, times_ms)
    with av.open(str(tmp_path / 'video.mp4')) as video:
        stream = video.streams.video[0]
        assert stream.codec_context.name == 'h264'
        assert stream.codec_context.pix_fmt == 'yuv420p'
        frames = list(video.decode(video=0))
    assert [round(1000 * frame.time) for frame in frames] == [0, 67, 133, 333, 400]
    colour = frames[2].to_ndarray(format='rgb24').astype(int)
    assert np.abs(colour - (200, 40, 40)).mean() < 6


def test_odd_sizes_and_a_change_of_size_are_fitted(tmp_path: Path) -> None:
    write(tmp_path / 'video.mp4', [(47, 63), (47, 63), (20, 99)], [0, 67, 133])
    with av.open(str(tmp_path / 'video.mp4')) as video:
        shapes = {(frame.height, frame.width) for frame in video.decode(video=0)}
    assert shapes == {(48, 64)}


def test_frames_of_one_stamp_do_not_break_the_video(tmp_path: Path) -> None:
    write(tmp_path / 'video.mp4', [(48, 64)] * 3, [0, 0, 67])
    with av.open(str(tmp_path / 'video.mp4')) as video:
        assert len(list(video.decode(video=0))) == 3


def test_the_strip_leaves_the_image_as_it_is() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (30, 90, 3), np.uint8)
    result = with_strip(rgb, 'frame 1 of 100, a text that is far too long for the image')
    assert result.shape == (30 + STRIP_HEIGHT, 90, 3)
    np.testing.assert_array_equal(result[:30], rgb)
    assert result[30:].max() > 150


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='cannot be written'):
        write(tmp_path / 'nowhere' / 'video.mp4', [(48, 64)], [0])


def test_a_library_without_h264_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('av.codecs_available', {'mpeg4'})
    with pytest.raises(ConfigError, match='libx264'):
        VideoWriter(tmp_path / 'video.mp4', 15.0)
