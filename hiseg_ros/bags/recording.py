# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A recording and its files in order: a rosbag2 folder, complete or cut off, or a single file.

rosbags reads complete bags only; here a missing metadata.yaml, a file without its end and a
missing file leave the other messages readable.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rosbags.interfaces import Connection

from hiseg_ros.bags.bag import Bag, Topic
from hiseg_ros.bags.bag_files import MAX_METADATA, METADATA, check_bag_path
from hiseg_ros.bags.compression import ZSTD_SUFFIX, check_room, message_bytes, unpack_file
from hiseg_ros.bags.message_types import full_type
from hiseg_ros.bags.raw_message import RawMessage
from hiseg_ros.bags.salvage import salvage
from hiseg_ros.bags.tables import merged, unfinished_log
from hiseg_ros.errors import BagError, ConfigError
from hiseg_ros.yaml_file import read_yaml

_EXPECTED = 'expected a rosbag2 folder, or one .mcap or .db3 file, .zstd or not'


@dataclass(frozen=True)
class Recording:
    """A recording before its messages are read."""

    path: Path
    files: tuple[Path, ...]
    """The files in the order of recording; some may not exist."""
    topics: tuple[Topic, ...]
    fault: str | None = None
    """The fault of its metadata.yaml as a clause, None where it is whole."""
    announced: Mapping[str, int] | None = None
    """Number of messages by topic as metadata.yaml counts them, None without one."""


def open_recording(path: Path) -> Recording:
    """Find the files and topics of a recording.

    Args:
        path: A rosbag2 folder, or one .mcap or .db3 file, with or without .zstd.

    Raises:
        BagError: There is no recording at this path.
    """
    check_bag_path(path, _EXPECTED)
    if path.is_file():
        if not _is_bag_file(path):
            raise BagError(f'{path} is no bag file; {_EXPECTED}.')
        return Recording(path, (path,), _topics_of([path]))
    try:
        return _described(path)
    except (
        OSError,
        BagError,
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        OverflowError,
    ) as error:
        is_there = (path / METADATA).is_file()
        kind = f'cannot be read ({type(error).__name__})' if is_there else 'is missing'
    files = sorted((p for p in path.iterdir() if _is_bag_file(p)), key=_natural)
    if not files:
        raise BagError(f'The folder {path} has neither metadata.yaml nor a bag file; {_EXPECTED}.')
    fault = f'metadata.yaml {kind}, so the recording was cut off'
    return Recording(path, tuple(files), _topics_of(files), fault)


def _described(folder: Path) -> Recording:
    """Return the recording that a metadata.yaml describes."""
    about = read_yaml(folder / METADATA, 'File', BagError, *MAX_METADATA)[
        'rosbag2_bagfile_information'
    ]
    paths = [folder / Path(name).name for name in about['relative_file_paths']]
    packed = [path.with_name(path.name + ZSTD_SUFFIX) for path in paths]
    files = tuple(
        other if other.is_file() and not path.is_file() else path
        for path, other in zip(paths, packed, strict=True)
    )
    if not files:
        raise ValueError('no files')
    counts: dict[tuple[str, str], int] = {}
    for entry in about['topics_with_message_count']:
        about_topic = entry['topic_metadata']
        key = (str(about_topic['name']), full_type(str(about_topic['type'])))
        counts[key] = counts.get(key, 0) + int(entry['message_count'])
    announced: dict[str, int] = {}
    for (name, _), count in counts.items():
        announced[name] = announced.get(name, 0) + count
    others = _unlisted(folder, files)
    fault = None
    if others:
        files = tuple(sorted((*files, *others), key=_natural))
        fault = (
            f'metadata.yaml names {len(files) - len(others)} of {len(files)} files; all were read'
        )
    # Unpacking compressed files only for their topics would take too long.
    held = _topics_of([p for p in files if p.is_file() and not p.name.endswith(ZSTD_SUFFIX)])
    for topic in held:
        if others or (topic.name, topic.message_type) not in counts:
            counts[topic.name, topic.message_type] = topic.count
    topics = tuple(Topic(*key, count) for key, count in counts.items())
    return Recording(folder, files, topics, fault, announced)


def _unlisted(folder: Path, files: tuple[Path, ...]) -> list[Path]:
    """Return the files of a recording that its metadata.yaml does not name.

    They are numbered as the named ones; other files may belong to other recordings.
    """

    def form(path: Path) -> str:
        return re.sub(r'\d+', '0', path.name.removesuffix(ZSTD_SUFFIX))

    forms = {form(path) for path in files}
    named = {path.name.removesuffix(ZSTD_SUFFIX) for path in files}
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir(), reverse=True):  # a plain file replaces its packed one
        name = path.name.removesuffix(ZSTD_SUFFIX)
        if _is_bag_file(path) and form(path) in forms and name not in named:
            found[name] = path
    return list(found.values())


def _topics_of(files: list[Path]) -> tuple[Topic, ...]:
    """Return the topics of files, with the messages counted in the files themselves."""
    counts: dict[tuple[str, str], int] = {}
    for path in files:
        with plain_file(path) as (plain, _):
            try:
                with Bag(plain) as bag:
                    found = [(topic.name, topic.message_type, topic.count) for topic in bag.topics]
            except BagError:
                found = [(item.topic, item.message_type, 1) for item in salvage(plain)]
        for name, message_type, count in found:
            counts[name, message_type] = counts.get((name, message_type), 0) + count
    return tuple(Topic(*key, count) for key, count in counts.items())


def _is_bag_file(path: Path) -> bool:
    return path.name.removesuffix(ZSTD_SUFFIX).endswith(('.mcap', '.db3'))


def _natural(path: Path) -> list[Any]:
    """Return a sort key that puts bag_2 before bag_10."""
    return [int(part) if part.isdigit() else part for part in re.split(r'(\d+)', path.name)]


@contextmanager
def plain_file(path: Path) -> Iterator[tuple[Path, str | None]]:
    """Give the path of a bag file without file compression, and the fault of its compressed data.

    The fault is a clause, None where there is none. A compressed file is unpacked to a temporary
    folder.

    Raises:
        ConfigError: The disk has no room for the unpacked file.
    """
    if not path.name.endswith(ZSTD_SUFFIX):
        log = unfinished_log(path) if path.suffix == '.db3' else None
        if log is None:
            yield path, None
            return
        with TemporaryDirectory(prefix='hiseg_replay_') as folder:
            check_room(Path(folder), [path, log])
            yield merged(path, log, Path(folder)), None
        return
    # One file at a time: the disk may have no room for a second copy of a long recording.
    with TemporaryDirectory(prefix='hiseg_replay_') as folder:
        plain = Path(folder) / path.name.removesuffix(ZSTD_SUFFIX)
        try:
            fault = unpack_file(path, plain)
        except OSError as error:
            raise ConfigError(
                f'The file {path} cannot be unpacked to {folder} ({error}); expected room for it '
                'there: set TMPDIR to another folder.'
            ) from error
        yield plain, fault


def read_file(
    path: Path,
    topics: frozenset[str],
    note: Callable[[Sequence[Connection]], object] = lambda connections: None,
) -> Iterator[RawMessage]:
    """Yield the messages of some topics of one file, up to where it is damaged.

    Args:
        path: The file.
        topics: Names of the wanted topics.
        note: Called with the connections of a complete file, which hold the definitions of its
            messages, before the first message.

    Raises:
        BagError: The file is missing or damaged; raised after the last whole message.
    """
    if not path.is_file():
        raise BagError('the file is missing')
    with plain_file(path) as (plain, fault):
        try:
            yield from _whole_messages(plain, topics, note)
        except BagError as error:
            raise BagError(fault or _reason(error, plain)) from error
        if fault:
            raise BagError(fault)


def _whole_messages(
    path: Path, topics: frozenset[str], note: Callable[[Sequence[Connection]], object]
) -> Iterator[RawMessage]:
    try:
        bag = Bag(path)
    except BagError:
        for item in salvage(path):
            if item.topic in topics:
                yield RawMessage(item.topic, item.time_ns, _plain(item.data))
        raise
    with bag:
        note(bag.connections)
        for message in bag.raw(topics):
            yield RawMessage(message.topic, message.time_ns, _plain(message.data))


def _plain(data: bytes) -> bytes:
    try:
        return message_bytes(data)
    except Exception as error:  # noqa: BLE001  each compressor has errors of its own
        raise BagError(f'a compressed message is damaged: {error}') from error


def _reason(error: BagError, path: Path) -> str:
    """Return the reason without the folder: it becomes part of results that are compared."""
    text = ' '.join(str(error.__cause__ or error).split()).rstrip('.')
    return text.replace(f'{path.parent}/', '') or type(error).__name__
