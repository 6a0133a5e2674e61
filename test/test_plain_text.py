# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Names from bags, messages and files cannot steer the terminal that they are printed on."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from hiseg_ros.errors import BagError, HisegError
from hiseg_ros.plain_text import PlainStream, printable

HOSTILE = ['\x1b[2J', '\x1b]0;title\x07', '\x9b31m', '\rhiseg: fine', '\x08\x08', '\x00',
           '\u202etxt', '\u2028line', '\x7f', '\x85', '\x1bP+q\x1b\\', '\x0e']  # fmt: skip


def steers(text: str) -> bool:
    return any(not c.isprintable() and c not in '\n\t' for c in text)


@pytest.mark.parametrize('name', HOSTILE)
def test_what_steers_is_written_out(name: str) -> None:
    assert not steers(printable(f'/camera{name}/image'))
    assert not steers(str(BagError(f'There is no {name}.')))
    assert not steers(str(HisegError(name)))


@pytest.mark.parametrize('name', HOSTILE)
def test_nothing_that_a_command_prints_steers(name: str) -> None:
    target = io.StringIO()
    stream = PlainStream(target)
    print(f'topic {name} of', f'a{name}b', file=stream)
    assert not steers(target.getvalue())
    assert target.getvalue().endswith('b\n')


def test_ordinary_text_stays_as_it_is() -> None:
    text = 'Größe 図 µm\tx\nsecond — line 😀'
    assert printable(text) == text
    assert len(printable('\x1b[0m')) == len(r'\x1b[0m')


def test_progress_bars_work() -> None:
    from tqdm import tqdm

    target = io.StringIO()
    with tqdm(total=3, file=PlainStream(target), mininterval=0) as bar:
        bar.update(3)
    assert '\r' in target.getvalue()
    assert '\\r' not in target.getvalue()


def test_errors_of_a_command_are_plain(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from hiseg_ros.cli.__main__ import main

    for name in HOSTILE:
        if '\x00' not in name:
            assert main(['play', str(tmp_path / f'bag{name}'), '--list']) == 2
            assert main(['taxonomy', 'check', f'/{name}.yaml']) == 2
    found = capsys.readouterr()
    assert not steers(found.out + found.err)


@pytest.mark.parametrize('name', HOSTILE[:5])
def test_topics_of_a_bag_are_listed_plainly(
    name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    from hiseg_ros.cli.__main__ import main

    store = get_typestore(Stores.ROS2_JAZZY)
    kinds = store.types
    stamp = kinds['builtin_interfaces/msg/Time'](1, 0)
    header = kinds['std_msgs/msg/Header'](stamp, f'frame{name}')
    import numpy as np

    data = np.arange(12, dtype=np.uint8).repeat(16)
    image = kinds['sensor_msgs/msg/Image'](header, 8, 8, 'rgb8', 0, 24, data)
    with Writer(tmp_path / 'bag', version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        topic = writer.add_connection(f'/cam{name}/image', image.__msgtype__, typestore=store)
        writer.write(topic, 1, store.serialize_cdr(image, image.__msgtype__))
    main(['play', str(tmp_path / 'bag'), '--list'])
    found = capsys.readouterr()
    assert '/cam' in found.out + found.err
    assert not steers(found.out + found.err)
