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
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rosbags.interfaces import Connection

from hiseg_ros.bags.bag import Bag, Topic, topic_named
from hiseg_ros.bags.bag_files import MAX_FILES, MAX_METADATA, METADATA, SUFFIXES, check_bag_path
from hiseg_ros.bags.compression import ZSTD_SUFFIX, check_room, message_bytes, unpack_file
from hiseg_ros.bags.converted import converted_type
from hiseg_ros.bags.message_types import full_type
from hiseg_ros.bags.raw_message import RawMessage
from hiseg_ros.bags.ros1 import ROS1_SUFFIX
from hiseg_ros.bags.salvage import salvage
from hiseg_ros.bags.tables import merged, unfinished_log
from hiseg_ros.errors import BagError, ConfigError
from hiseg_ros.yaml_file import read_yaml

_EXPECTED = 'expected a rosbag2 folder, or one .mcap, .db3 or .bag file, .zstd or not'


Span = tuple[int, int]
"""Recording times of a first and a last message, in ns."""


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
    spans: Mapping[Path, Span] = field(default_factory=dict)
    """Time of the first and last message of each file that tells it."""
    converted: Mapping[str, str] = field(default_factory=dict)
    """Recorded type of each topic whose messages are converted to images, see `converted`."""

    def topic(self, name: str) -> Topic:
        """Return a topic by name.

        Raises:
            BagError: The recording has no such topic.
        """
        return topic_named(self.topics, name, f'The recording {self.path}')

    def groups(self) -> list[list[Path]]:
        """Return the files in the order of time, those that overlap in time together.

        A file that tells no time stays behind the one before it.
        """
        last: Span = (-1, -1)
        placed: list[tuple[Span, int, Path]] = []
        for number, path in enumerate(self.files):
            last = self.spans.get(path, (last[1], last[1]))
            placed.append((last, number, path))
        groups: list[list[Path]] = []
        end_ns = -1
        for (first_ns, last_ns), _, path in sorted(placed):
            is_known = path in self.spans
            if groups and is_known and first_ns < end_ns:
                groups[-1].append(path)
            else:
                groups.append([path])
            end_ns = max(end_ns, last_ns)
        return groups


def open_recording(path: Path) -> Recording:
    """Find the files and topics of a recording; topics of videos become topics of images.

    Args:
        path: A rosbag2 folder, or one .mcap or .db3 file, with or without .zstd.

    Raises:
        BagError: There is no recording at this path.
    """
    recording = _opened(path)
    converted = {t.name: t.message_type for t in recording.topics if _to_images(t) != t}
    return replace(recording, topics=tuple(map(_to_images, recording.topics)), converted=converted)


def _to_images(topic: Topic) -> Topic:
    kind = converted_type(topic.message_type)
    return topic if kind is None else replace(topic, message_type=kind)


def _opened(path: Path) -> Recording:
    """Find the files and topics of a recording.

    Raises:
        BagError: There is no recording at this path.
    """
    check_bag_path(path, _EXPECTED)
    if path.is_file():
        if not _is_bag_file(path):
            raise BagError(f'{path} is no bag file; {_EXPECTED}.')
        return Recording(path, (path,), _contents([path]).topics)
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
    fault: str | None = f'metadata.yaml {kind}, so the recording was cut off'
    held = _contents(files)
    if not is_there and all(file.suffix == ROS1_SUFFIX for file in files):
        fault = None  # ROS 1 has no such file
    return Recording(path, tuple(files), held.topics, fault, spans=held.spans)


def _described(folder: Path) -> Recording:
    """Return the recording that a metadata.yaml describes."""
    about = read_yaml(folder / METADATA, 'File', BagError, *MAX_METADATA)[
        'rosbag2_bagfile_information'
    ]
    if len(about['relative_file_paths']) > MAX_FILES:
        raise ValueError(f'more than {MAX_FILES} files')
    named = tuple(_found(folder / Path(name).name) for name in about['relative_file_paths'])
    if not named:
        raise ValueError('no files')
    counts: dict[tuple[str, str], int] = {}
    for entry in about['topics_with_message_count']:
        about_topic = entry['topic_metadata']
        key = (str(about_topic['name']), full_type(str(about_topic['type'])))
        counts[key] = counts.get(key, 0) + int(entry['message_count'])
    announced: dict[str, int] = {}
    for (name, _), count in counts.items():
        announced[name] = announced.get(name, 0) + count
    files, fault = _with_unlisted(folder, named)
    # Unpacking compressed files only for their topics would take too long, unless nothing is
    # known of them.
    is_counted = any(counts.values())
    held = _contents(
        [p for p in files if p.is_file() and not (is_counted and p.name.endswith(ZSTD_SUFFIX))]
    )
    for topic in held.topics:
        if files != named or not counts.get((topic.name, topic.message_type)):
            counts[topic.name, topic.message_type] = topic.count
    topics = tuple(Topic(*key, count) for key, count in counts.items())
    spans = {**_announced_spans(about, files), **held.spans}
    return Recording(folder, files, topics, fault, announced, spans)


def _found(path: Path) -> Path:
    """Return a named file, or where only that exists, its packed or its unpacked form."""
    packed = path.with_name(path.name + ZSTD_SUFFIX)
    plain = path.with_name(path.name.removesuffix(ZSTD_SUFFIX))
    return next((other for other in (path, packed, plain) if other.is_file()), path)


def _announced_spans(about: Mapping[str, Any], files: Sequence[Path]) -> dict[Path, Span]:
    """Return the times of packed files as metadata.yaml tells them, which it does since Galactic.

    Others are asked themselves.
    """
    spans: dict[Path, Span] = {}
    of_name = {path.name: path for path in files if path.name.endswith(ZSTD_SUFFIX)}
    for entry in about.get('files') or ():
        path = of_name.get(Path(entry['path']).name)
        if path is not None and int(entry['message_count']):
            first = int(entry['starting_time']['nanoseconds_since_epoch'])
            spans[path] = (first, first + int(entry['duration']['nanoseconds']))
    return spans


def _with_unlisted(folder: Path, named: tuple[Path, ...]) -> tuple[tuple[Path, ...], str | None]:
    """Return all files of a recording, and as a fault those that metadata.yaml does not name.

    They are numbered as the named ones; other files may belong to other recordings, unless no
    named one is there.
    """

    def form(path: Path) -> str:
        return re.sub(r'\d+', '0', path.name.removesuffix(ZSTD_SUFFIX))

    forms = {form(path) for path in named}
    names = {path.name.removesuffix(ZSTD_SUFFIX) for path in named}
    is_renamed = not any(path.is_file() for path in named)
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir(), reverse=True):  # a plain file replaces its packed one
        name = path.name.removesuffix(ZSTD_SUFFIX)
        if _is_bag_file(path) and (is_renamed or form(path) in forms) and name not in names:
            found[name] = path
    if not found:
        return named, None
    if is_renamed:
        files = tuple(sorted(found.values(), key=_natural))
        there = ', '.join(path.name for path in files[:3]) + (', ...' if len(files) > 3 else '')
        return files, (
            f'metadata.yaml names {named[0].name}, which is missing; {there} beside it was read'
        )
    files = tuple(sorted((*named, *found.values()), key=_natural))
    return files, f'metadata.yaml names {len(named)} of {len(files)} files; all were read'


@dataclass(frozen=True)
class _Contents:
    """Topics of files, with the messages counted in the files themselves, and their times."""

    topics: tuple[Topic, ...]
    spans: Mapping[Path, Span]


def _contents(files: list[Path]) -> _Contents:
    counts: dict[tuple[str, str], int] = {}
    spans: dict[Path, Span] = {}
    for path in files:
        with plain_file(path) as (plain, _):
            try:
                with Bag(plain) as bag:
                    found = [(topic.name, topic.message_type, topic.count) for topic in bag.topics]
                    if bag.span_ns is not None:
                        spans[path] = bag.span_ns
            except BagError:
                if plain.suffix == ROS1_SUFFIX:
                    raise  # without its index nothing can be read
                found = [(item.topic, item.message_type, 1) for item in salvage(plain)]
        for name, message_type, count in found:
            counts[name, message_type] = counts.get((name, message_type), 0) + count
    return _Contents(tuple(Topic(*key, count) for key, count in counts.items()), spans)


def _is_bag_file(path: Path) -> bool:
    is_hidden = path.name.startswith('.')  # such as ._bag_0.mcap, which macOS writes
    # A pipe of such a name would never be opened.
    return (
        (path.is_file() or not path.exists())
        and not is_hidden
        and path.name.removesuffix(ZSTD_SUFFIX).endswith(SUFFIXES)
    )


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
    start_ns: int | None = None,
) -> Iterator[RawMessage]:
    """Yield the messages of some topics of one file, up to where it is damaged.

    Args:
        path: The file.
        topics: Names of the wanted topics.
        note: Called with the connections of a complete file, which hold the definitions of its
            messages, before the first message.
        start_ns: Recording time before which messages are left out; None for none.

    Raises:
        BagError: The file is missing or damaged; raised after the last whole message.
    """
    if not path.is_file():
        raise BagError('the file is missing')
    with plain_file(path) as (plain, fault):
        try:
            yield from _whole_messages(plain, topics, note, start_ns)
        except BagError as error:
            raise BagError(fault or _reason(error, plain)) from error
        if fault:
            raise BagError(fault)


def _whole_messages(
    path: Path,
    topics: frozenset[str],
    note: Callable[[Sequence[Connection]], object],
    start_ns: int | None,
) -> Iterator[RawMessage]:
    try:
        bag = Bag(path)
    except BagError:
        for item in salvage(path):
            if item.topic in topics and (start_ns is None or item.time_ns >= start_ns):
                yield RawMessage(item.topic, item.time_ns, _plain(item.data))
        raise
    with bag:
        note(bag.connections)
        for message in bag.raw(topics, start_ns):
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
