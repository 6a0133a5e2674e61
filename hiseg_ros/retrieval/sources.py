# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Where images come from: a file, a folder of files, or the camera of a bag."""

from __future__ import annotations

from collections.abc import Iterator, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from hiseg_ros.bags.bag_files import METADATA
from hiseg_ros.bags.cameras import choose_from
from hiseg_ros.bags.message_stream import MessageStream
from hiseg_ros.bags.recording import open_recording
from hiseg_ros.bags.stamps import is_plain_cdr, read_stamp_ns
from hiseg_ros.errors import ConfigError, ImageError
from hiseg_ros.images import read_image
from hiseg_ros.images.bit_depth import BITS, BitDepth
from hiseg_ros.images.image_message import rgb_of
from hiseg_ros.types import RgbImage

ANOTHER_CAMERA = 'another camera'

BAG_ENDINGS = ('.mcap', '.db3', '.mcap.zstd', '.db3.zstd')

IMAGE_ENDINGS = ('.jpg', '.jpeg', '.png', '.ppm', '.webp', '.bmp')


@dataclass(frozen=True)
class Frame:
    """One image of a source."""

    number: int
    """Position in the source, counted from 0; it stays when a source is read again."""
    name: str
    """File below the folder, or the stamp in seconds."""
    time_ns: int | None
    """Stamp; None for files."""
    rgb: RgbImage | None
    """The image, None where it is damaged."""


class Source(Protocol):
    """Images in a fixed order."""

    path: Path
    note: str
    """What was chosen where there was a choice; else empty."""

    @property
    def damages(self) -> tuple[str, ...]:
        """Damage that was found when the images were read last, one sentence each."""

    @property
    def identity(self) -> str:
        """Text that changes when the images change: paths, sizes, times of change."""

    @property
    def count(self) -> int:
        """Number of images."""

    @property
    def names(self) -> list[str]:
        """Paths of the files below the folder, in order; empty for a recording."""

    def frames(self, first: int = 0, wanted: Set[int] | None = None) -> Iterator[Frame]:
        """Yield images; those that are not wanted are not decoded and not yielded.

        Args:
            first: Number of the first image.
            wanted: Numbers of the images; None for all.
        """


class FileSource:
    """An image file, or all image files in a folder and below, in the order of their paths."""

    note = ''
    damages: tuple[str, ...] = ()

    def __init__(self, path: Path) -> None:
        """Find the files.

        Raises:
            ConfigError: There is no image.
        """
        self.path = path
        files = [path] if path.is_file() else sorted(path.rglob('*'))
        self._files = [
            file for file in files if file.suffix.lower() in IMAGE_ENDINGS and file.is_file()
        ]
        if not self._files:
            raise ConfigError(
                f'{path} has no image; expected a bag, an image, or a folder with files that end '
                f'in {", ".join(IMAGE_ENDINGS)}.'
            )

    @property
    def identity(self) -> str:
        """See `Source`; names are those below the folder, so it belongs to them."""
        below = '' if self.path.is_file() else f'{self.path.resolve()}\n'
        return f'{below}{_identity(self._files)}'

    @property
    def count(self) -> int:
        """See `Source`."""
        return len(self._files)

    @property
    def names(self) -> list[str]:
        """See `Source`."""
        if self.path.is_file():
            return [file.name for file in self._files]
        return [str(file.relative_to(self.path)) for file in self._files]

    def frames(self, first: int = 0, wanted: Set[int] | None = None) -> Iterator[Frame]:
        """See `Source`."""
        for number, (file, name) in enumerate(zip(self._files, self.names, strict=True)):
            if number >= first and (wanted is None or number in wanted):
                try:
                    rgb = read_image(file)
                except ImageError:
                    rgb = None
                yield Frame(number, name, None, rgb)


class BagSource:
    """The images of one camera of a recording, in the order of recording.

    At the first image with 16-bit samples all images are read once, to measure their bit depth.
    """

    def __init__(self, path: Path, topic: str | None = None) -> None:
        """Choose the camera.

        Args:
            path: A recording: a rosbag2 folder, or a file of it.
            topic: Name of its topic; None for the best camera, colour before grey.

        Raises:
            BagError: The path is no recording, or it has no such topic or no camera.
        """
        self.path = path
        self._recording = open_recording(path)
        choice = choose_from([self._recording], [topic] if topic else []).only_best()
        self._camera = choice.best
        self._damages: tuple[str, ...] = ()
        self._bits: int | None = None  # of 16-bit samples; None before the first one
        others = [name for name in choice.left_out if choice.left_out[name] == ANOTHER_CAMERA]
        self.note = (
            f'{path}: camera {self._camera.topic}, not {", ".join(others)}; choose with --topic'
            if others
            else ''
        )

    @property
    def identity(self) -> str:
        """See `Source`."""
        files = [file for file in self._recording.files if file.is_file()]
        return f'{self._camera.topic}\n{_identity(files)}'

    @property
    def count(self) -> int:
        """See `Source`; a damaged recording holds fewer."""
        return self._camera.count

    @property
    def names(self) -> list[str]:
        """See `Source`."""
        return []

    @property
    def damages(self) -> tuple[str, ...]:
        """See `Source`."""
        return self._damages

    def frames(self, first: int = 0, wanted: Set[int] | None = None) -> Iterator[Frame]:
        """See `Source`."""
        if wanted is not None and not wanted:
            return
        stream = MessageStream([self._recording], [self._camera.topic])
        for number, message in enumerate(stream):
            if number < first or (wanted is not None and number not in wanted):
                continue
            data = message.raw.data
            stamp = read_stamp_ns(data) if is_plain_cdr(data) else None
            time_ns = stamp or message.raw.time_ns
            try:
                rgb = self._rgb_of(message.decode())
            except ImageError:
                rgb = None
            yield Frame(number, f'{time_ns / 1e9:.3f} s', time_ns, rgb)
        self._damages = tuple(map(str, stream.damages))

    def _rgb_of(self, message: Any) -> RgbImage:
        """Return the image of a message; 16-bit samples by the bit depth of the whole camera."""
        depth = BitDepth(self._bits)
        rgb = rgb_of(message, depth)
        if self._bits is None and depth.bits is not None:
            self._bits = self._measured_bits()
            rgb = rgb_of(message, BitDepth(self._bits))
        return rgb

    def _measured_bits(self) -> int | None:
        """Return the bits of the largest 16-bit sample of all images.

        A depth of the images so far would make an image depend on which ones were read before it.
        """
        depth = BitDepth()
        for message in MessageStream([self._recording], [self._camera.topic]):
            with suppress(ImageError):
                rgb_of(message.decode(), depth)
            if depth.bits == BITS[-1]:
                break
        return depth.bits


def open_source(path: Path, topic: str | None = None) -> Source:
    """Return the images of a file, a folder or a bag.

    Args:
        path: An image, a folder of images, or a rosbag2.
        topic: Camera topic of a bag; None for its first.

    Raises:
        BagError: It is a bag that cannot be read or has no camera.
        ConfigError: There is nothing, or no image.
    """
    if not path.exists():
        raise ConfigError(
            f'{path} does not exist; expected an image, a folder of images or a bag.'
        )
    if _is_bag(path):
        return BagSource(path, topic)
    return FileSource(path)


def _is_bag(path: Path) -> bool:
    if path.is_file():
        return path.suffix.lower() not in IMAGE_ENDINGS
    recorded = (file for ending in BAG_ENDINGS for file in path.glob(f'*{ending}'))
    return (path / METADATA).is_file() or any(recorded)


def _identity(files: list[Path]) -> str:
    facts = ((file, file.stat()) for file in files)
    return '\n'.join(f'{file.resolve()} {fact.st_size} {fact.st_mtime_ns}' for file, fact in facts)
