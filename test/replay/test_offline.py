# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A replay gives the node's messages and right metrics, the same ones each time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from replay_support import (
    CAMERA,
    SIZE,
    TRUTH,
    ColourEngine,
    contents,
    drive,
    mapping,
    records,
    replay,
    tree,
    write_drive,
)
from rosbags.interfaces import QosDurability
from rosbags.rosbag2 import Reader, StoragePlugin, Writer

from hiseg_ros.bags.bag import Bag, read_images, read_taxonomy
from hiseg_ros.bags.footage import EPOCH_NS, Frame, write_camera_bag
from hiseg_ros.bags.hiseg_types import node_types
from hiseg_ros.errors import BagError, ImageError

pytestmark = pytest.mark.needs('torch')

FRAMES = 12


@pytest.fixture(scope='module')
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_drive(tmp_path_factory.mktemp('drive') / 'bag', FRAMES)


@pytest.fixture(scope='module')
def output(tmp_path_factory: pytest.TempPathFactory, bag: Path) -> Path:
    path = tmp_path_factory.mktemp('replay') / 'out'
    replay(bag, path, truth=TRUTH)
    return path


def test_every_frame_has_the_nodes_messages_under_its_stamp_and_time(output: Path) -> None:
    """The headers and the recording times are those of the images."""
    with Bag(output / 'replay.mcap') as new:
        counts = {topic.name: topic.count for topic in new.topics}
        for topic, count in counts.items():
            assert count == (1 if topic.endswith('/taxonomy') else FRAMES), topic
            if topic.endswith('/taxonomy'):
                continue
            for number, (time_ns, message) in enumerate(new.messages(topic)):
                stamp = message.header.stamp
                assert time_ns == EPOCH_NS + number * 100_000_000
                assert stamp.sec * 10**9 + stamp.nanosec == time_ns
                assert message.header.frame_id == 'camera_optical_frame'
    names = {name.removeprefix('/segmentation/') for name in counts if name.startswith('/seg')}
    assert names == {
        'labels', 'confidence', 'traffic_signs', 'overlay/image', 'stats', 'taxonomy',
        *(f'level_{n}/{kind}' for n in (1, 2, 3) for kind in ('labels', 'probabilities')),
    }  # fmt: skip


def test_labels_are_the_engines_and_inputs_are_copied(bag: Path, output: Path) -> None:
    """Pixel by pixel, byte by byte."""
    engine = ColourEngine()
    labels = dict(read_images(output / 'replay.mcap', '/segmentation/labels'))
    assert read_taxonomy(output / 'replay.mcap') == tree()
    for stamp, rgb in read_images(bag, CAMERA):
        expected = engine.segment(rgb.astype(np.uint8)).labels
        np.testing.assert_array_equal(labels[stamp], expected)
    for topic in (CAMERA, TRUTH):
        with Bag(bag) as old, Bag(output / 'replay.mcap') as new:
            assert list(new.raw([topic])) == list(old.raw([topic]))


def test_the_tree_is_latched_and_the_files_are_described(output: Path) -> None:
    """`ros2 bag play` offers what the node offered; each file stands in metadata.yaml."""
    with Reader(output / 'replay.mcap') as reader:
        for connection in reader.connections:
            offered = connection.ext.offered_qos_profiles  # type: ignore[union-attr]
            durability = [qos.durability for qos in offered]
            is_tree = connection.topic == '/segmentation/taxonomy'
            assert durability == ([QosDurability.TRANSIENT_LOCAL] if is_tree else [])
            assert connection.digest.startswith('RIHS01_')
        times = [time_ns for _, time_ns, _ in reader.messages()]
        assert reader.message_count == len(times)
    about = yaml.safe_load((output / 'replay.mcap/metadata.yaml').read_text())
    about = about['rosbag2_bagfile_information']
    names = [f'replay_{number}.mcap' for number in range(3)]  # of 5, 5 and 2 frames
    assert about['relative_file_paths'] == names == [row['path'] for row in about['files']]
    assert sum(row['message_count'] for row in about['files']) == about['message_count']
    assert about['duration']['nanoseconds'] == max(times) - min(times)
    for name in names:
        with Bag(output / 'replay.mcap' / name) as part:
            assert len(part.topics) == 14


def test_scores_equal_an_independent_count_from_the_new_bag(output: Path, bag: Path) -> None:
    """From the published labels and the copied truth, without the package's own counting."""
    taxonomy = tree()
    rows = mapping(taxonomy).labels
    label_of_node = np.full(256, -1)
    for row, label in enumerate(rows):
        for leaf in label.leaves:
            label_of_node[leaf] = row
    truth_row = np.full(256, -1)
    for row, label in enumerate(rows):
        truth_row[label.label_id] = row
    truths = dict(read_images(output / 'replay.mcap', TRUTH))
    counts = np.zeros((len(rows), len(rows) + 1), int)
    for stamp, labels in read_images(output / 'replay.mcap', '/segmentation/labels'):
        for true, found in zip(
            truth_row[truths[stamp]].ravel(), label_of_node[labels].ravel(), strict=True
        ):
            if true >= 0:
                counts[true, found if found >= 0 else len(rows)] += 1
    hits = np.diag(counts)
    iou = hits / (counts.sum(1) + counts[:, :-1].sum(0) - hits)
    scores = json.loads((output / 'metrics.json').read_text())['scores']
    assert scores['nodes']['confusion']['pixels'] == counts.tolist()
    assert scores['nodes']['miou'] == pytest.approx(iou.mean(), abs=1e-12)
    assert 0.85 < iou.mean() < 1
    assert scores['frames_with_truth'] == FRAMES
    levels = scores['nodes']['by_level']
    assert [row['level'] for row in levels] == [1, 2, 3]
    assert all('confusion' in row and 'mean_class_accuracy' in row for row in levels)
    # Road and walk are both ground at the first level.
    assert levels[0]['confusion']['rows'] == ['ground', 'sign', 'sky']
    first = records(output)[0]['scores']
    assert set(first) == {'nodes', 'nodes_by_level', 'summed'}


def test_the_same_recording_gives_the_same_bytes(bag: Path, output: Path, tmp_path: Path) -> None:
    """In another folder, with other lengths of paths."""
    replay(bag, tmp_path / 'another_place' / 'out', truth=TRUTH)
    assert contents(tmp_path / 'another_place' / 'out') == contents(output)


def test_results_name_no_folder_of_this_machine(bag: Path, output: Path) -> None:
    """What they hold can be shown and compared."""
    for name, data in contents(output).items():
        for secret in (str(bag.parent), str(output.parent)):
            assert secret.encode() not in data, name


def test_metrics_follow_the_sign_through_the_drive(output: Path) -> None:
    """One sign that comes nearer, and starts again after nine frames."""
    metrics = json.loads((output / 'metrics.json').read_text())
    [camera] = metrics['cameras']
    assert (camera['frames'], camera['unreadable'], camera['rate_hz']) == (FRAMES, 0, 10.0)
    assert camera['image_size'] == {'height': SIZE[0], 'width': SIZE[1]}
    assert camera['sign_tracks'][0]['name'] == 'limit_30'
    assert camera['sign_tracks'][0]['sightings'] >= 9
    assert 0 <= camera['stability']['flicker'] < 0.1
    assert camera['stability']['pairs'] == FRAMES - 1
    assert metrics['damage'] == []
    rows = records(output)
    assert [row['frame'] for row in rows] == list(range(FRAMES))
    assert [row['stamp_ns'] for row in rows] == [EPOCH_NS + n * 10**8 for n in range(FRAMES)]


def test_frames_without_truth_are_counted(tmp_path: Path) -> None:
    """Every third frame is labelled."""
    bag = write_drive(tmp_path / 'bag', FRAMES, sparse=3)
    metrics = replay(bag, tmp_path / 'out', truth=TRUTH)
    scores = metrics['scores']
    assert (scores['frames_with_truth'], scores['frames_without_truth']) == (4, 8)
    known = [row['scores'] is not None for row in records(tmp_path / 'out')]
    assert known == [number % 3 == 0 for number in range(FRAMES)]


def test_without_truth_there_are_no_scores(bag: Path, tmp_path: Path) -> None:
    """The other metrics are there."""
    metrics = replay(bag, tmp_path / 'out')
    assert metrics['scores'] is None
    assert metrics['cameras'][0]['stability']['flicker'] is not None


@pytest.mark.parametrize('part', ['camera', 'levels', 'overlay', 'probabilities'])
def test_what_is_omitted_is_not_in_the_bag(bag: Path, tmp_path: Path, part: str) -> None:
    """The metrics stay the same."""
    metrics = replay(bag, tmp_path / 'out', omit=frozenset([part]))
    word = {'levels': 'level_1/labels'}.get(part, part)
    with Bag(tmp_path / 'out/replay.mcap') as new:
        assert not [topic.name for topic in new.topics if word in topic.name]
    assert metrics['cameras'][0]['frames'] == FRAMES


@pytest.mark.parametrize(
    ('names', 'nodes'),
    [
        (('/front/image_raw', '/rear/image_raw/compressed'),
         ('/front/segmentation', '/rear/segmentation')),
        (('/left', '/right'), ('/left/segmentation', '/right/segmentation')),
        (('/car/left', '/car/right'), ('/car/left/segmentation', '/car/right/segmentation')),
    ],
)  # fmt: skip
def test_each_camera_has_its_own_namespace_and_metrics(
    tmp_path: Path, names: tuple[str, str], nodes: tuple[str, str]
) -> None:
    """Raw and compressed, merged by time."""
    bags = [
        rename(write_drive(tmp_path / f'bag{n}', 4, compressed=name.endswith('compressed')), name)
        for n, name in enumerate(names)
    ]
    metrics = replay(bags, tmp_path / 'out', part_frames=3)
    assert [camera['node'] for camera in metrics['cameras']] == list(nodes)
    assert [camera['frames'] for camera in metrics['cameras']] == [4, 4]
    assert [row['camera'] for row in records(tmp_path / 'out')] == [0, 1] * 4
    for node in nodes:
        assert read_taxonomy(tmp_path / 'out/replay.mcap', node) == tree()
        assert len(list(read_images(tmp_path / 'out/replay.mcap', f'{node}/labels'))) == 4
    one = replay(bags, tmp_path / 'one', topics=(names[1],))
    assert [camera['node'] for camera in one['cameras']] == ['/segmentation']


def rename(path: Path, camera: str) -> Path:
    """Write a bag again with another name for its camera, and without its truth."""
    target = path.with_name(f'{path.name}_renamed')
    with Bag(path) as bag, Writer(target, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        [topic] = [topic for topic in bag.topics if topic.name.startswith('/camera')]
        connection = writer.add_connection(camera, topic.message_type, typestore=node_types())
        for message in bag.raw([topic.name]):
            writer.write(connection, message.time_ns, message.data)
    return target


def test_a_recording_of_the_node_itself_is_replayed_from_its_camera(
    output: Path, tmp_path: Path
) -> None:
    """Labels, overlays and ground truth are no cameras."""
    metrics = replay(output / 'replay.mcap', tmp_path / 'out')
    assert [camera['topic'] for camera in metrics['cameras']] == [CAMERA]


def test_the_newest_calibration_goes_with_the_overlay(tmp_path: Path) -> None:
    """As the node does it; a later one counts from then on."""
    types = node_types()
    kind = 'sensor_msgs/msg/CameraInfo'
    camera = rename(write_drive(tmp_path / 'bag', 7, compressed=False), '/front/image_raw')
    with Bag(camera) as bag:
        header = bag.decode(next(bag.raw())).header
    with Writer(tmp_path / 'info', version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection('/front/camera_info', kind, typestore=types)
        roi = types.types['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, False)
        for frame, focal in ((0, 50.0), (4, 60.0)):
            matrix = np.array([focal, 0, 32, 0, focal, 24, 0, 0, 1])
            info = types.types[kind](
                header, *SIZE, 'plumb_bob', np.zeros(5), matrix, np.eye(3).reshape(-1),
                np.zeros(12), 0, 0, roi,
            )  # fmt: skip
            time_ns = EPOCH_NS + frame * 100_000_000 - 1
            writer.write(connection, time_ns, types.serialize_cdr(info, kind))
    bags = [camera, tmp_path / 'info']
    replay(bags, tmp_path / 'out')
    with Bag(tmp_path / 'out/replay.mcap') as new:
        found = [m.k[0] for _, m in new.messages('/segmentation/overlay/camera_info')]
        assert new.topic('/front/camera_info').count == 2
    assert found == [50.0] * 4 + [60.0] * 3


def test_truth_that_does_not_fit_is_refused(bag: Path, tmp_path: Path) -> None:
    """Unknown ids, another size, no such topic."""
    with pytest.raises(BagError, match='no label images on /lidar'):
        replay(bag, tmp_path / 'a', truth='/lidar')
    odd = [Frame(frame.rgb, np.full(SIZE, 77, np.uint8)) for frame in drive(2)]
    write_camera_bag(tmp_path / 'odd', odd, 10.0)
    with pytest.raises(BagError, match='label id 77'):
        replay(tmp_path / 'odd', tmp_path / 'b', truth=TRUTH)
    small = [Frame(frame.rgb, np.full((4, 4), 2, np.uint8)) for frame in drive(2)]
    write_camera_bag(tmp_path / 'small', small, 10.0)
    with pytest.raises(ImageError, match='expected the same'):
        replay(tmp_path / 'small', tmp_path / 'c', truth=TRUTH)


def test_a_run_that_was_refused_for_its_truth_can_be_corrected(bag: Path, tmp_path: Path) -> None:
    """Nothing was written that could be mixed up."""
    odd = [Frame(frame.rgb, np.full(SIZE, 77, np.uint8)) for frame in drive(2)]
    write_camera_bag(tmp_path / 'odd', odd, 10.0)
    with pytest.raises(BagError):
        replay(tmp_path / 'odd', tmp_path / 'out', truth=TRUTH)
    changed: dict[str, Any] = {'facts': {'name': 'corrected'}}
    assert replay(bag, tmp_path / 'out', **changed)['cameras'][0]['frames'] == FRAMES


def test_a_part_without_a_whole_image_leaves_the_bag_readable(tmp_path: Path) -> None:
    """It has no messages, so it has no times either."""
    bag = write_drive(tmp_path / 'bag', FRAMES)
    file = bag / 'bag.mcap'
    data = bytearray(file.read_bytes())
    starts = [n for n in range(len(data)) if data[n : n + 3] == b'\xff\xd8\xff']
    for start in starts[5:10]:
        data[start : start + 3] = b'\0\0\0'
    file.write_bytes(data)
    metrics = replay(bag, tmp_path / 'out')
    assert metrics['cameras'][0]['unreadable'] == metrics['damages'] == 5
    with Bag(tmp_path / 'out/replay.mcap') as new:
        assert new.topic('/segmentation/labels').count == FRAMES - 5
        assert new.duration_s == pytest.approx((FRAMES - 1) / 10, abs=1e-6)
    about = yaml.safe_load((tmp_path / 'out/replay.mcap/metadata.yaml').read_text())
    names = about['rosbag2_bagfile_information']['relative_file_paths']
    assert names == ['replay_0.mcap', 'replay_2.mcap']


def test_a_step_after_the_network_changes_all_messages_together(
    bag: Path, output: Path, tmp_path: Path
) -> None:
    """Labels, levels, confidence and scores are the CRF's; probability maps keep their size."""
    from hiseg_ros.postprocessing.crf import DenseCrf
    from hiseg_ros.postprocessing.parameters import CrfParameters

    # Stronger than the defaults, which hardly change a drawn image.
    parameters = CrfParameters(
        rounds=2, color_weight=4, position_std=80, color_std=13, smooth_weight=3, smooth_std=3
    )
    crf = DenseCrf(tree(), parameters)
    metrics = replay(bag, tmp_path / 'out', truth=TRUTH, refine=crf.refine)
    new = tmp_path / 'out' / 'replay.mcap'
    labels = dict(read_images(new, '/segmentation/labels'))
    confidence = dict(read_images(new, '/segmentation/confidence'))
    level = dict(read_images(new, '/segmentation/level_1/labels'))
    table = tree().node_id_at_level(1)
    engine = ColourEngine()
    for stamp, rgb in read_images(bag, CAMERA):
        image = rgb.astype(np.uint8)
        expected = crf.refine(image, engine.segment(image))
        np.testing.assert_array_equal(labels[stamp], expected.labels)
        np.testing.assert_array_equal(confidence[stamp], expected.confidence)
        np.testing.assert_array_equal(level[stamp], table[expected.labels])
        assert not np.array_equal(labels[stamp], engine.segment(image).labels)
    with Bag(new) as with_crf, Bag(output / 'replay.mcap') as without:
        maps = [
            next(iter(one.messages('/segmentation/level_1/probabilities')))[1]
            for one in (with_crf, without)
        ]
    sizes = [(one.height, one.width, one.data.size) for one in maps]
    assert sizes[0] == sizes[1]
    assert not np.array_equal(maps[0].data, maps[1].data)
    before = json.loads((output / 'metrics.json').read_text())
    assert metrics['scores']['summed']['miou'] > before['scores']['summed']['miou']
