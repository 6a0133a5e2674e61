# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Reading rosbag2 recordings (SQLite or MCAP, folder or file) without ROS."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader, storage_mcap

from hiseg_ros.bags.bag_files import EXPECTED_BAG, SUFFIXES, check_bag_path, readable
from hiseg_ros.bags.compression import chunk_bytes, message_bytes
from hiseg_ros.bags.joined import join_connections
from hiseg_ros.bags.mcap_file import McapFile
from hiseg_ros.bags.message_types import MessageTypes
from hiseg_ros.bags.raw_message import RawMessage
from hiseg_ros.bags.ros1 import ROS1_SUFFIX, Ros1File
from hiseg_ros.bags.stamps import header_stamp_ns
from hiseg_ros.errors import BagError, HisegError, reason_of
from hiseg_ros.images.image_message import values_of
from hiseg_ros.messages.codec import decode_taxonomy
from hiseg_ros.taxonomy import Taxonomy

IMAGE_TYPES = ('sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage')


@dataclass(frozen=True)
class Topic:
    """One topic of a bag."""

    name: str
    message_type: str
    """As in 'sensor_msgs/msg/Image'."""
    count: int
    """Number of messages."""

    @property
    def is_image(self) -> bool:
        """Whether its messages are Image or CompressedImage."""
        return self.message_type in IMAGE_TYPES

    @property
    def is_compressed(self) -> bool:
        """Whether its messages are CompressedImage."""
        return self.message_type == IMAGE_TYPES[1]


def topic_named(topics: Sequence[Topic], name: str, whose: str) -> Topic:
    """Return a topic by name.

    Args:
        topics: Of a bag or a recording.
        name: Of the topic.
        whose: What they are of, with its path, as the beginning of a sentence.

    Raises:
        BagError: There is no such topic.
    """
    for topic in topics:
        if topic.name == name:
            return topic
    names = ', '.join(topic.name for topic in topics) or 'none'
    raise BagError(f'{whose} has no topic {name}; its topics are: {names}. Choose one.')


# rosbags unpacks a chunk before it compares the size: a few bytes can stand for gigabytes.
storage_mcap.DECOMPRESSORS.update(
    zstd=lambda data, size: chunk_bytes(data, 'zstd', size),
    lz4=lambda data, size: chunk_bytes(data, 'lz4', size),
)


class _BagReader(Protocol):
    """What is used of a reader of rosbags, and what other readers have as well."""

    @property
    def connections(self) -> Sequence[Connection]:
        """Topics with types and numbers of messages."""

    @property
    def message_count(self) -> int:
        """Number of all messages."""

    @property
    def start_time(self) -> int:
        """Recording time of the first message in ns."""

    @property
    def end_time(self) -> int:
        """Recording time of the last message in ns, plus 1."""

    @property
    def duration(self) -> int:
        """Their distance in ns."""

    def messages(
        self, connections: Collection[Connection], start: int | None = None
    ) -> Iterator[tuple[Connection, int, bytes]]:
        """Yield (connection, recording time in ns, serialised message) in the order of time.

        Messages before `start` are left out.
        """

    def close(self) -> None:
        """Close the files."""


def _open_reader(path: Path) -> _BagReader:
    """Return an open reader for a folder or file.

    Raises:
        Exception: It is damaged.
    """
    if path.suffix == ROS1_SUFFIX:
        return Ros1File(path)
    reader = Reader(path)
    try:
        reader.open()
    except Exception as problem:  # a damaged file makes the reader raise anything
        # rosbags also refuses sound files, of other encodings or without an index.
        try:
            return _mcap_file(path)
        except (OSError, ValueError):
            raise problem from None
    if _lacks_index(reader):
        reader.close()
        return McapFile(path)
    join_connections(reader)
    # Messages that are compressed one by one are unpacked in `raw`, up to a limit.
    storage = reader.storage
    if storage.metadata.compression_mode == 'message':
        storage.metadata = storage.metadata._replace(compression_mode=None)
    return reader


def _mcap_file(path: Path) -> McapFile:
    if path.suffix != '.mcap' or not path.is_file():
        raise ValueError('it is no MCAP file')
    return McapFile(path)


def _lacks_index(reader: Reader) -> bool:
    """Return whether an MCAP file has messages that rosbags would not read."""
    if not isinstance(reader.storage, storage_mcap.McapReader):
        return False
    connections: Any = reader.storage.connections
    has_others = any(c.ext.serialization_format != 'cdr' for c in connections)
    known = {connection.id for connection in connections}
    indexed = [set(chunk.message_index_offsets) for chunk in reader.storage.chunks]
    is_in_order = indexed or not reader.message_count  # else rosbags reads in the order of writing
    return has_others or not is_in_order or any(not ids or ids - known for ids in indexed)


class Bag:
    """An open rosbag2; use as a context manager.

    Any exception that rosbags raises on a damaged file becomes a BagError.
    """

    def __init__(self, path: str | Path) -> None:
        """Open a bag.

        Args:
            path: A bag's folder, or a single .mcap or .db3 file, or a .bag file of ROS 1.

        Raises:
            BagError: There is no bag, or it is damaged.
            ConfigError: Its files are compressed, and the disk has no room to unpack them.
        """
        self.path = Path(path)
        self._check_path()
        self._types = MessageTypes()
        # The temporary files are removed once the reader has them open: nothing is left behind.
        with ExitStack() as unpacked, self._reading():
            self._reader = _open_reader(readable(self.path, unpacked))

    def _check_path(self) -> None:
        path, expected = self.path, EXPECTED_BAG
        check_bag_path(path)
        if path.is_dir() and not (path / 'metadata.yaml').is_file():
            raise BagError(
                f'The folder {path} has no metadata.yaml, so it is no rosbag2 or its recording '
                f'was cut off; {expected}: name the folder that holds metadata.yaml, or one of '
                'its files.'
            )
        if path.is_file() and path.suffix not in SUFFIXES:
            raise BagError(f'{path} is no bag file; {expected}.')

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except HisegError:
            raise
        except Exception as error:  # noqa: BLE001  a damaged file makes the reader raise anything
            reason = reason_of(error).rstrip('.')
            is_ros1 = self.path.suffix == ROS1_SUFFIX
            expected, tools = 'rosbag2', '`ros2 bag reindex` or `mcap recover`'
            if is_ros1:
                expected = 'bag of ROS 1'
                tools = '`rosbag reindex`, or convert it with `rosbags-convert`'
            raise BagError(
                f'The bag {self.path} cannot be read ({reason}); expected a complete {expected}: '
                f'copy it again, or repair it with {tools}.'
            ) from error

    @property
    def connections(self) -> Sequence[Connection]:
        """The connections of all topics, with the definitions of their messages."""
        return self._reader.connections

    @property
    def topics(self) -> tuple[Topic, ...]:
        """All topics, in the bag's order."""
        found: dict[str, Topic] = {}
        for connection in self._reader.connections:
            known = found.get(connection.topic)
            count = connection.msgcount + (known.count if known else 0)
            found[connection.topic] = Topic(connection.topic, connection.msgtype, count)
        return tuple(found.values())

    @property
    def duration_s(self) -> float:
        """Seconds between the first and the last message; 0 for an empty bag."""
        return max(0.0, self._reader.duration / 1e9) if self._reader.message_count else 0.0

    @property
    def span_ns(self) -> tuple[int, int] | None:
        """Recording times of the first and the last message in ns; None for an empty bag."""
        if not self._reader.message_count:
            return None
        return self._reader.start_time, self._reader.end_time - 1

    def topic(self, name: str) -> Topic:
        """Return a topic by name.

        Raises:
            BagError: The bag has no such topic.
        """
        return topic_named(self.topics, name, f'The bag {self.path}')

    def raw(
        self, topics: Collection[str] = (), start_ns: int | None = None
    ) -> Iterator[RawMessage]:
        """Yield serialised messages in the order of recording time.

        Args:
            topics: Names of the wanted topics; empty for all.
            start_ns: Recording time before which messages are left out; the chunks of an indexed
                MCAP file that end before it are not read.

        Raises:
            BagError: The bag is damaged.
        """
        connections = [c for c in self._reader.connections if not topics or c.topic in topics]
        if not connections:
            return
        with self._reading():
            messages = self._reader.messages(connections, start_ns)
        while True:
            with self._reading():
                item = next(messages, None)
                if item is None:
                    return
                connection, time_ns, data = item
                plain = message_bytes(bytes(data))
            yield RawMessage(connection.topic, time_ns, plain)

    def decode(self, message: RawMessage) -> Any:
        """Return a message as an object with the fields of its type.

        Raises:
            BagError: The bytes do not fit the type.
        """
        with self._reading():
            connection = next(c for c in self._reader.connections if c.topic == message.topic)
            return self._types.decode(connection.msgtype, connection.msgdef, message.data)

    def messages(self, topic: str) -> Iterator[tuple[int, Any]]:
        """Yield (recording time in ns, message) of one topic.

        Raises:
            BagError: The bag has no such topic, or it is damaged.
        """
        self.topic(topic)
        for message in self.raw([topic]):
            yield message.time_ns, self.decode(message)

    def images(self, topic: str) -> Iterator[tuple[int, NDArray[np.uint8] | NDArray[np.uint16]]]:
        """Yield (header stamp in ns, pixels) of an image topic, see `read_images`.

        Raises:
            BagError: There is no such topic, it holds no images, or the bag is damaged.
            ImageError: A message is no valid image.
        """
        if not self.topic(topic).is_image:
            raise BagError(
                f'Topic {topic} of {self.path} has the type {self.topic(topic).message_type}; '
                f'expected one of {", ".join(IMAGE_TYPES)}: choose an image topic.'
            )
        for _, message in self.messages(topic):
            yield header_stamp_ns(message), values_of(message)

    def close(self) -> None:
        """Close the bag."""
        self._reader.close()

    def __enter__(self) -> Bag:
        """Return the bag itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the bag."""
        self.close()


def read_images(
    path: str | Path, topic: str
) -> Iterator[tuple[int, NDArray[np.uint8] | NDArray[np.uint16]]]:
    """Yield (header stamp in ns, pixels) of an image topic in the order of recording.

    Pixels are (H, W) uint8 or uint16 for one channel, such as label ids, with every value kept,
    and (H, W, 3) uint8 RGB for colour.

    Args:
        path: A bag's folder, or a single .mcap or .db3 file.
        topic: Name of a topic with sensor_msgs/Image or CompressedImage.

    Raises:
        BagError: There is no such bag or topic, or the bag is damaged.
        ImageError: A message is no valid image.
    """
    with Bag(path) as bag:
        yield from bag.images(topic)


def read_taxonomy(recording: Path, node: str = '/segmentation') -> Taxonomy:
    """Return the label tree that a recorded node published.

    Args:
        recording: The bag.
        node: Name of the node.

    Raises:
        BagError: The bag has no message with the tree.
        TaxonomyError: The tree is not valid.
    """
    with Bag(recording) as bag:
        for _, message in bag.messages(f'{node}/taxonomy'):
            return decode_taxonomy(message)
    raise BagError(
        f'The recording {recording} has no message on {node}/taxonomy; expected the latched label '
        'tree of the node: record from before the first frame on.'
    )
