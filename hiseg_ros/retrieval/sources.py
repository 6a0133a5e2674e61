# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Where images come from: a file, a folder of files, or the camera of a bag."""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hiseg_ros.bags.bag import Bag
from hiseg_ros.bags.bag_files import METADATA
from hiseg_ros.bags.camera_topic import choose_image_topic
from hiseg_ros.bags.stamps import is_plain_cdr, read_stamp_ns
from hiseg_ros.errors import ConfigError, ImageError
from hiseg_ros.images import read_image
from hiseg_ros.images.image_message import rgb_of
from hiseg_ros.types import RgbImage

BAG_ENDINGS = ('.mcap', '.db3')

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

    @property
    def identity(self) -> str:
        """Text that changes when the images change: paths, sizes, times of change."""

    @property
    def count(self) -> int:
        """Number of images."""

    def frames(self, first: int = 0, wanted: Set[int] | None = None) -> Iterator[Frame]:
        """Yield images; those that are not wanted are not decoded and not yielded.

        Args:
            first: Number of the first image.
            wanted: Numbers of the images; None for all.
        """


class FileSource:
    """An image file, or all image files in a folder and below, in the order of their paths."""

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
        """See `Source`."""
        return _identity(self._files)

    @property
    def count(self) -> int:
        """See `Source`."""
        return len(self._files)

    def frames(self, first: int = 0, wanted: Set[int] | None = None) -> Iterator[Frame]:
        """See `Source`."""
        for number, file in enumerate(self._files):
            if number >= first and (wanted is None or number in wanted):
                name = file.name if self.path.is_file() else str(file.relative_to(self.path))
                try:
                    rgb = read_image(file)
                except ImageError:
                    rgb = None
                yield Frame(number, name, None, rgb)


class BagSource:
    """The images of one camera topic of a bag, in the order of recording."""

    def __init__(self, path: Path, topic: str | None = None) -> None:
        """Choose the topic.

        Args:
            path: A rosbag2 folder or file.
            topic: Name of the topic; None for the first camera.

        Raises:
            BagError: The path is no bag, or it has no such topic or no images.
        """
        self.path = path
        with Bag(path) as bag:
            self._topic, _ = choose_image_topic(bag, topic)

    @property
    def identity(self) -> str:
        """See `Source`."""
        files = sorted(self.path.iterdir()) if self.path.is_dir() else [self.path]
        return f'{self._topic.name}\n{_identity([file for file in files if file.is_file()])}'

    @property
    def count(self) -> int:
        """See `Source`."""
        return self._topic.count

    def frames(self, first: int = 0, wanted: Set[int] | None = None) -> Iterator[Frame]:
        """See `Source`; raises a BagError where the bag is damaged."""
        with Bag(self.path) as bag:
            for number, message in enumerate(bag.raw([self._topic.name])):
                if number < first or (wanted is not None and number not in wanted):
                    continue
                stamp = read_stamp_ns(message.data) if is_plain_cdr(message.data) else None
                time_ns = stamp or message.time_ns
                try:
                    rgb = rgb_of(bag.decode(message))
                except ImageError:
                    rgb = None
                yield Frame(number, f'{time_ns / 1e9:.3f} s', time_ns, rgb)


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
