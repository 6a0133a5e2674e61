# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Sound recordings of other writers: MCAP of every kind, and bags of ROS 1."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lz4.frame
import numpy as np
import pytest
from replay_support import CAMERA, TRUTH, drive, replay, write_drive
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.typesys import Stores, get_typestore

from hiseg_ros.bags.bag import Bag, read_images
from hiseg_ros.bags.cameras import choose_from
from hiseg_ros.bags.compression import zstd
from hiseg_ros.bags.footage import EPOCH_NS
from hiseg_ros.bags.message_stream import MessageStream
from hiseg_ros.bags.recording import open_recording
from hiseg_ros.cli.__main__ import main
from hiseg_ros.errors import BagError

FRAMES = 9
KIND = 'sensor_msgs/msg/CompressedImage'
MAGIC = b'\x89MCAP0\r\n'


@dataclass(frozen=True)
class Form:
    """How an MCAP file is written."""

    profile: str = 'ros2'
    is_chunked: bool = True
    has_message_index: bool = True
    has_summary: bool = True
    has_statistics: bool = True
    has_repeated_channels: bool = True
    compression: str = ''
    overlap: bool = False
    has_checksum: bool = False


def text(value: str) -> bytes:
    return struct.pack('<I', len(value.encode())) + value.encode()


def record(kind: int, body: bytes) -> bytes:
    return struct.pack('<BQ', kind, len(body)) + body


def schema(number: int, name: str, encoding: str, data: bytes) -> bytes:
    body = struct.pack('<H', number) + text(name) + text(encoding)
    return record(3, body + struct.pack('<I', len(data)) + data)


def channel(number: int, schema_id: int, topic: str, encoding: str) -> bytes:
    body = struct.pack('<HH', number, schema_id) + text(topic) + text(encoding)
    return record(4, body + struct.pack('<I', 0))


Rows = list[tuple[int, int, bytes]]
"""Channel, recording time and data of each message."""


def write_mcap(path: Path, form: Form, definitions: bytes, rows: Rows) -> None:
    """Write an MCAP file; definitions are its schemas and channels."""
    body = MAGIC + record(1, text(form.profile) + text('a test'))
    pieces = [
        record(5, struct.pack('<HIQQ', number, 0, time_ns, time_ns) + data)
        for number, time_ns, data in rows
    ]
    indexes: list[bytes] = []
    if not form.is_chunked:
        body += definitions + b''.join(pieces)
    parts = [range(0, len(rows), 2), range(1, len(rows), 2)] if form.overlap else [
        range(start, min(start + 4, len(rows))) for start in range(0, len(rows), 4)
    ]  # fmt: skip
    for order, numbers in enumerate(parts if form.is_chunked else []):
        content = (definitions if not order else b'') + b''.join(pieces[n] for n in numbers)
        packed = {
            '': lambda data: data, 'zstd': zstd.compress, 'lz4': lz4.frame.compress
        }[form.compression](content)  # fmt: skip
        times = [rows[number][1] for number in numbers]
        checksum = zlib.crc32(content) if form.has_checksum else 0
        head = struct.pack('<QQQI', min(times), max(times), len(content), checksum)
        chunk = record(6, head + text(form.compression) + struct.pack('<Q', len(packed)) + packed)
        start, offsets, index = len(body), b'', b''
        if form.has_message_index:
            for number in sorted({rows[n][0] for n in numbers}):
                offsets += struct.pack('<HQ', number, start + len(chunk) + len(index))
                entries = b''.join(
                    struct.pack('<QQ', rows[n][1], 0) for n in numbers if rows[n][0] == number
                )
                index += record(7, struct.pack('<HI', number, len(entries)) + entries)
        body += chunk + index
        about = struct.pack('<QQQQ', min(times), max(times), start, len(chunk))
        about += struct.pack('<I', len(offsets)) + offsets + struct.pack('<Q', len(index))
        about += text(form.compression) + struct.pack('<QQ', len(packed), len(content))
        indexes.append(record(8, about))
    body += record(15, bytes(4))
    start = 0
    if form.has_summary:
        start = len(body)
        body += (definitions if form.has_repeated_channels else b'') + b''.join(indexes)
        if form.has_statistics:
            counts = Counter(number for number, _, _ in rows)
            packed = b''.join(struct.pack('<HQ', *pair) for pair in sorted(counts.items()))
            times = [time_ns for _, time_ns, _ in rows]
            about = struct.pack('<QHIIIIQQ', len(rows), 1, len(counts), 0, 0, len(indexes),
                                min(times), max(times))  # fmt: skip
            body += record(11, about + struct.pack('<I', len(packed)) + packed)
    path.write_bytes(body + record(2, struct.pack('<QQI', start, 0, 0)) + MAGIC)


@pytest.fixture(scope='module')
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a sound drive."""
    return write_drive(tmp_path_factory.mktemp('sound') / 'bag', FRAMES)


def sound(source: Path) -> tuple[bytes, Rows]:
    """Return the definitions and messages of a drive."""
    with Bag(source) as bag:
        [image] = {c.msgdef.data for c in bag.connections}
        rows = [((CAMERA, TRUTH).index(m.topic) + 1, m.time_ns, m.data) for m in bag.raw()]
    definitions = schema(1, KIND, 'ros2msg', image.encode())
    for number, topic in enumerate((CAMERA, TRUTH), start=1):
        definitions += channel(number, 1, topic, 'cdr')
    return definitions, rows


FORMS = [
    Form(),
    Form(has_message_index=False),
    Form(has_message_index=False, compression='zstd', has_checksum=True),
    Form(has_message_index=False, compression='lz4', overlap=True),
    Form(has_message_index=False, has_statistics=False),
    Form(has_summary=False),
    Form(has_summary=False, overlap=True, compression='zstd'),
    Form(is_chunked=False),
    Form(is_chunked=False, has_summary=False),
    Form(profile=''),
    Form(profile='', is_chunked=False),
    Form(profile='x-own', has_message_index=False, has_repeated_channels=False),
    Form(has_repeated_channels=False, has_statistics=False),
    Form(overlap=True, has_checksum=True),
]

OTHERS = [
    (b'', []),
    (schema(7, 'foxglove.Log', 'protobuf', bytes(range(256))), ['protobuf']),
    (schema(7, 'Log', 'jsonschema', b'{"type": "object"}'), ['json']),
    (schema(7, 'Log', 'flatbuffer', b'\xff\xfe\0\1BFBS'), ['flatbuffer']),
    (b'', ['json']),
    (schema(7, 'a/B', 'unheard', b''), ['', 'cbor', 'msgpack']),
]


@pytest.mark.parametrize('form', FORMS, ids=str)
@pytest.mark.parametrize('number', range(len(OTHERS)))
def test_sound_mcap_is_read_whole(tmp_path: Path, source: Path, form: Form, number: int) -> None:
    """In the order of time, whatever else is in it; nothing is called damaged."""
    definitions, rows = sound(source)
    other_schema, encodings = OTHERS[number]
    definitions += other_schema
    for extra, encoding in enumerate(encodings):
        definitions += channel(8 + extra, 7 if other_schema else 0, f'/log{extra}', encoding)
        rows += [(8 + extra, EPOCH_NS + 10**7 * n, b'{"a": 1}') for n in range(5)]
    rows.sort(key=lambda row: row[1])
    path = tmp_path / 'drive.mcap'
    write_mcap(path, form, definitions, rows)
    recording = open_recording(path)
    counts = {t.name: t.count for t in recording.topics if t.is_image}
    assert counts == {CAMERA: FRAMES, TRUTH: FRAMES}
    others = {t.name: t.message_type for t in recording.topics if not t.is_image}
    assert len(others) == len(encodings)
    assert all(encoding in kind for encoding, kind in zip(encodings, others.values(), strict=True))
    stream = MessageStream([recording], [topic.name for topic in recording.topics])
    found = [(m.raw.topic, m.raw.time_ns, m.raw.data) for m in stream]
    with Bag(source) as bag:
        expected = [(m.topic, m.time_ns, m.data) for m in bag.raw()]
    assert sorted(found) == sorted(expected)
    assert [time_ns for _, time_ns, _ in found] == sorted(time_ns for _, time_ns, _ in expected)
    assert stream.damages == []
    assert choose_from([recording]).best.topic == CAMERA
    images = list(read_images(path, CAMERA))
    assert len(images) == FRAMES


def test_a_camera_in_another_encoding_is_named(tmp_path: Path, source: Path) -> None:
    """With what can be done."""
    _, rows = sound(source)
    definitions = schema(1, 'acme.CameraImage', 'protobuf', b'\n\xff')
    definitions += channel(1, 1, '/front', 'protobuf') + channel(2, 1, '/rear', 'protobuf')
    path = tmp_path / 'drive.mcap'
    write_mcap(path, Form(), definitions, rows)
    with pytest.raises(
        BagError, match=r'no camera.*/front \(acme.CameraImage \(protobuf'
    ) as caught:
        choose_from([open_recording(path)])
    assert 'not CDR' in str(caught.value)


def test_damage_is_still_found(tmp_path: Path, source: Path) -> None:
    """A cut file, and a changed chunk of a file with a checksum."""
    definitions, rows = sound(source)
    path = tmp_path / 'drive.mcap'
    for form in (Form(has_message_index=False, has_checksum=True), Form(profile='')):
        write_mcap(path, form, definitions, rows)
        whole = path.read_bytes()
        changed = bytearray(whole)
        changed[len(whole) // 3] ^= 255
        for data in (whole[: len(whole) // 2], whole[:-8], bytes(changed)):
            path.write_bytes(data)
            recording = open_recording(path)
            stream = MessageStream([recording], [CAMERA])
            count = len(list(stream))
            assert stream.damages or (count == FRAMES and form.profile == '')


@pytest.fixture
def ros1_rows() -> list[tuple[str, int, Any]]:
    """Return topics, times and messages of ROS 1: images, labels, camera_info and a scan."""
    types = get_typestore(Stores.ROS1_NOETIC).types
    rows: list[tuple[str, int, Any]] = []
    for number, frame in enumerate(drive(FRAMES)):
        time_ns = EPOCH_NS + number * 10**8
        stamp = types['builtin_interfaces/msg/Time'](*divmod(time_ns, 10**9))
        header = types['std_msgs/msg/Header'](seq=number, stamp=stamp, frame_id='cam')
        assert frame.labels is not None
        for topic, pixels, encoding in (
            ('/front/image_raw', frame.rgb, 'rgb8'), ('/truth', frame.labels, 'mono8'),
        ):  # fmt: skip
            height, width = pixels.shape[:2]
            message = types['sensor_msgs/msg/Image'](
                header, height, width, encoding, 0, pixels.nbytes // height, pixels.reshape(-1)
            )
            rows.append((topic, time_ns, message))
        region = types['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, False)
        info = types['sensor_msgs/msg/CameraInfo'](
            header, height, width, 'plumb_bob', np.zeros(5), np.eye(3).reshape(-1),
            np.eye(3).reshape(-1), np.arange(12.0), 1, 1, region,
        )  # fmt: skip
        rows.append(('/front/camera_info', time_ns, info))
    return rows


@pytest.mark.needs('torch')
@pytest.mark.parametrize('compression', [None, *Ros1Writer.CompressionFormat])
def test_a_bag_of_ros_1_is_read_as_it_is(
    tmp_path: Path, ros1_rows: list[tuple[str, int, Any]], compression: Any
) -> None:
    """By replay with ground truth and play; the new bag is one of ROS 2."""
    store = get_typestore(Stores.ROS1_NOETIC)
    path = tmp_path / 'drive.bag'
    writer = Ros1Writer(path)
    if compression is not None:
        writer.set_compression(compression)
    with writer:
        of = {
            topic: writer.add_connection(topic, type(message).__msgtype__, typestore=store)
            for topic, _, message in ros1_rows[:3]
        }
        for topic, time_ns, message in ros1_rows:
            data = store.serialize_ros1(message, of[topic].msgtype)
            writer.write(of[topic], time_ns, data)
    images = list(read_images(path, '/front/image_raw'))
    for number, ((stamp_ns, rgb), frame) in enumerate(zip(images, drive(FRAMES), strict=True)):
        assert stamp_ns == EPOCH_NS + number * 10**8
        np.testing.assert_array_equal(rgb, frame.rgb)
    folder = tmp_path / 'folder'
    folder.mkdir()
    (folder / 'drive_0.bag').write_bytes(path.read_bytes())
    for given in (path, folder):
        metrics = replay(given, tmp_path / f'out_{given.name}', truth='/truth')
        assert metrics['damages'] == 0 and metrics['scores']['frames_with_truth'] == FRAMES
        assert metrics['cameras'][0]['frames'] == FRAMES
    with Bag(tmp_path / 'out_folder' / 'replay.mcap') as bag:
        infos = [message for _, message in bag.messages('/front/camera_info')]
    assert len(infos) >= FRAMES - 1 and infos[0].p.tolist() == list(range(12))
    assert main(['play', str(path), '--list']) == 0


@pytest.mark.parametrize('how', ['cut', 'index', 'active'])
def test_a_damaged_bag_of_ros_1_is_one_sentence(tmp_path: Path, how: str) -> None:
    """That names the tool that repairs it."""
    store = get_typestore(Stores.ROS1_NOETIC)
    path = tmp_path / 'drive.bag'
    with Ros1Writer(path) as writer:
        kind = 'std_msgs/msg/String'
        connection = writer.add_connection('/text', kind, typestore=store)
        data = store.serialize_ros1(store.types[kind]('hello'), kind)
        writer.write(connection, 5, data)
    whole = path.read_bytes()
    if how == 'active':
        path = path.rename(tmp_path / 'drive.bag.active')
    path.write_bytes(whole if how == 'active' else whole[:-20] if how == 'index' else whole[:300])
    with pytest.raises(BagError, match=r'ROS 1.*rosbag reindex') as caught:
        open_recording(path)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('form', [Form(profile='ros1'), Form(profile='', is_chunked=False),
                                  Form(profile='ros1', has_summary=False)], ids=str)  # fmt: skip
def test_messages_of_ros_1_in_mcap_are_read(
    tmp_path: Path, ros1_rows: list[tuple[str, int, Any]], form: Form
) -> None:
    """As those of a bag of ROS 1."""
    store = get_typestore(Stores.ROS1_NOETIC)
    topics = list(dict.fromkeys(topic for topic, _, _ in ros1_rows))
    definitions, rows = b'', []
    for number, (topic, _, message) in enumerate(ros1_rows[:3], start=1):
        kind = type(message).__msgtype__
        text_of, _ = store.generate_msgdef(kind, ros_version=1)
        name = kind.replace('/msg/', '/')
        definitions += schema(number, name, 'ros1msg', text_of.encode())
        definitions += channel(number, number, topic, 'ros1')
    for topic, time_ns, message in ros1_rows:
        data = store.serialize_ros1(message, type(message).__msgtype__)
        rows.append((topics.index(topic) + 1, time_ns, bytes(data)))
    path = tmp_path / 'drive.mcap'
    write_mcap(path, form, definitions, rows)
    recording = open_recording(path)
    assert choose_from([recording], truth='/truth').best.topic == '/front/image_raw'
    stream = MessageStream([recording], topics)
    assert len(list(stream)) == len(rows) and stream.damages == []
    for (_, rgb), frame in zip(read_images(path, '/front/image_raw'), drive(FRAMES), strict=True):
        np.testing.assert_array_equal(rgb, frame.rgb)
