# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Recordings that are cut off, damaged or malicious are read up to the damage, or refused."""

from __future__ import annotations

import signal
import sqlite3
from pathlib import Path
from types import FrameType

import hostile
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiseg_ros.bags import compression
from hiseg_ros.bags.bag import Bag
from hiseg_ros.bags.compression import chunk_bytes, message_bytes, unpack_chunk, unpack_file
from hiseg_ros.bags.footage import Frame, write_camera_bag
from hiseg_ros.bags.recording import open_recording, read_file
from hiseg_ros.bags.salvage import salvage
from hiseg_ros.errors import HisegError
from hiseg_ros.images.image_message import rgb_of

ZEROS = 80_000_000


@pytest.fixture(scope='module', params=['mcap', 'sqlite3'])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a bag of three small images."""
    folder = tmp_path_factory.mktemp('bag') / 'bag'
    frames = [Frame(np.full((4, 6, 3), value, np.uint8)) for value in (0, 100, 200)]
    write_camera_bag(folder, frames, 10.0, storage=request.param)
    [file] = (path for path in folder.iterdir() if path.name != 'metadata.yaml')
    return file


@hostile.fuzzed(60)
@given(data=st.data())
def test_a_damaged_file_is_read_as_far_as_it_is_whole(
    whole: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """As a bag, as a recording and by salvage; its messages are images or refused."""
    path = tmp_path_factory.getbasetemp() / f'damaged{whole.suffix}'
    path.write_bytes(data.draw(hostile.damaged(whole.read_bytes())))
    messages = []
    try:
        with Bag(path) as bag:
            for raw in bag.raw():
                messages.append(bag.decode(raw))
    except HisegError as problem:
        assert 'expected' in str(problem)
    for message in messages:
        try:
            rgb_of(message)
        except (HisegError, AttributeError):
            pass  # of a changed type name, no image
    try:
        recording = open_recording(path)
        list(read_file(path, frozenset(topic.name for topic in recording.topics)))
    except HisegError:
        pass
    assert len(list(salvage(path))) < 100


@pytest.mark.parametrize(
    'schema',
    [
        'CREATE TABLE messages(id, topic_id, timestamp, data); CREATE VIEW topics AS WITH '
        'RECURSIVE c(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM c) SELECT id, "/a" AS name, '
        '"b" AS type FROM c;',
        'CREATE TABLE topics(id, name, type, '
        'big BLOB GENERATED ALWAYS AS (zeroblob(900000000)) VIRTUAL); '
        'CREATE TABLE messages(id, topic_id, timestamp, data);',
        'CREATE TABLE topics(id, name, type); CREATE TABLE messages(id, topic_id, timestamp, '
        'data); CREATE TRIGGER t AFTER INSERT ON topics BEGIN DELETE FROM messages; END;',
    ],
    ids=['view', 'column', 'trigger'],
)
def test_a_database_that_computes_is_refused(schema: str, tmp_path: Path) -> None:
    """The view never ends."""
    path = tmp_path / 'bag.db3'
    base = sqlite3.connect(path)
    base.executescript(schema)
    base.close()

    def stop(number: int, frame: FrameType | None) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(20)
    try:
        with pytest.raises(HisegError, match='computes; expected plain tables'):
            Bag(path)
        assert list(salvage(path)) == []
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def small_limits(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Return zeros in a few bytes, and make the limits smaller than they are."""
    monkeypatch.setattr(compression, 'MAX_MESSAGE_BYTES', 1_000_000)
    monkeypatch.setattr(compression, 'MAX_CHUNK_BYTES', 1_000_000)
    return compression.zstd.compress(bytes(ZEROS))


def test_a_compressed_message_cannot_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of plain size is read."""
    bomb = small_limits(monkeypatch)
    assert len(bomb) < ZEROS / 5000
    with pytest.raises(ValueError, match='larger than 1000000'):
        message_bytes(bomb)
    assert message_bytes(compression.zstd.compress(b'abc')) == b'abc'


@pytest.mark.parametrize('kind', ['zstd', 'lz4'])
def test_a_chunk_cannot_hold_more_than_it_says(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor, whatever it says, more than the limit."""
    from lz4.frame import compress

    pack = compression.zstd.compress if kind == 'zstd' else compress
    assert chunk_bytes(pack(b'abc'), kind, 3) == b'abc'
    with pytest.raises(ValueError, match='holds more'):
        chunk_bytes(pack(bytes(5000)), kind, 100)
    with pytest.raises((ValueError, RuntimeError)):
        chunk_bytes(pack(b'abcdefgh' * 100)[:-6], kind, 800)
    small_limits(monkeypatch)
    bomb = pack(bytes(3_000_000))
    with pytest.raises(ValueError, match='more than 1000000'):
        chunk_bytes(bomb, kind, 3_000_000)
    assert len(unpack_chunk(bomb, kind)) == 1_000_000


def test_the_reader_of_bags_unpacks_within_the_limit() -> None:
    """The reader's own table has our functions; a new version may have another table."""
    from rosbags.rosbag2 import storage_mcap

    bomb = compression.zstd.compress(bytes(3_000_000))
    with pytest.raises(ValueError, match='holds more'):
        storage_mcap.decompress(bomb, 'zstd', 100, 0)


def test_a_compressed_file_cannot_fill_the_disk(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is left where it grows beyond any recording."""
    monkeypatch.setattr(compression, 'FREE_BYTES', 1_000_000)
    monkeypatch.setattr(compression, 'MAX_RATIO', 2)
    (tmp_path / 'a.zstd').write_bytes(compression.zstd.compress(bytes(ZEROS)))
    assert 'grows without end' in str(unpack_file(tmp_path / 'a.zstd', tmp_path / 'a'))
    assert (tmp_path / 'a').stat().st_size < 4_000_000
    plain = bytes(range(256)) * 20_000
    (tmp_path / 'b.zstd').write_bytes(compression.zstd.compress(plain))
    monkeypatch.undo()
    assert unpack_file(tmp_path / 'b.zstd', tmp_path / 'b') is None
    assert (tmp_path / 'b').read_bytes() == plain
