# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""No message of a recording is lost without a word."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from replay_support import CAMERA, TRUTH, mapping, replay, tree, write_drive
from rosbags.rosbag2 import StoragePlugin, Writer

from hiseg_ros.bags.bag import Bag
from hiseg_ros.bags.cameras import choose_cameras, choose_from
from hiseg_ros.bags.compression import zstd
from hiseg_ros.bags.hiseg_types import node_types
from hiseg_ros.bags.message_stream import MessageStream
from hiseg_ros.bags.recording import open_recording
from hiseg_ros.cli.__main__ import main
from hiseg_ros.errors import BagError

FRAMES = 8
ALL = {CAMERA: FRAMES, TRUTH: FRAMES}


def read(path: Path) -> tuple[Counter[str], list[str]]:
    """Return the number of messages by topic, and the reasons of the damages."""
    recording = open_recording(path)
    stream = MessageStream([recording], [topic.name for topic in recording.topics])
    found = Counter(message.raw.topic for message in stream)
    return found, [damage.reason for damage in stream.damages]


def read_with_bag(path: Path) -> Counter[str]:
    """Return the number of messages by topic as `play`, `demo` and `evaluate` read them."""
    with Bag(path) as bag:
        assert {topic.name: topic.count for topic in bag.topics} == ALL
        return Counter(message.topic for message in bag.raw())


def change_metadata(path: Path, change: Any) -> None:
    """Rewrite a bag's metadata.yaml."""
    about = yaml.safe_load((path / 'metadata.yaml').read_text())
    change(about['rosbag2_bagfile_information'])
    (path / 'metadata.yaml').write_text(yaml.safe_dump(about))


def killed(path: Path, mode: str) -> Path:
    """Return the folder of a recorder that was killed: half of the messages are in the log."""
    whole = write_drive(path / 'whole', FRAMES, storage='sqlite3')
    target = path / 'bag'
    target.mkdir()
    base = sqlite3.connect(whole / 'whole.db3', isolation_level=None)
    rows = base.execute('SELECT topic_id, timestamp, data FROM messages ORDER BY id').fetchall()
    base.execute(f'PRAGMA journal_mode={mode}')
    base.execute('PRAGMA cache_size=1')
    if mode == 'WAL':
        base.execute('PRAGMA wal_autocheckpoint=0')
        base.execute('DELETE FROM messages')
        base.executemany(INSERT, rows[:FRAMES])
        base.execute('PRAGMA wal_checkpoint(TRUNCATE)')
        base.executemany(INSERT, rows[FRAMES:])
    else:  # a half-written change that the log takes back
        base.execute('BEGIN')
        base.execute('DELETE FROM messages WHERE id > 4')
        base.executemany(INSERT, [(1, 5, bytes(100_000))] * 4)
    for file in (path / 'whole').glob('whole.db3*'):
        if not file.name.endswith('-shm'):
            shutil.copyfile(file, target / file.name)
    base.close()
    shutil.copyfile(whole / 'metadata.yaml', target / 'metadata.yaml')
    return target


INSERT = 'INSERT INTO messages (topic_id, timestamp, data) VALUES (?, ?, ?)'


@pytest.mark.parametrize('mode', ['WAL', 'DELETE'])
def test_the_log_of_a_killed_recorder_is_read(tmp_path: Path, mode: str) -> None:
    """By both readers, in folder and file, and the recording itself is left as it is."""
    bag = killed(tmp_path, mode)
    assert len(list(bag.glob('whole.db3-*'))) == 1
    before = {file.name: file.read_bytes() for file in bag.iterdir()}
    assert read(bag) == (ALL, [])
    assert read(bag / 'whole.db3') == (ALL, [])
    assert read_with_bag(bag) == read_with_bag(bag / 'whole.db3') == ALL
    assert {file.name: file.read_bytes() for file in bag.iterdir()} == before
    (bag / 'metadata.yaml').unlink()
    found, [reason] = read(bag)
    assert found == ALL and 'missing' in reason


def in_files(path: Path, storage: str = 'mcap') -> Path:
    """Write three drives as the files of one recording, all in its metadata.yaml."""
    target = path / 'bag'
    target.mkdir()
    end = 'mcap' if storage == 'mcap' else 'db3'
    for number in range(3):
        drive = write_drive(path / f'bag_{number}', FRAMES, storage=storage)
        shutil.copyfile(drive / f'bag_{number}.{end}', target / f'bag_{number}.{end}')
        shutil.copyfile(drive / 'metadata.yaml', target / 'metadata.yaml')

    def all_files(about: dict[str, Any]) -> None:
        about['relative_file_paths'] = [f'bag_{number}.{end}' for number in range(3)]
        for entry in about['topics_with_message_count']:
            entry['message_count'] = 3 * FRAMES

    change_metadata(target, all_files)
    return target


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
@pytest.mark.parametrize('named', [(0,), (0, 2), (2,)])
def test_files_that_metadata_does_not_name_are_read(
    tmp_path: Path, storage: str, named: tuple[int, ...]
) -> None:
    """And it is said how many; a file of another recording is left alone."""
    bag = in_files(tmp_path, storage)
    shutil.copyfile(next(bag.glob('bag_0.*')), bag / f'other{next(bag.glob("bag_0.*")).suffix}')
    everything = {CAMERA: 3 * FRAMES, TRUTH: 3 * FRAMES}
    assert read(bag) == (everything, [])

    def only(about: dict[str, Any]) -> None:
        files = about['relative_file_paths']
        about['relative_file_paths'] = [files[number] for number in named]

    change_metadata(bag, only)
    found, [reason] = read(bag)
    assert found == everything
    assert reason == f'metadata.yaml names {len(named)} of 3 files; all were read'
    assert {t.name: t.count for t in open_recording(bag).topics} == everything


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_topic_that_metadata_does_not_list_is_read(tmp_path: Path, storage: str) -> None:
    """As a camera, too, and with its number."""
    bag = write_drive(tmp_path / 'bag', FRAMES, storage=storage)

    def without_camera(about: dict[str, Any]) -> None:
        rows = about['topics_with_message_count']
        rows[:] = [row for row in rows if row['topic_metadata']['name'] != CAMERA]

    change_metadata(bag, without_camera)
    found, [reason] = read(bag)
    assert found == ALL
    assert reason == f'metadata.yaml counts 0 messages on {CAMERA}, {FRAMES} were read'
    [camera] = choose_cameras(open_recording(bag).topics)
    assert (camera.topic, camera.count) == (CAMERA, FRAMES)
    assert read_with_bag(bag) == ALL


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
@pytest.mark.parametrize('said', [FRAMES - 2, FRAMES + 5, 0])
def test_counts_that_differ_are_said(tmp_path: Path, storage: str, said: int) -> None:
    """With both numbers; all messages are read."""
    bag = write_drive(tmp_path / 'bag', FRAMES, storage=storage)

    def other_count(about: dict[str, Any]) -> None:
        about['topics_with_message_count'][0]['message_count'] = said

    change_metadata(bag, other_count)
    found, [reason] = read(bag)
    assert found == ALL
    assert reason.endswith(f'counts {said} messages on {CAMERA}, {FRAMES} were read')


QOS = [
    '',
    [],
    '- history: 3\n  depth: 0\n  reliability: 1\n  durability: 2\n',
    '- history: keep_last\n  depth: 10\n  reliability: reliable\n  durability: volatile\n',
    [{'history': 'unknown', 'depth': 0, 'reliability': 'best_effort', 'durability': 'volatile'}],
]


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
@pytest.mark.parametrize('number', range(len(QOS)))
def test_the_spelling_of_qos_hides_no_message(tmp_path: Path, storage: str, number: int) -> None:
    """Neither does a digest of the type that the file does not have."""
    bag = write_drive(tmp_path / 'bag', FRAMES, storage=storage)
    time = {'sec': 9223372036, 'nsec': 854775807}
    rest = {
        'deadline': time, 'lifespan': time, 'liveliness': 1, 'liveliness_lease_duration': time,
        'avoid_ros_namespace_conventions': False,
    }  # fmt: skip

    def other_qos(about: dict[str, Any]) -> None:
        for entry in about['topics_with_message_count']:
            profiles = QOS[number]
            if isinstance(profiles, str):
                profiles = yaml.safe_load(profiles) or []
            profiles = [{**profile, **rest} for profile in profiles]
            entry['topic_metadata']['offered_qos_profiles'] = (
                yaml.safe_dump(profiles) if isinstance(QOS[number], str) and profiles else profiles
            )
            entry['topic_metadata']['type_description_hash'] = 'RIHS01_' + '0' * 64

    change_metadata(bag, other_qos)
    assert read(bag) == (ALL, [])
    assert read_with_bag(bag) == ALL


@pytest.mark.parametrize('has_metadata', ['long', 'short', 'none'])
@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_short_type_names_are_those_of_messages(
    tmp_path: Path, storage: str, has_metadata: str
) -> None:
    """`sensor_msgs/CompressedImage`, in the file alone or in metadata.yaml, too."""
    bag = write_drive(tmp_path / 'bag', FRAMES, storage=storage)
    if storage == 'mcap':
        with Bag(bag) as source:
            images = [pixels for _, pixels in source.images(CAMERA)]
        write_short(bag / 'bag.mcap')
    else:
        with Bag(bag) as source:
            images = [pixels for _, pixels in source.images(CAMERA)]
        base = sqlite3.connect(bag / 'bag.db3')
        base.execute("UPDATE topics SET type = 'sensor_msgs/CompressedImage'")
        base.commit()
        base.close()
    if has_metadata == 'short':
        text = (bag / 'metadata.yaml').read_text()
        (bag / 'metadata.yaml').write_text(text.replace('sensor_msgs/msg/', 'sensor_msgs/'))
    path = bag if has_metadata != 'none' else next(bag.glob('bag.*'))
    assert read(path) == (ALL, [])
    assert read_with_bag(path) == ALL
    [camera] = choose_cameras(open_recording(path).topics)
    assert camera.message_type == 'sensor_msgs/msg/CompressedImage'
    with Bag(path) as found:
        again = [pixels for _, pixels in found.images(CAMERA)]
    assert all((one == other).all() for one, other in zip(images, again, strict=True))


def write_short(path: Path) -> None:
    """Write an MCAP file again, without chunks or index, its types in the short form."""
    import struct

    with Bag(path) as bag:
        rows = [(m.topic, m.time_ns, m.data) for m in bag.raw()]

    def text(value: str) -> bytes:
        return struct.pack('<I', len(value.encode())) + value.encode()

    def record(kind: int, body: bytes) -> bytes:
        return struct.pack('<BQ', kind, len(body)) + body

    magic = b'\x89MCAP0\r\n'
    names = [CAMERA, TRUTH]
    parts = [magic, record(1, text('ros2') + text('another writer'))]
    schema = struct.pack('<H', 1) + text('sensor_msgs/CompressedImage') + text('ros2msg')
    parts.append(record(3, schema + text(DEFINITION)))
    for number, name in enumerate(names, start=1):
        body = struct.pack('<HH', number, 1) + text(name) + text('cdr') + struct.pack('<I', 0)
        parts.append(record(4, body))
    for topic, time_ns, data in rows:
        head = struct.pack('<HIQQ', names.index(topic) + 1, 0, time_ns, time_ns)
        parts.append(record(5, head + data))
    parts += [record(15, bytes(4)), record(2, bytes(20)), magic]
    path.write_bytes(b''.join(parts))


DEFINITION = """std_msgs/Header header
string format
uint8[] data
================================================================================
MSG: std_msgs/Header
builtin_interfaces/Time stamp
string frame_id
================================================================================
MSG: builtin_interfaces/Time
int32 sec
uint32 nanosec
"""


def test_a_log_is_checked_as_its_bag_is(tmp_path: Path) -> None:
    """A view hidden in the log is refused like one in the file."""
    bag = killed(tmp_path, 'WAL')
    base = sqlite3.connect(bag / 'whole.db3')
    base.execute('CREATE VIEW endless AS SELECT 1')
    base.commit()
    shutil.copyfile(bag / 'whole.db3-wal', tmp_path / 'log')
    base.close()
    (bag / 'whole.db3-wal').write_bytes((tmp_path / 'log').read_bytes())
    with pytest.raises(BagError, match='plain tables'):
        Bag(bag)


def order(path: Path) -> list[int]:
    """Return the recording times of a recording as it is read."""
    recording = open_recording(path)
    stream = MessageStream([recording], [topic.name for topic in recording.topics])
    times = [message.raw.time_ns for message in stream]
    assert stream.damages == []
    return times


def shifted_files(path: Path, storage: str, starts_s: list[float]) -> Path:
    """Write a recording whose files start at these times, in the order of metadata.yaml."""
    bag = in_files(path, storage)
    for number, start_s in enumerate(starts_s):
        file = next(bag.glob(f'bag_{number}.*'))
        with Bag(file) as source:
            rows = [(m.topic, m.time_ns, m.data) for m in source.raw()]
        file.unlink()
        plugin = StoragePlugin.MCAP if storage == 'mcap' else StoragePlugin.SQLITE3
        with Writer(path / f'new_{number}', version=8, storage_plugin=plugin) as writer:
            of = {
                name: writer.add_connection(
                    name, 'sensor_msgs/msg/CompressedImage', typestore=node_types()
                )
                for name in (CAMERA, TRUTH)
            }
            for topic, time_ns, data in rows:
                writer.write(of[topic], time_ns + round(start_s * 1e9), data)
        next((path / f'new_{number}').glob('new_*')).rename(file)
    return bag


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
@pytest.mark.parametrize('starts_s', [[2, 1, 0], [0, 0.25, 0.5], [0, 2, 1], [0.33, 0, 5]])
def test_files_are_read_in_the_order_of_time(
    tmp_path: Path, storage: str, starts_s: list[float]
) -> None:
    """Also where they overlap or are listed in another order; nothing is lost."""
    times = order(shifted_files(tmp_path, storage, starts_s))
    assert len(times) == 6 * FRAMES
    assert times == sorted(times)


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_packed_files_are_read_in_the_order_of_time(tmp_path: Path, storage: str) -> None:
    """As metadata.yaml tells it, since they are not unpacked for that."""
    bag = shifted_files(tmp_path, storage, [4, 2, 0])
    files = sorted(bag.glob('bag_*'))

    def packed(about: dict[str, Any]) -> None:
        about['compression_format'], about['compression_mode'] = 'zstd', 'FILE'
        about['relative_file_paths'] = [f'{file.name}.zstd' for file in files]
        about['files'] = []
        for file in files:
            with Bag(file) as source:
                first, last = source.span_ns or (0, 0)
            entry = {
                'path': f'{file.name}.zstd',
                'starting_time': {'nanoseconds_since_epoch': first},
                'duration': {'nanoseconds': last - first},
                'message_count': 2 * FRAMES,
            }
            about['files'].append(entry)

    change_metadata(bag, packed)
    for file in files:
        file.with_name(f'{file.name}.zstd').write_bytes(zstd.compress(file.read_bytes()))
        file.unlink()
    times = order(bag)
    assert len(times) == 6 * FRAMES and times == sorted(times)


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_packed_bag_that_was_unpacked_by_hand_is_read(tmp_path: Path, storage: str) -> None:
    """Its metadata.yaml still names the packed file, and some counts are zero."""
    bag = write_drive(tmp_path / 'bag', FRAMES, storage=storage)

    def packed(about: dict[str, Any]) -> None:
        [name] = about['relative_file_paths']
        about['relative_file_paths'] = [f'{name}.zstd']
        about['compression_format'], about['compression_mode'] = 'zstd', 'FILE'

    change_metadata(bag, packed)
    assert read(bag) == (ALL, [])


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
@pytest.mark.parametrize('is_packed', [False, True])
def test_counts_of_zero_hide_no_camera(tmp_path: Path, storage: str, is_packed: bool) -> None:
    """A recorder that was killed leaves them; the files are counted."""
    bag = write_drive(tmp_path / 'bag', FRAMES, storage=storage)

    def zero(about: dict[str, Any]) -> None:
        about['message_count'] = 0
        for entry in about['topics_with_message_count']:
            entry['message_count'] = 0

    change_metadata(bag, zero)
    if is_packed:
        file = next(bag.glob('bag.*'))
        file.with_name(f'{file.name}.zstd').write_bytes(zstd.compress(file.read_bytes()))
        file.unlink()
    found, [reason] = read(bag)
    assert found == ALL and f'counts 0 messages on {CAMERA}, {FRAMES} were read' in reason
    assert choose_from([open_recording(bag)]).best.count == FRAMES


@pytest.mark.parametrize('identifier', ['', 'my_plugin', None])
def test_the_storage_identifier_does_not_matter(tmp_path: Path, identifier: str | None) -> None:
    """The files tell what they are, to all commands."""
    bag = write_drive(tmp_path / 'bag', FRAMES)
    change_metadata(bag, lambda about: about.update(storage_identifier=identifier))
    assert read(bag) == (ALL, [])
    assert main(['play', str(bag), '--list']) == 0


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_renamed_file_and_files_of_macos(tmp_path: Path, storage: str) -> None:
    """The file beside metadata.yaml is read, with a word; ._ files are none."""
    bag = write_drive(tmp_path / 'bag', FRAMES, storage=storage)
    file = next(bag.glob('bag.*'))
    (bag / f'._{file.name}').write_bytes(b'Mac OS X        ')
    assert read(bag) == (ALL, [])
    file.rename(bag / f'drive in rain{file.suffix}')
    found, [reason] = read(bag)
    assert found == ALL
    assert f'names bag{file.suffix}, which is missing; drive in rain{file.suffix}' in reason
    (bag / 'metadata.yaml').unlink()
    found, [reason] = read(bag)
    assert found == ALL and 'is missing' in reason


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_difference_in_one_file_does_not_end_the_others(tmp_path: Path, storage: str) -> None:
    """Counted by the file itself, or damaged by nobody: all later files are read."""
    bag = in_files(tmp_path, storage)
    change_metadata(
        bag,
        lambda about: about['topics_with_message_count'].__delitem__(0),
    )
    found, [reason] = read(bag)
    assert found == {CAMERA: 3 * FRAMES, TRUTH: 3 * FRAMES}
    assert f'counts 0 messages on {CAMERA}, {3 * FRAMES} were read' in reason


@pytest.mark.needs('ros')
@pytest.mark.parametrize('change', ['fewer', 'unlisted', 'sound'])
def test_play_reads_everything_and_says_differences(
    tmp_path: Path,
    change: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With numbers and exit code 3; the parent of a player is told."""
    from hiseg_ros.ros.harness import playback

    bag = write_drive(tmp_path / 'bag', FRAMES)

    def other(about: dict[str, Any]) -> None:
        if change == 'fewer':
            about['topics_with_message_count'][0]['message_count'] = 3
        elif change == 'unlisted':
            del about['topics_with_message_count'][0]

    change_metadata(bag, other)
    played: Counter[str] = Counter()

    def play(rounds: Any, plan: Any, stop: Any, tell: Any) -> None:
        for messages in rounds:
            played.update(message.topic for message in messages)
        tell('played', playback.Played(frames=FRAMES, rounds=1))

    monkeypatch.setattr(playback, 'play_bag', play)
    expected = 0 if change == 'sound' else 3
    said = {'fewer': 'counts 3', 'unlisted': 'counts 0', 'sound': 'Replayed once'}[change]
    assert main(['play', str(bag)]) == expected
    assert said in capsys.readouterr().out
    assert played == ALL
    monkeypatch.setattr('sys.stdin', open(os.devnull))  # noqa: SIM115  closed at the end
    assert main(['play', str(bag), '--child']) == 0
    [event] = map(json.loads, capsys.readouterr().out.splitlines())
    assert len(event['damages']) == (change != 'sound')


@pytest.mark.needs('torch')
def test_evaluate_reads_everything_and_says_differences(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 3, the numbers on standard error, and the same scores."""
    source, output = write_drive(tmp_path / 'bag', FRAMES), tmp_path / 'out'
    replay(source, output, truth=TRUTH)
    bag, file = output / 'replay.mcap', tmp_path / 'mapping.yaml'
    rows = [
        {'id': label.label_id, 'name': label.name, 'nodes': [label.name]}
        for label in mapping(tree()).labels
    ]
    file.write_text(yaml.safe_dump({'name': 'drawn', 'labels': rows, 'unlabeled': [255]}))
    command = ['evaluate', '--dataset', 'recording', '--root', str(bag)]
    command += ['--mapping', str(file), '--ground-truth', TRUTH]
    assert main(command) == 0
    whole = json.loads(capsys.readouterr().out)

    def without_truth(about: dict[str, Any]) -> None:
        rows = about['topics_with_message_count']
        rows[:] = [row for row in rows if row['topic_metadata']['name'] != TRUTH]

    change_metadata(bag, without_truth)
    assert main(command) == 3
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert f'counts 0 messages on {TRUTH}, {FRAMES} were read' in said.err
    assert len(found.pop('damages')) == 1 and found == whole
