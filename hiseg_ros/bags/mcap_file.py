# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Reading sound MCAP files that rosbags refuses or reads without messages.

These are files with channels of other encodings (JSON, Protobuf, FlatBuffer, ROS 1), of another
profile than ros2, whose chunk index has no message indexes, or without a summary.
"""

from __future__ import annotations

import heapq
import struct
import zlib
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from rosbags.interfaces import (
    Connection,
    ConnectionExtRosbag2,
    MessageDefinition,
    MessageDefinitionFormat,
)

from hiseg_ros.bags.compression import chunk_bytes
from hiseg_ros.bags.foxglove import DEFINITIONS, PROTOBUF_TYPES, cdr_of
from hiseg_ros.bags.message_types import foreign_type, full_type, is_foreign
from hiseg_ros.bags.ros1 import Ros1Types, as_ros2

MCAP_MAGIC = b'\x89MCAP0\r\n'

_HEADER, _FOOTER, _SCHEMA, _CHANNEL, _MESSAGE, _CHUNK = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06
_STATISTICS, _DATA_END = 0x0B, 0x0F
_DEFINITIONS = {
    'ros2msg': MessageDefinitionFormat.MSG,
    'ros2idl': MessageDefinitionFormat.IDL,
    'omgidl': MessageDefinitionFormat.IDL,
}
_ROS1 = 'ros1'
_MESSAGE_HEAD = struct.Struct('<HIQQ')
_CHUNK_HEAD = struct.Struct('<QQQI')


@dataclass(frozen=True)
class _Schema:
    name: str
    encoding: str
    data: bytes

    @property
    def text(self) -> str:
        return self.data.decode('utf-8', 'replace')


@dataclass(frozen=True)
class _Piece:
    """A chunk, or a message outside of chunks."""

    first_ns: int
    position: int
    """Of the record's body in the file."""
    size: int


_Row = tuple[int, int, int, int, bytes | None]
"""Recording time, position of the piece, number in it, channel, and data; None stands for the
beginning of a piece, which is unpacked when it is reached."""


class McapFile:
    """An open MCAP file. Connections of other encodings are listed and have no messages.

    Their message type is followed by the encoding: 'foxglove.Log (protobuf)'. Foxglove's image
    messages in Protobuf are those of foxglove_msgs.
    """

    def __init__(self, path: Path) -> None:
        """Open it and read its structure, without the content of its chunks where it is indexed.

        Raises:
            ValueError: The file is damaged or cut off.
            OSError: It cannot be read.
        """
        self._file: BinaryIO = path.open('rb')
        self._size = path.stat().st_size
        self._schemas: dict[int, _Schema] = {}
        self._chunks: list[_Piece] = []
        self._loose: list[_Piece] = []
        """Messages outside of chunks."""
        self._found: dict[int, Connection] = {}
        self._ros1_schemas: dict[int, _Schema] = {}
        self._ros1 = Ros1Types()
        self._protobuf: set[int] = set()
        self._counts: Counter[int] | None = None
        self.start_time = self.end_time = 0
        try:
            self._scan()
            if self._counts is None or set(self._counts) - set(self._found):
                self._count()
        except (struct.error, IndexError, UnicodeDecodeError) as error:
            self.close()
            raise ValueError(f'a record is damaged ({error})') from error
        except BaseException:
            self.close()
            raise
        counts: Counter[int] = self._counts or Counter()
        self.connections = [
            connection._replace(msgcount=counts[number])
            for number, connection in self._found.items()
        ]
        self.message_count = sum(counts.values())
        self.duration = max(0, self.end_time - self.start_time)

    def messages(
        self, connections: Collection[Connection], start: int | None = None
    ) -> Iterator[tuple[Connection, int, bytes]]:
        """Yield (connection, recording time in ns, CDR) in the order of time, from `start` on.

        Raises:
            ValueError: A chunk is damaged.
            Exception: A message of ROS 1 does not fit its definition.
        """
        wanted = {connection.id: connection for connection in connections}
        for time_ns, _, _, channel, data in heapq.merge(*self._streams(), key=lambda r: r[:3]):
            connection = wanted.get(channel)
            if data is None or connection is None or is_foreign(connection.msgtype):
                continue
            if start is not None and time_ns < start:
                continue
            if channel in self._ros1_schemas:
                text = self._ros1_schemas[channel].text
                data = self._ros1.to_cdr(connection.msgtype, text, data)
            elif channel in self._protobuf:
                data = cdr_of(connection.msgtype, data)
            yield connection, time_ns, data

    def close(self) -> None:
        """Close it."""
        self._file.close()

    def _scan(self) -> None:
        """Read the structure of the file, record by record."""
        if self._read(0, len(MCAP_MAGIC)) != MCAP_MAGIC:
            raise ValueError('it does not begin as an MCAP file')
        position, is_data, kind = len(MCAP_MAGIC), True, -1
        while kind != _FOOTER:
            kind, size = struct.unpack('<BQ', self._read(position, 9))
            position += 9
            if not kind or position + size > self._size:
                raise ValueError(f'a record of {size} bytes at byte {position} is cut off')
            if kind in (_SCHEMA, _CHANNEL):
                self._define(kind, self._read(position, size))
            elif kind == _CHUNK and is_data:
                (first_ns,) = struct.unpack('<Q', self._read(position, 8))
                self._chunks.append(_Piece(first_ns, position, size))
            elif kind == _MESSAGE and is_data:
                _, _, time_ns, _ = _MESSAGE_HEAD.unpack(self._read(position, _MESSAGE_HEAD.size))
                self._loose.append(_Piece(time_ns, position, size))
            elif kind == _DATA_END:
                is_data = False
            elif kind == _STATISTICS:
                self._read_statistics(self._read(position, size))
            position += size
        if is_data or self._read(position, len(MCAP_MAGIC)) != MCAP_MAGIC:
            raise ValueError('its end is missing')

    def _read(self, position: int, size: int) -> bytes:
        self._file.seek(position)
        data = self._file.read(size)
        if len(data) < size:
            raise ValueError(f'it ends at byte {position + len(data)}')
        return data

    def _define(self, kind: int, body: bytes) -> None:
        """Keep a schema or channel."""
        (number,) = struct.unpack_from('<H', body)
        if kind == _SCHEMA:
            name, position = _text(body, 2)
            encoding, position = _text(body, position)
            (length,) = struct.unpack_from('<I', body, position)
            data = body[position + 4 : position + 4 + length]
            self._schemas[number] = _Schema(name, encoding, data)
            return
        (schema_id,) = struct.unpack_from('<H', body, 2)
        topic, position = _text(body, 4)
        encoding, _ = _text(body, position)
        schema = self._schemas.get(schema_id, _Schema('', '', b''))
        connection = Connection(
            number,
            topic,
            full_type(schema.name),
            MessageDefinition(MessageDefinitionFormat.NONE, ''),
            '',
            0,
            ConnectionExtRosbag2('cdr', []),
            self,
        )
        if encoding == _ROS1:
            self._ros1_schemas[number] = schema
            connection = as_ros2(connection, self)
        elif encoding == 'protobuf' and schema.name in PROTOBUF_TYPES:
            kind_of_ros = PROTOBUF_TYPES[schema.name]
            self._protobuf.add(number)
            connection = connection._replace(msgtype=kind_of_ros, msgdef=DEFINITIONS[kind_of_ros])
        elif encoding != 'cdr':
            about = encoding or schema.encoding or 'no encoding'
            connection = connection._replace(
                msgtype=foreign_type(schema.name or 'no schema', about)
            )
        elif schema.encoding in _DEFINITIONS:
            definition = MessageDefinition(_DEFINITIONS[schema.encoding], schema.text)
            connection = connection._replace(msgdef=definition)
        self._found[number] = connection

    def _read_statistics(self, body: bytes) -> None:
        """Take the numbers of messages and the times of the summary."""
        self.start_time, self.end_time = struct.unpack_from('<QQ', body, 26)
        self.end_time += 1
        (length,) = struct.unpack_from('<I', body, 42)
        self._counts = Counter(
            {
                channel: count
                for channel, count in struct.iter_unpack('<HQ', body[46 : 46 + length])
                if count
            }
        )

    def _count(self) -> None:
        """Count the messages themselves, where the file has no summary."""
        self._counts, times = Counter(), []
        for stream in self._streams():
            for time_ns, _, _, channel, data in stream:
                if data is not None:
                    self._counts[channel] += 1
                    times.append(time_ns)
        self.start_time = min(times, default=0)
        self.end_time = max(times, default=-1) + 1

    def _streams(self) -> list[Iterator[_Row]]:
        """Return the messages of each chunk and those outside, each in the order of time."""
        self._chunks.sort(key=lambda piece: (piece.first_ns, piece.position))
        return [self._loose_rows(), *map(self._rows, self._chunks)]

    def _loose_rows(self) -> Iterator[_Row]:
        for piece in sorted(self._loose, key=lambda one: (one.first_ns, one.position)):
            body = self._read(piece.position, piece.size)
            channel, _, time_ns, _ = _MESSAGE_HEAD.unpack_from(body)
            yield time_ns, piece.position, 0, channel, body[_MESSAGE_HEAD.size :]

    def _rows(self, piece: _Piece) -> Iterator[_Row]:
        """Yield the messages of a chunk in the order of time, behind a row for its beginning."""
        yield piece.first_ns, piece.position, -1, -1, None
        records = self._chunk_records(self._read(piece.position, piece.size))
        rows: list[_Row] = []
        for number, (kind, content) in enumerate(records):
            if kind == _MESSAGE:
                channel, _, time_ns, _ = _MESSAGE_HEAD.unpack_from(content)
                data = content[_MESSAGE_HEAD.size :]
                rows.append((time_ns, piece.position, number, channel, data))
            elif kind in (_SCHEMA, _CHANNEL):
                self._define(kind, content)
        yield from sorted(rows, key=lambda row: row[:3])

    def _chunk_records(self, chunk: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield (kind, body) of the records of a chunk.

        Raises:
            ValueError: The chunk is damaged, or compressed in an unknown way.
        """
        _, _, size, checksum = _CHUNK_HEAD.unpack_from(chunk)
        compression, position = _text(chunk, _CHUNK_HEAD.size)
        (length,) = struct.unpack_from('<Q', chunk, position)
        data = chunk[position + 8 : position + 8 + length]
        if compression in ('zstd', 'lz4'):
            data = chunk_bytes(data, compression, size)
        elif compression:
            raise ValueError(f'a chunk is compressed by {compression!r}; expected zstd or lz4')
        if len(data) != size or (checksum and zlib.crc32(data) != checksum):
            raise ValueError('a chunk does not match its size or checksum')
        position = 0
        while position < size:
            kind, length = struct.unpack_from('<BQ', data, position)
            position += 9
            if position + length > size:
                raise ValueError('a record is larger than its chunk')
            yield kind, data[position : position + length]
            position += length


def _text(body: bytes, position: int) -> tuple[str, int]:
    """Return a string with its length in front, and the position behind it."""
    (length,) = struct.unpack_from('<I', body, position)
    end = position + 4 + length
    if end > len(body):
        raise ValueError('a text is cut off')
    return body[position + 4 : end].decode(), end
