# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""MP4 videos (H.264) whose frames are timed by their stamps.

OpenCV's writer has a fixed rate and, in its wheels, no H.264.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import cv2
import numpy as np
from av.video.stream import VideoStream

from hiseg_ros.errors import ConfigError, HisegError
from hiseg_ros.output_files import output_file
from hiseg_ros.reports.film_clock import FilmClock
from hiseg_ros.types import RgbImage

TICKS_PER_S = 90_000
STRIP_HEIGHT = 24
"""Rows of the strip with text below the image."""


def with_strip(rgb: RgbImage, text: str) -> RgbImage:
    """Return the image with a strip with one line of text below it.

    Args:
        rgb: (H, W, 3) uint8.
        text: The line; shortened to the width.

    Returns:
        (H + STRIP_HEIGHT, W, 3) uint8; the image itself is unchanged.
    """
    height, width = rgb.shape[:2]
    canvas = np.full((height + STRIP_HEIGHT, width, 3), 24, np.uint8)
    canvas[:height] = rgb
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, 0.45
    while text and cv2.getTextSize(text, font, scale, 1)[0][0] > width - 12:
        text = text[:-1]
    place = (6, height + STRIP_HEIGHT - 8)
    cv2.putText(canvas, text, place, font, scale, (230, 230, 230), 1, cv2.LINE_AA)
    return canvas


class VideoWriter:
    """Writes RGB frames with their stamps; use as a context manager.

    Frames keep their distance in time, see `FilmClock`: instead of a frame that the node dropped,
    the one before it is shown longer. Odd sizes are padded to even ones, which H.264 needs.
    """

    def __init__(self, path: Path, rate_hz: float) -> None:
        """Open the file.

        Args:
            path: The video; ends in .mp4, an existing file is replaced.
            rate_hz: Nominal rate in the file's header.

        Raises:
            ConfigError: This PyAV has no H.264 encoder, or the file cannot be written.
        """
        if 'libx264' not in av.codecs_available:
            raise ConfigError(
                f'PyAV {av.__version__} has no libx264, so no MP4 can be written; expected a '
                'PyAV with H.264: install the wheel from PyPI (`pip install av`).'
            )
        self.path = output_file(path)
        self.rate_hz = Fraction(rate_hz).limit_denominator(1001)
        self.frames = 0
        self._clock = FilmClock(rate_hz)
        self._last_pts = -1
        self._stream: VideoStream | None = None
        try:
            self._file = av.open(str(path), 'w', options={'movflags': 'faststart'})
        except (OSError, av.error.FFmpegError) as error:
            raise self._failed(error) from error

    @property
    def notes(self) -> list[str]:
        """What is not timed as in the recording, in a sentence each."""
        return self._clock.notes

    def write(self, rgb: RgbImage, stamp_ns: int, time_ns: int = 0) -> None:
        """Add a frame, later than the one before.

        Args:
            rgb: (H, W, 3) uint8; the first frame sets the size of the video.
            stamp_ns: Header stamp of the image.
            time_ns: Its recording time, for images without a good stamp; 0 where unknown.

        Raises:
            ConfigError: The file cannot be written.
        """
        try:
            if self._stream is None:
                self._stream = self._open_stream(
                    rgb.shape[0] + rgb.shape[0] % 2, rgb.shape[1] + rgb.shape[1] % 2
                )
            rgb = _fitted(rgb, self._stream.height, self._stream.width)
            frame = av.VideoFrame.from_ndarray(rgb, format='rgb24')
            pts = round(self._clock.at(stamp_ns, time_ns) * TICKS_PER_S / 1e9)
            frame.pts = self._last_pts = max(pts, self._last_pts + 1)
            frame.time_base = Fraction(1, TICKS_PER_S)
            self._file.mux(self._stream.encode(frame))
            self.frames += 1
        except (OSError, av.error.FFmpegError) as error:
            raise self._failed(error) from error

    def _open_stream(self, height: int, width: int) -> VideoStream:
        options = {'crf': '21', 'preset': 'veryfast'}
        stream = self._file.add_stream('libx264', rate=self.rate_hz, options=options)
        assert isinstance(stream, VideoStream)  # an audio codec would not
        stream.height, stream.width, stream.pix_fmt = height, width, 'yuv420p'
        stream.codec_context.time_base = Fraction(1, TICKS_PER_S)
        return stream

    def _failed(self, error: Exception) -> HisegError:
        return ConfigError(
            f'The video {self.path} cannot be written ({error}); expected a writable folder with '
            'room for it: name another with --output.'
        )

    def close(self) -> None:
        """Finish the file.

        Raises:
            ConfigError: The file cannot be written.
        """
        try:
            if self._stream is not None:
                self._file.mux(self._stream.encode(None))
            self._file.close()
        except (OSError, av.error.FFmpegError) as error:
            raise self._failed(error) from error

    def __enter__(self) -> VideoWriter:
        """Return the writer itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish the file."""
        self.close()


def _fitted(rgb: RgbImage, height: int, width: int) -> RgbImage:
    """Return the frame cropped or padded with black to the video's size."""
    if rgb.shape[:2] == (height, width):
        return np.ascontiguousarray(rgb)
    canvas = np.zeros((height, width, 3), np.uint8)
    rows, columns = min(height, rgb.shape[0]), min(width, rgb.shape[1])
    canvas[:rows, :columns] = rgb[:rows, :columns]
    return canvas
