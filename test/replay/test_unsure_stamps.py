# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Frames with zero or repeated stamps are scored against their own ground truth, or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from replay_support import CAMERA, TRUTH, drive, records, replay, tree, write_drive
from rosbags.rosbag2 import StoragePlugin, Writer

from hiseg_ros.bags.bag import Bag
from hiseg_ros.bags.hiseg_types import node_types
from hiseg_ros.bags.stamps import read_stamp_ns, with_stamp
from hiseg_ros.cli.__main__ import main
from hiseg_ros.reports.replay_page.frame_source import FrameSource, ShotTopics

pytestmark = pytest.mark.needs('torch')

FRAMES = 8
KIND = 'sensor_msgs/msg/CompressedImage'


def restamped(path: Path, camera: list[int], truth: list[int], delay_ns: int = 0) -> Path:
    """Write a drive again whose messages have other stamps; -1 keeps the stamp."""
    source, target = write_drive(path / 'source', FRAMES), path / 'bag'
    stamps = {CAMERA: iter(camera), TRUTH: iter(truth)}
    rows: list[Any] = []
    with Bag(source) as bag:
        for message in bag.raw():
            stamp = next(stamps[message.topic])
            data = message.data if stamp == -1 else with_stamp(message.data, stamp)
            late = delay_ns if message.topic == TRUTH else 0
            rows.append((message.time_ns + late, message.topic, data))
    with Writer(target, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        of = {
            name: writer.add_connection(name, KIND, typestore=node_types())
            for name in (CAMERA, TRUTH)
        }
        for time_ns, name, data in sorted(rows):
            writer.write(of[name], time_ns, data)
    return target


SOUND, ZERO, FROZEN = [-1] * FRAMES, [0] * FRAMES, [10**18] * FRAMES


@pytest.mark.parametrize('delay_ns', [0, 300_000_000])
@pytest.mark.parametrize(
    ('camera', 'truth'), [(ZERO, ZERO), (FROZEN, FROZEN), (ZERO, SOUND), (SOUND, ZERO)]
)
def test_scores_are_those_of_sound_stamps(
    tmp_path: Path, camera: list[int], truth: list[int], delay_ns: int
) -> None:
    """And metrics.json says how many frames were paired by time."""
    bag = restamped(tmp_path, camera, truth, delay_ns)
    expected = replay(tmp_path / 'source', tmp_path / 'sound', truth=TRUTH)['scores']
    assert 'paired_by_time' not in expected
    scores = replay(bag, tmp_path / 'out', truth=TRUTH)['scores']
    assert scores.pop('paired_by_time') == FRAMES
    assert scores == expected


def test_the_report_shows_each_frame_with_its_own_truth(tmp_path: Path) -> None:
    """All stamps are zero, and every third frame has none."""
    bag = restamped(tmp_path, ZERO, ZERO)
    target = tmp_path / 'sparse'
    with Bag(bag) as source, Writer(target, version=8, storage_plugin=StoragePlugin.MCAP) as to:
        of = {n: to.add_connection(n, KIND, typestore=node_types()) for n in (CAMERA, TRUTH)}
        truths = 0
        for message in source.raw():
            truths += message.topic == TRUTH
            if message.topic == CAMERA or truths % 3 != 2:
                to.write(of[message.topic], message.time_ns, message.data)
    output = tmp_path / 'out'
    scores = replay(target, output, truth=TRUTH)['scores']
    assert (scores['frames_with_truth'], scores['frames_without_truth']) == (5, 3)
    labels = [frame.labels for frame in drive(FRAMES)]
    topics = ShotTopics(CAMERA, '/segmentation', TRUTH)
    with FrameSource(output / 'replay.mcap') as source:
        for number, row in enumerate(records(output)):
            shot = source.shot(topics, row['time_ns'], row['stamp_ns'])
            assert (shot.truth is None) == (number % 3 == 1) == (row['scores'] is None)
            if shot.truth is not None:
                np.testing.assert_array_equal(shot.truth, labels[number])


@pytest.mark.parametrize('camera', [ZERO, FROZEN])
def test_evaluate_pairs_recorded_labels_in_the_same_way(
    tmp_path: Path, camera: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    """The labels of a replay have the stamps of its images."""
    scores = {}
    bag = restamped(tmp_path, camera, camera)
    for kind, path in (('sound', tmp_path / 'source'), ('zero', bag)):
        output = tmp_path / kind
        replay(path, output, truth=TRUTH)
        mapping = tmp_path / 'mapping.yaml'
        mapping.write_text(
            'name: drawn\nunlabeled: [255]\nlabels:\n'
            + ''.join(
                f'  - {{id: {tree().node_id(name)}, name: {name}, nodes: [{name}]}}\n'
                for name in ('road', 'walk', 'sign', 'sky')
            )
        )
        coarse = tmp_path / 'coarse.yaml'
        coarse.write_text(
            'name: coarse\nunlabeled: [255]\nlabels:\n'
            '  - {id: 0, name: ground, nodes: [road, walk]}\n'
            '  - {id: 1, name: air, nodes: [sky]}\n'
        )
        assert main(['evaluate', '--dataset', 'recording', '--root', str(output / 'replay.mcap'),
                     '--ground-truth', TRUTH, '--mapping', str(mapping),
                     '--boundary', '2', '--common', str(coarse)]) == 0  # fmt: skip
        scores[kind] = json.loads(capsys.readouterr().out)
    assert scores['zero'].pop('paired_by_time') == FRAMES
    assert scores['zero'] == scores['sound']
    f = scores['sound']['boundary']['widths']['2 px']['f_by_label']
    assert f['road'] == 1 > f['sky'] > 0.9  # what stands in the sky is labelled unevenly
    common = scores['sound']['common']
    assert (common['iou']['ground'], common['left_out']['drawn']) == (1, ['sign'])


def test_the_new_bag_has_the_truth_at_its_image(tmp_path: Path) -> None:
    """With the stamp and the recording time of the image, so that both stay together."""
    bag = restamped(tmp_path, SOUND, ZERO, 300_000_000)
    replay(bag, tmp_path / 'out', truth=TRUTH)
    with Bag(tmp_path / 'out/replay.mcap') as found:
        rows = [(m.topic, m.time_ns, read_stamp_ns(m.data)) for m in found.raw([CAMERA, TRUTH])]
    places = {name: [row[1:] for row in rows if row[0] == name] for name in (CAMERA, TRUTH)}
    assert places[CAMERA] == places[TRUTH]
