# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What `hiseg view` takes: several cameras, recordings of a node, damaged ones; refusals."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from replay_support import CAMERA, SIZE, replay, tree, write_drive
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore
from viewer_support import view

from hiseg_ros.bags.bag import Bag
from hiseg_ros.bags.hiseg_types import node_types
from hiseg_ros.bags.raw_message import RawMessage
from hiseg_ros.bags.recording import open_recording
from hiseg_ros.cli.__main__ import main
from hiseg_ros.errors import BagError
from hiseg_ros.viewer.cameras import find_cameras

pytestmark = pytest.mark.needs('torch')

NODE = '/segmentation'


def rewrite(
    source: Path,
    target: Path,
    names: dict[str, str],
    *,
    also: Iterable[tuple[str, str, int, Any]] = (),
    types: Typestore | None = None,
) -> Path:
    """Write a bag's topics again under other names; what has none is left out."""
    types, known, mcap = types or node_types(), node_types(), StoragePlugin.MCAP
    with Bag(source) as bag, Writer(target, version=8, storage_plugin=mcap) as writer:
        kinds = {topic.name: topic.message_type for topic in bag.topics}
        rows = [
            RawMessage(names[m.topic], m.time_ns, m.data)
            for m in bag.raw([name for name in kinds if name in names])
        ]
        new_kinds = {names[name]: kind for name, kind in kinds.items() if name in names}
        for topic, kind, time_ns, message in also:
            new_kinds[topic] = kind
            rows.append(RawMessage(topic, time_ns, bytes(types.serialize_cdr(message, kind))))
        connections = {
            topic: writer.add_connection(
                topic, kind, typestore=types if kind in types.types else known
            )
            for topic, kind in new_kinds.items()
        }
        for row in sorted(rows, key=lambda row: row.time_ns):
            writer.write(connections[row.topic], row.time_ns, row.data)
    return target


def below(node: str, *names: str) -> dict[str, str]:
    """Return the new names of a node's topics."""
    return {f'{NODE}/{name}': f'{node}/{name}' for name in names}


@pytest.fixture(scope='module')
def bag(replayed: Path) -> Path:
    return replayed / 'replay.mcap'


def test_cameras_with_equal_stamps_are_told_apart_by_their_names(
    bag: Path, tmp_path: Path
) -> None:
    """Each has its own images, and an overview shows all."""
    names = {CAMERA: '/rear/image_raw/compressed'}
    names |= below('/rear/segmentation', 'taxonomy', 'labels', 'confidence')
    rear = rewrite(bag, tmp_path / 'rear', names)
    names = {CAMERA: '/front/image_raw/compressed'}
    names |= below('/front/segmentation', 'taxonomy', 'labels', 'level_1/probabilities')
    front = rewrite(bag, tmp_path / 'front', names)
    both = tmp_path / 'both'
    both.mkdir()
    for source in (rear, front):
        shutil.copy(source / f'{source.name}.mcap', both)
    cameras = find_cameras(open_recording(both))
    assert [(c.node, c.image and c.image.name, c.levels) for c in cameras] == [
        ('/front/segmentation', '/front/image_raw/compressed', (1,)),
        ('/rear/segmentation', '/rear/image_raw/compressed', ()),
    ]
    saved = view(both, tmp_path / 'both.rrd', code=3)  # there is no metadata.yaml over both
    titles = saved.layout_values('display_name')
    assert {'all cameras', '/front/segmentation', '/rear/segmentation'} <= set(titles)
    assert len(saved.rows['/rear/segmentation/labels']) == 12


def test_one_node_may_serve_several_cameras(bag: Path, tmp_path: Path) -> None:
    """One label tree above them; labels alone, in another set of ids, are none of them."""
    names = {CAMERA: '/left/image_raw/compressed', f'{NODE}/taxonomy': f'{NODE}/taxonomy'}
    names |= below(f'{NODE}/left', 'labels', 'stats')
    names[f'{NODE}/confidence'] = f'{NODE}/cityscapes/labels'
    [camera] = find_cameras(open_recording(rewrite(bag, tmp_path / 'bag', names)))
    assert camera.node == f'{NODE}/left'
    assert camera.image is not None and camera.image.name == '/left/image_raw/compressed'
    assert camera.taxonomy.digest == tree().digest


def test_overlays_stand_in_for_images_that_were_not_recorded(bag: Path, tmp_path: Path) -> None:
    names = below(NODE, 'taxonomy', 'labels', 'overlay/image')
    saved = view(rewrite(bag, tmp_path / 'bag', names), tmp_path / 'file.rrd')
    row = saved.rows[f'{NODE}/overlay/image'][0][1]
    image = cv2.imdecode(np.array(row['blob'][0], np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (*SIZE, 3)
    assert row['media_type'] == ['image/jpeg']


def test_raw_images_keep_their_colours(tmp_path: Path) -> None:
    """They are made JPEG, red stays red."""
    replay(write_drive(tmp_path / 'bag', 2, compressed=False), tmp_path / 'out')
    saved = view(tmp_path / 'out', tmp_path / 'file.rrd')
    data = np.array(saved.rows['/camera/image_raw'][0][1]['blob'][0], np.uint8)
    with Bag(tmp_path / 'bag') as bag:
        [expected, _] = [pixels for _, pixels in bag.images('/camera/image_raw')]
    decoded = cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    assert np.abs(decoded.astype(int) - expected).mean() < 12


def test_the_times_of_a_live_node_are_curves(bag: Path, tmp_path: Path) -> None:
    with Bag(bag) as open_bag:
        time_ns, stats = next(open_bag.messages(f'{NODE}/stats'))
    stats.network_ms, stats.total_ms, stats.dropped_busy = 12.5, 20.0, 7
    live = [('/live/segmentation/stats', 'hiseg_ros/msg/FrameStats', time_ns, stats)]
    names = below('/live/segmentation', 'taxonomy', 'labels')
    path = rewrite(bag, tmp_path / 'bag', names, also=live)
    saved = view(path, tmp_path / 'file.rrd')
    assert 'times [ms]' in saved.layout_values('display_name')
    base = '/live/segmentation/stats'
    assert list(saved.scalars(f'{base}/times/network_ms').values()) == [12.5]
    assert list(saved.scalars(f'{base}/frames/dropped_busy').values()) == [7.0]
    assert f'{base}/times/decode_ms' not in saved.rows  # not measured: NaN


def test_a_recording_is_read_as_it_defines_its_messages(bag: Path, tmp_path: Path) -> None:
    """Statistics of an older version have fewer fields."""
    kind, header = 'hiseg_ros/msg/FrameStats', 'std_msgs/Header header'
    types = get_typestore(Stores.ROS2_JAZZY)
    types.register(get_types_from_msg(f'{header}\nfloat32 total_ms\nuint64 received\n', kind))
    with Bag(bag) as open_bag:
        time_ns, message = next(open_bag.messages(f'{NODE}/labels'))
    old = types.types[kind](message.header, 20.5, 3)
    stats = [(f'{NODE}/stats', kind, time_ns, old)]
    names = below(NODE, 'taxonomy', 'labels')
    path = rewrite(bag, tmp_path / 'bag', names, also=stats, types=types)
    saved = view(path, tmp_path / 'file.rrd')
    assert list(saved.scalars(f'{NODE}/stats/times/total_ms').values()) == [20.5]
    assert list(saved.scalars(f'{NODE}/stats/frames/received').values()) == [3.0]


def test_the_folder_of_a_demo_shows_its_recording(bag: Path, tmp_path: Path) -> None:
    shutil.copytree(bag, tmp_path / 'demo/recording')
    assert NODE in view(tmp_path / 'demo', tmp_path / 'file.rrd').always


def test_an_unfinished_replay_is_shown_as_far_as_it_is(replayed: Path, tmp_path: Path) -> None:
    """A look at a long replay while it runs: whole files, no metadata and no metrics yet."""
    folder = Path(shutil.copytree(replayed, tmp_path / 'out'))
    for name in ('metrics.json', 'frames.jsonl', 'replay.mcap/metadata.yaml'):
        (folder / name).unlink()
    (folder / 'replay.mcap/replay_1.mcap').unlink()
    saved = view(folder, tmp_path / 'file.rrd', code=3)
    assert 0 < len(saved.rows[CAMERA]) < 12
    assert f'{NODE}/figures/mIoU' not in saved.rows


def test_a_damaged_bag_is_shown_up_to_the_damage(
    bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(bag, tmp_path / 'bag'))
    last = sorted(folder.glob('*.mcap'))[-1]
    last.write_bytes(last.read_bytes()[: last.stat().st_size // 2])
    saved = view(folder, tmp_path / 'file.rrd', code=3)
    assert len(saved.rows[CAMERA]) >= 5
    assert 'Damage in bag: replay_2.mcap' in capsys.readouterr().out


def test_a_probability_map_of_another_size_is_passed_over(
    bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The rest is shown, and it is said."""
    name, kind = f'{NODE}/level_1/probabilities', 'hiseg_ros/msg/ProbabilityMap'
    with Bag(bag) as open_bag:
        time_ns, message = next(open_bag.messages(name))
    message.width += 1
    names = below(NODE, 'taxonomy', 'labels')
    path = rewrite(bag, tmp_path / 'bag', names, also=[(name, kind, time_ns, message)])
    saved = view(path, tmp_path / 'file.rrd', code=3)
    assert len(saved.rows[f'{NODE}/labels']) == 12
    assert 'A probability map of' in capsys.readouterr().out


def refusal(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Return the one sentence that a call ends with."""
    assert main(['view', *map(str, arguments)]) == 2
    said = capsys.readouterr().err.strip()
    assert '\n' not in said.splitlines()[-1]
    return said.splitlines()[-1]


def test_what_cannot_be_shown_is_refused_in_one_sentence(
    bag: Path, replayed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save = ('--save', tmp_path / 'file.rrd')
    assert 'There is no bag at' in refusal(capsys, tmp_path / 'nowhere', *save)
    (tmp_path / 'empty').mkdir()
    assert 'neither metadata.yaml nor a bag file' in refusal(capsys, tmp_path / 'empty', *save)
    camera_only = write_drive(tmp_path / 'camera', 2)
    assert 'holds no labels with their label tree' in refusal(capsys, camera_only, *save)
    assert 'no probabilities of level 9' in refusal(capsys, bag, '--level', 9, *save)
    assert 'ends in .rrd' in refusal(capsys, bag, '--save', tmp_path / 'file.mp4')
    (tmp_path / 'file').write_text('')
    assert 'cannot be written' in refusal(capsys, bag, '--save', tmp_path / 'file/in.rrd')
    assert 'no frame in the part' in refusal(capsys, bag, '--start', 100, *save)
    assert not (tmp_path / 'file.rrd').exists()
    folder = Path(shutil.copytree(replayed, tmp_path / 'out'))
    (folder / 'metrics.json').write_text('{')
    assert 'metrics.json cannot be read' in refusal(capsys, folder, *save)


@pytest.mark.parametrize('messages', [0, 40])
def test_a_disk_that_is_nearly_full_ends_in_one_sentence_and_leaves_no_file(
    replayed: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    messages: int,
) -> None:
    """At the start or on the way: Rerun's writer may wait for ever once it cannot write."""
    free = chain(repeat(10**9, messages), repeat(10**6))
    monkeypatch.setattr(shutil, 'disk_usage', lambda path: (10**9, 10**9, next(free)))
    assert main(['view', str(replayed), '--save', str(tmp_path / 'file.rrd')]) == 2
    assert 'has 1 MB of free space; expected at least' in capsys.readouterr().err
    assert not (tmp_path / 'file.rrd').exists()


def test_labels_whose_tree_was_not_recorded_are_refused(bag: Path, tmp_path: Path) -> None:
    """The topic may be there without its latched message."""
    path = rewrite(bag, tmp_path / 'bag', below(NODE, 'labels'))
    with pytest.raises(BagError, match='holds no labels with their label tree'):
        find_cameras(open_recording(path))
