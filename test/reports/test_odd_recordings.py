# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Reports of recordings with shifted ground truth or missing files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from replay_support import CAMERA, TRUTH, drive, mapping, records, replay, tree, write_drive
from rosbags.rosbag2 import StoragePlugin, Writer

from hiseg_ros.bags.bag import Bag
from hiseg_ros.bags.builder import messages
from hiseg_ros.bags.hiseg_types import node_types
from hiseg_ros.bags.recording import open_recording
from hiseg_ros.errors import BagError
from hiseg_ros.replay.fingerprint import recording_facts
from hiseg_ros.replay.mapping_facts import mapping_facts
from hiseg_ros.reports.replay_page import write_report
from hiseg_ros.reports.replay_page.frame_source import FrameSource, ShotTopics

FRAMES = 6
COMPRESSED, IMAGE = 'sensor_msgs/msg/CompressedImage', 'sensor_msgs/msg/Image'
PLAIN_TRUTH = '/ground_truth/node_ids'


def with_shifted_truth(path: Path, shift_ns: int, kind: str) -> tuple[Path, str]:
    """Write a drive whose ground truth was recorded earlier or later; return it and the topic."""
    source = write_drive(path / 'source', FRAMES)
    topic = TRUTH if kind == COMPRESSED else PLAIN_TRUTH
    types, labels = node_types(), [frame.labels for frame in drive(FRAMES)]
    target = path / 'bag'
    rows: list[tuple[int, str, bytes]] = []
    with Bag(source) as bag:
        rows += [(m.time_ns, CAMERA, m.data) for m in bag.raw([CAMERA])]
        for number, message in enumerate(list(bag.raw([TRUTH]))):
            data = message.data
            if kind == IMAGE:
                image = messages.image_message(
                    messages.header(message.time_ns, 'camera'), labels[number]
                )
                data = bytes(types.serialize_cdr(image, IMAGE))
            rows.append((message.time_ns + shift_ns, topic, data))
    with Writer(target, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        of = {
            CAMERA: writer.add_connection(CAMERA, COMPRESSED, typestore=types),
            topic: writer.add_connection(topic, kind, typestore=types),
        }
        for time_ns, name, data in sorted(rows):
            writer.write(of[name], time_ns, data)
    return target, topic


@pytest.mark.needs('torch')
@pytest.mark.parametrize('kind', [COMPRESSED, IMAGE])
@pytest.mark.parametrize('shift_ms', [-1500, -3, 3, 40, 1500])
def test_ground_truth_recorded_beside_its_image_is_scored_and_shown(
    tmp_path: Path, kind: str, shift_ms: int
) -> None:
    """Up to 2 s before or after the image, as PNG and as mono8."""
    bag, topic = with_shifted_truth(tmp_path, shift_ms * 1_000_000, kind)
    output = tmp_path / 'out'
    facts = {'ground_truth': topic, 'mapping': mapping_facts(mapping(tree()))}
    metrics = replay(bag, output, truth=topic, facts=facts)
    assert metrics['scores']['frames_with_truth'] == FRAMES
    row = records(output)[2]
    with FrameSource(output / 'replay.mcap') as source:
        topics = ShotTopics(CAMERA, '/segmentation', topic)
        shot = source.shot(topics, row['time_ns'], row['stamp_ns'])
    assert shot.rgb is not None and shot.rgb.ndim == 3
    assert shot.truth is not None and shot.labels is not None
    np.testing.assert_array_equal(shot.truth, list(drive(FRAMES))[2].labels)
    assert write_report(output).stat().st_size > 10_000


def in_parts(path: Path, parts: int = 3) -> Path:
    """Write a drive as a recording of several files."""
    source = write_drive(path / 'source', FRAMES)
    target, abouts = path / 'bag', []
    target.mkdir()
    with Bag(source) as bag:
        rows: list[Any] = list(bag.raw())
    size = len(rows) // parts
    for part in range(parts):
        folder = path / f'part_{part}'
        with Writer(folder, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
            of = {
                name: writer.add_connection(name, COMPRESSED, typestore=node_types())
                for name in (CAMERA, TRUTH)
            }
            for row in rows[part * size : (part + 1) * size]:
                writer.write(of[row.topic], row.time_ns, row.data)
        abouts.append(yaml.safe_load((folder / 'metadata.yaml').read_text()))
        (folder / f'part_{part}.mcap').rename(target / f'part_{part}.mcap')
    about = abouts[0]['rosbag2_bagfile_information']
    about['relative_file_paths'] = [f'part_{part}.mcap' for part in range(parts)]
    about['message_count'] = len(rows)
    for entry in about['topics_with_message_count']:
        entry['message_count'] = FRAMES
    (target / 'metadata.yaml').write_text(yaml.safe_dump(abouts[0]))
    return target


@pytest.mark.needs('torch')
@pytest.mark.parametrize('missing', [(1,), (2,), (1, 2)])
def test_the_report_names_missing_files(tmp_path: Path, missing: tuple[int, ...]) -> None:
    """The replay ends at the first gap, which is listed as damage."""
    bag = in_parts(tmp_path)
    for part in missing:
        (bag / f'part_{part}.mcap').unlink()
    output = tmp_path / 'out'
    facts = {'recordings': [recording_facts(open_recording(bag))]}
    metrics = replay(bag, output, facts=facts)
    assert metrics['damage'][0]['file'] == f'part_{missing[0]}.mcap'
    assert metrics['damage'][0]['reason'].startswith('the file is missing')
    assert metrics['cameras'][0]['frames'] == FRAMES // 3 * missing[0]
    page = write_report(output).read_text('utf-8')
    for part in range(3):
        assert (f'part_{part}.mcap, missing<' in page) == (part in missing)


def test_a_recording_without_its_first_file_has_no_image(tmp_path: Path) -> None:
    """One sentence that names the missing file."""
    bag = in_parts(tmp_path)
    (bag / 'part_0.mcap').unlink()
    with pytest.raises(BagError, match=r'No image of .* part_0\.mcap.*the file is missing'):
        replay(bag, tmp_path / 'out')
