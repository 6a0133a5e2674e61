# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Videos and Foxglove's image messages in recordings are cameras like others."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from replay_support import SIZE, drive, replay
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore
from test_other_files import FORMS, Form, channel, schema, write_mcap

from hiseg_ros.bags import converted
from hiseg_ros.bags.cameras import choose_from
from hiseg_ros.bags.footage import EPOCH_NS
from hiseg_ros.bags.foxglove import DEFINITIONS, IMAGE, PACKET, RAW, VIDEO, cdr_of
from hiseg_ros.bags.message_stream import MessageStream
from hiseg_ros.bags.recording import open_recording
from hiseg_ros.bags.stamps import header_stamp_ns
from hiseg_ros.cli.__main__ import main
from hiseg_ros.errors import BagError
from hiseg_ros.images.image_message import rgb_of

FRAMES = 12
TOPIC = '/front/image_raw/ffmpeg'


def packets(encoder: str = 'libx264', key_every: int = 5) -> list[bytes]:
    """Return the packets of a drawn drive, nearly without loss."""
    codec = av.CodecContext.create(encoder, 'w')
    codec.height, codec.width, codec.pix_fmt = (*SIZE, 'yuv420p')
    codec.time_base, codec.gop_size = Fraction(1, 10), key_every
    codec.options = {'tune': 'zerolatency', 'preset': 'veryfast', 'crf': '2'}
    found: list[bytes] = []
    for number, frame in enumerate(drive(FRAMES)):
        image = av.VideoFrame.from_ndarray(frame.rgb, format='rgb24')
        image.pts, image.time_base = number, codec.time_base
        found += [bytes(packet) for packet in codec.encode(image)]
    return found + [bytes(packet) for packet in codec.encode(None)]


def types_of() -> Typestore:
    store = get_typestore(Stores.ROS2_JAZZY)
    for name, definition in DEFINITIONS.items():
        store.register(get_types_from_msg(definition.data, name))
    return store


def time_ns(number: int) -> int:
    return EPOCH_NS + number * 10**8


def message(store: Typestore, kind: str, number: int, data: bytes, form: str) -> Any:
    """Return a message with a packet or image."""
    stamp = store.types['builtin_interfaces/msg/Time'](*divmod(time_ns(number), 10**9))
    pixels = np.frombuffer(data, np.uint8)
    if kind == PACKET:
        header = store.types['std_msgs/msg/Header'](stamp, 'cam')
        return store.types[kind](header, SIZE[1], SIZE[0], form, number, 0, False, pixels)
    if kind == RAW:
        return store.types[kind](stamp, 'cam', SIZE[1], SIZE[0], form, SIZE[1] * 3, pixels)
    return store.types[kind](stamp, 'cam', pixels, form)


def write(path: Path, kind: str, content: list[bytes], form: str, storage: str = 'mcap') -> Path:
    """Write a bag with one topic of such messages."""
    store = types_of()
    plugin = StoragePlugin.MCAP if storage == 'mcap' else StoragePlugin.SQLITE3
    with Writer(path, version=8, storage_plugin=plugin) as writer:
        connection = writer.add_connection(TOPIC, kind, typestore=store)
        for number, data in enumerate(content):
            packed = store.serialize_cdr(message(store, kind, number, data, form), kind)
            writer.write(connection, time_ns(number), packed)
    return path


def check(path: Path, first: int = 0) -> list[str]:
    """Check the images of a recording against the drive; return the reasons of its damages."""
    recording = open_recording(path)
    assert choose_from([recording]).best.topic == TOPIC
    stream = MessageStream([recording], [TOPIC])
    found = [(one.raw.time_ns, one.decode()) for one in stream]
    frames = list(drive(FRAMES))[first:]
    for number, ((recorded_ns, image), frame) in enumerate(zip(found, frames, strict=True), first):
        assert recorded_ns == header_stamp_ns(image) == time_ns(number)
        assert image.header.frame_id == 'cam'
        assert np.abs(rgb_of(image).astype(int) - frame.rgb).mean() < 12
    return [damage.reason for damage in stream.damages]


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
@pytest.mark.parametrize(
    ('kind', 'encoder', 'form'),
    [
        (VIDEO, 'libx264', 'h264'),
        (VIDEO, 'libx265', 'h265'),
        (PACKET, 'libx264', 'libx264'),
        (PACKET, 'libx264', 'h264_nvenc;yuv420p;bgr8;bgr8'),
        (PACKET, 'libx265', 'hevc_vaapi'),
    ],
)
def test_the_frames_of_a_video_are_images(
    tmp_path: Path, kind: str, encoder: str, form: str, storage: str
) -> None:
    """With stamp, frame and recording time of their packets."""
    assert check(write(tmp_path / 'bag', kind, packets(encoder), form, storage)) == []


def test_foxglove_images_are_images(tmp_path: Path) -> None:
    """Compressed and raw."""
    jpegs, raws = [], []
    for frame in drive(FRAMES):
        bgr = cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2BGR)
        jpegs.append(cv2.imencode('.jpg', bgr)[1].tobytes())
        raws.append(frame.rgb.tobytes())
    assert check(write(tmp_path / 'jpeg', IMAGE, jpegs, 'jpeg')) == []
    assert check(write(tmp_path / 'raw', RAW, raws, 'rgb8')) == []


def test_packets_before_a_key_frame_are_counted(tmp_path: Path) -> None:
    """The images behind it are read, with their own stamps."""
    store, path = types_of(), tmp_path / 'bag'
    with Writer(path, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection(TOPIC, VIDEO, typestore=store)
        for number, data in list(enumerate(packets()))[2:]:
            packed = store.serialize_cdr(message(store, VIDEO, number, data, 'h264'), VIDEO)
            writer.write(connection, time_ns(number), packed)
    [reason] = check(path, first=5)
    assert reason.startswith(f'3 packets of the video on {TOPIC} gave no image')


@pytest.mark.parametrize('form', ['h264', 'theora', ''])
def test_what_is_no_video_is_damage(tmp_path: Path, form: str) -> None:
    """Rubbish, and formats without a decoder."""
    rubbish = [bytes(range(50))] * 4
    recording = open_recording(write(tmp_path / 'bag', VIDEO, rubbish, form))
    stream = MessageStream([recording], [TOPIC])
    assert list(stream) == []
    [damage] = stream.damages
    assert '4 packets' in damage.reason and 'expected' in damage.reason


def test_a_video_is_replayed_and_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a camera of compressed images; a replay that goes on has the same results."""
    bag = write(tmp_path / 'bag', VIDEO, packets(), 'h264')
    metrics = replay(bag, tmp_path / 'out')
    assert metrics['cameras'][0]['frames'] == FRAMES and not metrics['damages']
    again = replay(bag, tmp_path / 'again')
    assert again['cameras'] == metrics['cameras']
    assert main(['play', str(bag), '--list']) == 0
    assert f'{TOPIC} -> /camera/image_raw/compressed' in capsys.readouterr().out


def test_without_pyav_a_video_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to install."""
    bag = write(tmp_path / 'bag', PACKET, packets(), 'libx264')
    monkeypatch.setattr(converted, 'has_video', lambda: False)
    with pytest.raises(BagError, match=r'pip install av'):
        choose_from([open_recording(bag)])


def protobuf(number: int, data: bytes, form: str) -> bytes:
    """Return a foxglove.CompressedVideo."""

    def field(key: int, value: bytes) -> bytes:
        length, size = b'', len(value)
        while size >= 128:
            length, size = length + bytes([size & 127 | 128]), size >> 7
        return bytes([key << 3 | 2]) + length + bytes([size]) + value

    def varint(key: int, value: int) -> bytes:
        out = bytes([key << 3])
        while value >= 128:
            out, value = out + bytes([value & 127 | 128]), value >> 7
        return out + bytes([value])

    seconds, nanoseconds = divmod(time_ns(number), 10**9)
    stamp = varint(1, seconds) + varint(2, nanoseconds)
    unknown = bytes([9 << 3 | 5]) + struct.pack('<f', 1.5) + bytes([10 << 3 | 1]) + bytes(8)
    return (field(1, stamp) + field(2, b'cam') + unknown + field(3, data)
            + field(4, form.encode()))  # fmt: skip


@pytest.mark.parametrize('form', [FORMS[0], FORMS[1], FORMS[5], Form(profile='')], ids=str)
def test_foxglove_protobuf_is_read(tmp_path: Path, form: Form) -> None:
    """Whatever the file is like."""
    definitions = schema(1, 'foxglove.CompressedVideo', 'protobuf', b'\n\xff\xfe')
    definitions += channel(1, 1, TOPIC, 'protobuf')
    rows = [(1, time_ns(n), protobuf(n, data, 'h264')) for n, data in enumerate(packets())]
    path = tmp_path / 'drive.mcap'
    write_mcap(path, form, definitions, rows)
    assert check(path) == []


def test_damaged_protobuf_is_one_error() -> None:
    """Cut anywhere, or changed."""
    whole, rng = protobuf(0, bytes(300), 'h264'), np.random.default_rng(1)
    for _ in range(300):
        data = bytearray(whole[: int(rng.integers(len(whole) + 1))])
        if data:
            data[int(rng.integers(len(data)))] ^= int(rng.integers(1, 256))
        try:
            cdr_of(VIDEO, bytes(data))
        except ValueError:
            pass
