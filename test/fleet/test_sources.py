# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Recordings in object storage: found by pattern, copied once, refused in one sentence."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from replay_support import write_drive

from hiseg_ros.bags.recording import open_recording
from hiseg_ros.errors import BagError, ConfigError
from hiseg_ros.fleet import sources
from hiseg_ros.fleet.sources import Source, drop_copy, find_sources, local_path, signature

pytestmark = pytest.mark.needs('fleet')


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[Path]:
    """Put a bag into fsspec's storage in memory; return the bag's folder on disk."""
    import fsspec

    storage = fsspec.filesystem('memory')
    bag = write_drive(tmp_path / 'bag', 4)
    storage.pipe('/robots/r7/drive.mcap', (bag / 'bag.mcap').read_bytes())
    storage.pipe('/robots/r7/notes.txt', b'no bag')
    for path in bag.iterdir():
        storage.pipe(f'/robots/r8/whole/{path.name}', path.read_bytes())
    yield bag
    storage.rm('/robots', recursive=True)


def test_files_and_folders_are_copied_once(bucket: Path, tmp_path: Path) -> None:
    """Until the content changes."""
    import fsspec

    [file] = find_sources(['memory://robots/r7/*'])
    assert file == Source('memory://robots/r7/drive.mcap') and file.robot == 'r7'
    folder = Source('memory://robots/r8/whole')
    for source, name in ((file, 'drive.mcap'), (folder, 'whole')):
        version = signature(source)
        path = local_path(source, version, tmp_path / 'cache')
        assert path.name == name
        assert open_recording(path).topics == open_recording(bucket).topics
        assert local_path(source, version, tmp_path / 'cache') == path
    storage = fsspec.filesystem('memory')
    storage.pipe('/robots/r7/drive.mcap', b'another')
    changed = signature(file)
    assert local_path(file, changed, tmp_path / 'cache').read_bytes() == b'another'
    drop_copy(file, changed, tmp_path / 'cache')
    assert not (tmp_path / 'cache' / changed).exists()
    assert signature(folder) == version


def test_what_is_not_there_or_does_not_answer_is_told(bucket: Path, tmp_path: Path) -> None:
    with pytest.raises(BagError, match='There is no recording memory://robots/r9'):
        signature(Source('memory://robots/r9/drive.mcap'))
    with pytest.raises(ConfigError, match='No recording fits the pattern memory://robots/'):
        find_sources(['memory://robots/*.mcap'])
    with pytest.raises(ConfigError, match=r'nowhere://x/\*\.mcap cannot be read .*credentials'):
        find_sources(['nowhere://x/*.mcap'])
    with pytest.raises(BagError, match='There is no recording'):
        signature(Source(str(tmp_path / 'gone')))
    version = signature(Source('memory://robots/r7/drive.mcap'))
    (tmp_path / 'file').write_text('in the way')
    with pytest.raises(ConfigError, match='set TMPDIR'):
        local_path(Source('memory://robots/r7/drive.mcap'), version, tmp_path / 'file')


def test_paths_are_read_where_they_are(tmp_path: Path) -> None:
    """And a new file beside them is another version."""
    bag = write_drive(tmp_path / 'bag', 2)
    source = Source(str(bag))
    first = signature(source)
    assert local_path(source, first) == bag and signature(source) == first
    drop_copy(source, first)
    assert bag.is_dir()
    shutil.copy(bag / 'bag.mcap', bag / 'bag_1.mcap')
    assert signature(source) != first
    assert find_sources([f'file://{bag}']) == [source]


def test_copies_go_to_a_folder_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder for temporary files is everybody's: a link laid there is refused."""
    monkeypatch.setattr(sources, 'gettempdir', lambda: str(tmp_path))
    assert sources.default_cache().stat().st_mode & 0o777 == 0o700
    sources.default_cache().rmdir()
    (tmp_path / 'elsewhere').mkdir()
    (tmp_path / f'hiseg_fleet_{os.getuid()}').symlink_to(tmp_path / 'elsewhere')
    with pytest.raises(ConfigError, match='another user or is no folder'):
        sources.default_cache()


def test_a_bag_is_found_once_whatever_its_folder_is_called(tmp_path: Path) -> None:
    """Patterns fit the folder and its file, and the folder above holds no file of a bag."""
    bag = write_drive(tmp_path / 'bags/x.mcap', 2)
    other = write_drive(tmp_path / 'bags/y', 2)
    for pattern in ('bags/**', 'bags/*', '**'):
        assert find_sources([f'{tmp_path}/{pattern}']) == [Source(str(bag)), Source(str(other))]
    [file], [single] = bag.glob('*.mcap'), other.glob('*.mcap')
    for words in ([f'{tmp_path}/bags/**/*.mcap'], [str(bag), str(file), f'{other}/*.mcap']):
        assert find_sources(words) == [Source(str(bag)), Source(str(single))]
    assert find_sources([f'{bag}/*.mcap']) == [Source(str(file))]


def test_a_bag_beside_files_of_another_is_a_recording_of_its_own(tmp_path: Path) -> None:
    """A link that leads nowhere is kept, to be told."""
    bag = write_drive(tmp_path / 'bags/y', 2)
    [file] = bag.glob('*.mcap')
    shutil.copy(file, tmp_path / 'bags/loose.mcap')
    assert find_sources([f'{tmp_path}/bags/**']) == [
        Source(str(tmp_path / 'bags')), Source(str(bag))
    ]  # fmt: skip
    (tmp_path / 'links').mkdir()
    (tmp_path / 'links/gone.mcap').symlink_to(tmp_path / 'gone.mcap')
    assert [source.name for source in find_sources([f'{tmp_path}/links/*'])] == ['gone.mcap']


def test_a_folder_in_storage_that_is_called_like_a_file_is_found_once(bucket: Path) -> None:
    import fsspec

    storage = fsspec.filesystem('memory')
    storage.pipe('/robots/r9/x.mcap/x_0.mcap', (bucket / 'bag.mcap').read_bytes())
    assert find_sources(['memory://robots/r9/**']) == [Source('memory://robots/r9/x.mcap')]


def test_bags_in_the_output_folder_are_left_out(tmp_path: Path) -> None:
    """Also where a path leads there through a link."""
    bag, output = write_drive(tmp_path / 'bags/y', 2), tmp_path / 'bags/out'
    (tmp_path / 'link').symlink_to(tmp_path / 'bags')
    shutil.copytree(bag, output / 'drives/y-1/replay.mcap')
    for word in (f'{tmp_path}/bags/**', f'{bag}'):
        assert find_sources([word], output) == [Source(str(bag))]
        assert find_sources([word], tmp_path / 'link/out') == [Source(str(bag))]
    assert len(find_sources([f'{tmp_path}/bags/**'])) == 2
    with pytest.raises(ConfigError, match='All recordings are in the output folder .*--output'):
        find_sources([f'{output}/**/*.mcap'], output)
