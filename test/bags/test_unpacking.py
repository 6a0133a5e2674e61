# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Bags whose files are compressed: read whole, never more than the disk holds, nothing left."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path

import numpy as np
import pytest
from replay_support import CAMERA, drive, write_drive

from hiseg_ros.bags import compression
from hiseg_ros.bags.bag import Bag, read_images
from hiseg_ros.bags.message_stream import MessageStream
from hiseg_ros.bags.recording import open_recording
from hiseg_ros.cli.__main__ import main
from hiseg_ros.errors import BagError, ConfigError

FRAMES = 3


@pytest.fixture(autouse=True)
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give the tests a temporary folder of their own, in which nothing is left."""
    folder = tmp_path_factory.mktemp('scratch')
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    yield folder
    tempfile.tempdir = before
    assert list(folder.iterdir()) == []


def packed(path: Path, storage: str = 'mcap') -> Path:
    """Return a drawn drive whose file is compressed."""
    write_drive(path, FRAMES, storage=storage)
    [file] = [one for one in path.iterdir() if one.name != 'metadata.yaml']
    target = file.with_name(f'{file.name}.zstd')
    target.write_bytes(compression.zstd.compress(file.read_bytes()))
    file.unlink()
    about = path / 'metadata.yaml'
    text = about.read_text().replace(file.name, target.name)
    text = text.replace("compression_mode: ''", 'compression_mode: FILE')
    text = text.replace("compression_format: ''", 'compression_format: zstd')
    assert 'mode: FILE' in text and 'format: zstd' in text
    about.write_text(text)
    return path


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_folder_with_compressed_files_is_read_as_one_without(
    tmp_path: Path, storage: str, scratch: Path
) -> None:
    """What was unpacked has no name any more while it is read, so that a kill leaves nothing."""
    bag = packed(tmp_path / 'bag', storage)
    found = [pixels for _, pixels in read_images(bag, CAMERA)]
    for pixels, frame in zip(found, drive(FRAMES), strict=True):
        assert np.abs(pixels.astype(int) - frame.rgb).mean() < 12
    with Bag(bag) as open_bag:
        assert open_bag.path == bag and list(scratch.iterdir()) == []
        assert open_bag.topic(CAMERA).count == FRAMES
        # As a replay in rounds does.
        assert [len(list(open_bag.raw([CAMERA]))) for _ in range(2)] == [FRAMES, FRAMES]


def test_nothing_is_left_after_an_error(tmp_path: Path) -> None:
    """Neither of a fault while it is read, nor of one that ends a loop, nor of damage."""
    bag = packed(tmp_path / 'bag')
    with pytest.raises(ZeroDivisionError), Bag(bag):
        raise ZeroDivisionError
    for number, _ in enumerate(MessageStream([open_recording(bag)], [CAMERA])):
        if number == 1:
            break
    [file] = bag.glob('*.zstd')
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(BagError, match='its compressed data is cut off'):
        Bag(bag)
    file.unlink()
    with pytest.raises(BagError, match='cannot be read'):
        Bag(bag)


def test_a_database_that_computes_is_refused_when_packed_as_well(tmp_path: Path) -> None:
    bag = packed(tmp_path / 'bag', 'sqlite3')
    [file] = bag.glob('*.zstd')
    plain = tmp_path / 'plain.db3'
    plain.write_bytes(compression.zstd.decompress(file.read_bytes()))
    with sqlite3.connect(plain) as base:
        base.execute('CREATE VIEW endless AS SELECT 1')
    file.write_bytes(compression.zstd.compress(plain.read_bytes()))
    with pytest.raises(BagError, match="has the view 'endless' that computes"):
        Bag(bag)


def free_bytes(monkeypatch: pytest.MonkeyPatch, *values: int) -> None:
    """Let the disk have so much room, look by look; the last value stays."""
    room = chain(values, repeat(values[-1]))
    usage = type('Usage', (), {})

    def disk_usage(path: object) -> object:
        found = usage()
        found.free = next(room)
        return found

    monkeypatch.setattr(shutil, 'disk_usage', disk_usage)


@pytest.mark.parametrize('verb', ['play', 'video', 'replay', 'view'])
def test_every_verb_refuses_what_the_disk_cannot_hold_in_one_sentence(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    verb: str,
) -> None:
    bag = packed(tmp_path / 'bag')
    free_bytes(monkeypatch, compression.LEFT_BYTES + 10)
    options = {
        'play': ['--list'], 'video': ['--output', str(tmp_path / 'video.mp4')],
        'replay': ['--output', str(tmp_path / 'out')],
        'view': ['--save', str(tmp_path / 'file.rrd')],
    }  # fmt: skip
    if verb in ('replay', 'video', 'view'):
        # Its topics stand in metadata.yaml: without that the file itself is asked at once.
        (bag / 'metadata.yaml').unlink()
    assert main([verb, str(bag), *options[verb]]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and 'MB of room for a compressed recording' in said[0]


def test_a_full_disk_is_no_damage_of_the_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replay that took it for damage would be finished with half of the frames."""
    recording = open_recording(packed(tmp_path / 'bag'))
    free_bytes(monkeypatch, 0)
    stream = MessageStream([recording], [CAMERA])
    with pytest.raises(ConfigError, match='expected so much'):
        list(stream)
    assert stream.damages == []


def test_unpacking_ends_where_the_disk_fills_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the file says that it holds, and whoever else fills the disk."""
    monkeypatch.setattr(compression, 'LEFT_BYTES', 4_000_000)
    writer = compression.zstd.ZstdCompressor()  # in pieces, so that it says no size
    data = writer.compress(bytes(30_000_000)) + writer.flush()
    (tmp_path / 'a.zstd').write_bytes(data)
    free_bytes(monkeypatch, 10**9, 10**9, 3_999_999)
    with pytest.raises(ConfigError, match='make room, or set TMPDIR'):
        compression.unpack_file(tmp_path / 'a.zstd', tmp_path / 'a')
    assert (tmp_path / 'a').stat().st_size < 4_000_000
    # What it says is believed where it is too much.
    (tmp_path / 'b.zstd').write_bytes(compression.zstd.compress(bytes(30_000_000)))
    free_bytes(monkeypatch, 20_000_000)
    with pytest.raises(ConfigError, match='has 20 MB of room for a compressed recording of 30 MB'):
        compression.unpack_file(tmp_path / 'b.zstd', tmp_path / 'b')
    assert not (tmp_path / 'b').exists()


def test_a_header_that_claims_too_much_is_damage_and_no_lack_of_room(tmp_path: Path) -> None:
    """A flipped bit in one file ends that file, not the replay of all."""
    packed = tmp_path / 'a.zstd'
    packed.write_bytes(bytes.fromhex('28b52ffde0') + (2**60).to_bytes(8, 'little') + b'\1\0\0')
    compression.check_room(tmp_path, [packed])
    assert compression.unpack_file(packed, tmp_path / 'a')
