# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Recordings of the target: bags, folders of images without those of labels, and video files."""

from __future__ import annotations

from collections.abc import Iterator, Set
from pathlib import Path

import cv2

from hiseg_ros.datasets.label_folders import is_in_label_folder
from hiseg_ros.retrieval.sources import FileSource, Frame, Source, open_source
from hiseg_ros.training.data.video_file import VIDEO_ENDINGS, read_video, video_frames

USUAL_RATE_HZ = 25.0
"""Frames per second of a video that does not say."""


class UnlabelledFiles(FileSource):
    """The images of a folder, but for those in folders of labels, which are never opened."""

    def __init__(self, path: Path) -> None:
        """Find the files.

        Raises:
            ConfigError: There is no image.
        """
        super().__init__(path)
        if not path.is_file():
            kept = [file for file in self._files if not is_in_label_folder(file.relative_to(path))]
            self.note = ''
            if len(kept) < len(self._files):
                left_out = len(self._files) - len(kept)
                self.note = f'{path}: {left_out} files in folders of labels are left out'
            self._files = kept


class VideoSource:
    """The frames of a video file."""

    note = ''
    damages: tuple[str, ...] = ()
    names: list[str] = []

    def __init__(self, path: Path) -> None:
        """Count the frames.

        Raises:
            DatasetError: The file cannot be read.
        """
        self.path = path
        self.count = video_frames(path)
        rate = cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FPS)
        self._rate_hz = rate if 0.01 < rate < 1000 else USUAL_RATE_HZ

    @property
    def identity(self) -> str:
        """See `Source`."""
        fact = self.path.stat()
        return f'{self.path.resolve()} {fact.st_size} {fact.st_mtime_ns}'

    def frames(self, first: int = 0, wanted: Set[int] | None = None) -> Iterator[Frame]:
        """See `Source`."""
        asked = set(range(first, self.count))
        numbers = asked if wanted is None else asked & wanted
        for number, rgb in zip(sorted(numbers), read_video(self.path, numbers), strict=False):
            seconds = number / self._rate_hz
            yield Frame(number, f'{seconds:.3f} s', round(seconds * 1e9), rgb)


def open_recording(path: Path, topic: str | None = None) -> Source:
    """Return the images of a bag, a folder or a video file.

    Args:
        path: Where they are.
        topic: Camera of a bag; None for the best one.

    Raises:
        BagError: It is a bag that cannot be read or has no camera.
        ConfigError: There is nothing, or no image.
        DatasetError: It is a video that cannot be read.
    """
    if path.suffix.lower() in VIDEO_ENDINGS and path.is_file():
        return VideoSource(path)
    source = open_source(path, topic)
    return UnlabelledFiles(path) if isinstance(source, FileSource) else source
