# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Recovery of whole messages from an MCAP or SQLite file that lost its end or its index.

rosbags needs the index at the end of an MCAP file, and SQLite refuses a file that is shorter than
its header says; a recorder that was killed leaves such files.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hiseg_ros.bags.compression import unpack_chunk
from hiseg_ros.bags.message_types import full_type
from hiseg_ros.bags.tables import check_tables, connect
from hiseg_ros.errors import BagError

MCAP_MAGIC = b'\x89MCAP0\r\n'
_SCHEMA, _CHANNEL, _MESSAGE, _CHUNK, _DATA_END = 0x03, 0x04, 0x05, 0x06, 0x0F


@dataclass(frozen=True)
class FoundMessage:
    """A whole message found in a damaged file."""

    topic: str
    message_type: str
    time_ns: int
    data: bytes


def salvage(path: Path) -> Iterator[FoundMessage]:
    """Yield the messages of a damaged .mcap or .db3 file in file order, up to the damage.

    It ends at the damage without raising: the caller knows already that the file is damaged.
    """
    yield from _of_mcap(path) if path.suffix == '.mcap' else _of_sqlite(path)


def _of_mcap(path: Path) -> Iterator[FoundMessage]:
    """Read record after record, without the index at the end."""
    schemas: dict[int, str] = {}
    channels: dict[int, tuple[str, str]] = {}
    with path.open('rb') as file:
        if file.read(len(MCAP_MAGIC)) != MCAP_MAGIC:
            return
        while len(head := file.read(9)) == 9:
            kind, size = struct.unpack('<BQ', head)
            if kind == _DATA_END:
                return
            left = path.stat().st_size - file.tell()
            body = file.read(min(size, left))
            if kind == _CHUNK:
                yield from _messages(_chunk_records(body), schemas, channels)
            elif size > left:
                return
            else:
                yield from _messages(iter([(kind, body)]), schemas, channels)


def _chunk_records(chunk: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (kind, body) of the whole records of a chunk, which may be cut off."""
    if len(chunk) < 32:
        return
    (length,) = struct.unpack_from('<I', chunk, 28)
    start = 32 + length + 8
    compression = chunk[32 : 32 + length].decode('ascii', 'replace')
    data = unpack_chunk(chunk[start:], compression)
    position = 0
    while position + 9 <= len(data):
        kind, size = struct.unpack_from('<BQ', data, position)
        position += 9
        if position + size > len(data):
            return
        yield kind, data[position : position + size]
        position += size


def _messages(
    records: Iterator[tuple[int, bytes]],
    schemas: dict[int, str],
    channels: dict[int, tuple[str, str]],
) -> Iterator[FoundMessage]:
    """Yield the messages among records, and keep their schemas and channels."""
    try:
        for kind, body in records:
            if kind == _SCHEMA:
                schemas[struct.unpack_from('<H', body)[0]] = _text(body, 2)
            elif kind == _CHANNEL:
                number, schema = struct.unpack_from('<HH', body)
                topic = _text(body, 4)
                if _text(body, 8 + len(topic.encode())) == 'cdr':
                    channels[number] = (topic, full_type(schemas.get(schema, '')))
            elif kind == _MESSAGE:
                number, _, time_ns, _ = struct.unpack_from('<HIQQ', body)
                if number in channels:
                    yield FoundMessage(*channels[number], time_ns, body[22:])
    except (struct.error, UnicodeDecodeError):
        return  # a damaged record: nothing behind it can be trusted


def _text(body: bytes, position: int) -> str:
    (length,) = struct.unpack_from('<I', body, position)
    return body[position + 4 : position + 4 + length].decode()


def _of_sqlite(path: Path) -> Iterator[FoundMessage]:
    """Read the table of messages row by row, without its index over time."""
    try:
        check_tables(path)
        base = connect(path)
    except (BagError, sqlite3.Error):
        return
    try:
        # Otherwise SQLite refuses a file that is shorter than its header says.
        base.execute('PRAGMA writable_schema=ON')
        names = base.execute('SELECT id, name, type FROM topics')
        topics = {number: (str(name), full_type(str(kind))) for number, name, kind in names}
        rows = base.execute('SELECT topic_id, timestamp, data FROM messages ORDER BY id')
        for topic_id, time_ns, data in rows:
            if topic_id in topics and isinstance(data, bytes):
                yield FoundMessage(*topics[topic_id], time_ns, data)
    except (sqlite3.Error, UnicodeDecodeError, ValueError):
        return
    finally:
        base.close()
