# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The demo from a bag to video, images and metrics, in a real ROS graph."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from rosbag2_rules import check_bag
from rosbags.interfaces import ConnectionExtRosbag2, QosDurability, QosReliability
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from hiseg_ros.bags.bag import Bag, read_images, read_taxonomy
from hiseg_ros.replay.summary import read_run, summarize
from hiseg_ros.reports.video import STRIP_HEIGHT
from hiseg_ros.taxonomy import load_taxonomy

pytestmark = [pytest.mark.needs('ros', 'torch'), pytest.mark.timeout(600)]

SIZE = (96, 160)
FRAMES = 8
RATE_HZ = 10.0
FIRST_NS = 1_600_000_000_000_000_000
TRUTH = '/ground_truth/label_ids'


def images() -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    coarse = np.kron(rng.integers(0, 256, (6, 10, 3)), np.ones((16, 16, 1)))
    moved = [np.roll(coarse, 4 * i, axis=1) for i in range(FRAMES)]
    return [np.clip(m + rng.normal(0, 9, m.shape), 0, 255).astype(np.uint8) for m in moved]


def write_robot_bag(path: Path, storage: StoragePlugin = StoragePlugin.MCAP) -> None:
    """Write what a robot records: bgr8 images, camera_info, ground truth, and other things."""
    types = get_typestore(Stores.ROS2_JAZZY)
    kinds = types.types
    with Writer(path, version=8, storage_plugin=storage) as writer:

        def topic(name: str, kind: str) -> Any:
            return writer.add_connection(name, kind, typestore=types)

        odometry = topic('/speed', 'std_msgs/msg/Float32')
        camera = topic('/front/image_rect', 'sensor_msgs/msg/Image')
        info = topic('/front/camera_info', 'sensor_msgs/msg/CameraInfo')
        truth = topic(TRUTH, 'sensor_msgs/msg/Image')

        def write(connection: Any, time_ns: int, **fields: Any) -> None:
            message = kinds[connection.msgtype](**fields)
            writer.write(connection, time_ns, types.serialize_cdr(message, connection.msgtype))

        for i, rgb in enumerate(images()):
            stamp_ns = FIRST_NS + round(i * 1e9 / RATE_HZ)
            stamp = kinds['builtin_interfaces/msg/Time'](*map(int, divmod(stamp_ns, 10**9)))
            header = kinds['std_msgs/msg/Header'](stamp=stamp, frame_id='front_optical_frame')
            size = {'height': SIZE[0], 'width': SIZE[1], 'is_bigendian': 0}
            write(odometry, stamp_ns, data=1.0)
            region = kinds['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, False)
            write(
                info,
                stamp_ns,
                header=header,
                height=SIZE[0],
                width=SIZE[1],
                distortion_model='plumb_bob',
                d=np.zeros(5),
                k=np.arange(9.0),
                r=np.eye(3).ravel(),
                p=np.arange(12.0),
                binning_x=0,
                binning_y=0,
                roi=region,
            )
            bgr = np.ascontiguousarray(rgb[:, :, ::-1]).reshape(-1)
            write(
                camera,
                stamp_ns + 1000,
                header=header,
                encoding='bgr8',
                step=3 * SIZE[1],
                data=bgr,
                **size,
            )
            write(
                truth,
                stamp_ns + 2000,
                header=header,
                encoding='mono8',
                step=SIZE[1],
                data=np.full(SIZE[0] * SIZE[1], i, np.uint8),
                **size,
            )


def demo_command(*arguments: object) -> list[str]:
    return [sys.executable, '-m', 'hiseg_ros.cli', 'demo', *map(str, arguments)]


@dataclass(frozen=True)
class Demo:
    """A finished demo."""

    output: Path
    recording: Path
    said: str
    summary: dict[str, Any]


@pytest.fixture(scope='module')
def demo(
    tmp_path_factory: pytest.TempPathFactory,
    tiny_checkpoint: Path,
    ros_environment: dict[str, str],
) -> Demo:
    folder = tmp_path_factory.mktemp('demo')
    write_robot_bag(folder / 'bag')
    output = folder / 'output'
    command = demo_command(folder / 'bag', '--output', output, '--model', tiny_checkpoint)
    command.append('--all-outputs')
    before = shared_memory()
    result = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=500)
    assert result.returncode == 0, result.stderr + logs_of(output)
    assert shared_memory() <= before | others_shared_memory()
    summary = json.loads((output / 'summary.json').read_text())
    return Demo(output, output / 'recording', result.stdout + result.stderr, summary)


def logs_of(output: Path) -> str:
    return '\n'.join(path.read_text() for path in sorted((output / 'logs').glob('*.log')))


def shared_memory() -> set[str]:
    return {path.name for path in Path('/dev/shm').iterdir() if 'fastrtps' in path.name}


def others_shared_memory() -> set[str]:
    """Return what is in use: other graphs may have started meanwhile."""
    from hiseg_ros.ros.harness.child_process import shared_memory_of

    ids = (int(path.name) for path in Path('/proc').iterdir() if path.name.isdigit())
    return {path.name for number in ids for path in shared_memory_of(number)}


# The fixture looks at all shared memory of the machine.
@pytest.mark.alone
def test_the_summary_agrees_with_the_recording(demo: Demo) -> None:
    summary = demo.summary
    assert summary['frames_published'] == FRAMES
    assert 1 <= summary['frames_processed'] <= FRAMES
    assert summary['frames_dropped'] == FRAMES - summary['frames_processed']
    assert 0 < summary['latency_ms']['median'] <= summary['latency_ms']['p95']
    assert summary['image_size'] == {'height': SIZE[0], 'width': SIZE[1]}
    assert summary['device'] == 'cpu'
    recorded = summarize(read_run(demo.recording, '/camera/image_raw'))
    assert recorded.items() <= summary.items()


def test_the_table_and_a_progress_bar_are_shown(demo: Demo) -> None:
    assert f'frames published  {FRAMES}' in demo.said
    assert 'latency, median' in demo.said
    assert 'replaying' in demo.said


def test_the_last_frame_is_always_worked_off(demo: Demo) -> None:
    run = read_run(demo.recording, '/camera/image_raw')
    assert max(r.stamp_ns for r in run.labels) == max(r.stamp_ns for r in run.camera)


def test_everything_the_node_publishes_is_recorded(demo: Demo) -> None:
    depth = load_taxonomy('street').depth
    levels = range(1, depth + 1)
    expected = {
        '/segmentation/labels',
        '/segmentation/confidence',
        '/segmentation/traffic_signs',
        '/segmentation/overlay/image',
        '/segmentation/overlay/camera_info',
        '/segmentation/stats',
        *(f'/segmentation/level_{n}/labels' for n in levels),
        *(f'/segmentation/level_{n}/probabilities' for n in levels),
    }
    with Bag(demo.recording) as bag:
        counts = {topic.name: topic.count for topic in bag.topics}
    assert {name: counts[name] for name in expected} == dict.fromkeys(
        expected, demo.summary['frames_processed']
    )
    assert counts['/segmentation/taxonomy'] == 1
    assert counts['/diagnostics'] >= 1
    assert counts['/camera/image_raw'] == counts['/camera/camera_info'] == counts[TRUTH] == FRAMES


def test_the_recording_holds_definitions_hashes_and_qos(demo: Demo) -> None:
    with Reader(demo.recording) as reader:
        connections = {connection.topic: connection for connection in reader.connections}
    taxonomy = connections['/segmentation/taxonomy']
    assert isinstance(taxonomy.ext, ConnectionExtRosbag2)
    [qos] = taxonomy.ext.offered_qos_profiles
    assert qos.durability == QosDurability.TRANSIENT_LOCAL
    assert qos.reliability == QosReliability.RELIABLE
    assert 'TaxonomyNode[] nodes' in taxonomy.msgdef.data
    assert 'MSG: hiseg_ros/TaxonomyNode' in taxonomy.msgdef.data
    check_bag(demo.recording)
    labels = connections['/segmentation/labels']
    assert isinstance(labels.ext, ConnectionExtRosbag2)
    assert labels.ext.offered_qos_profiles[0].durability == QosDurability.VOLATILE
    assert labels.digest.endswith(
        'd31d41a9a4c4bc8eae9be757b0beed306564f7526c88ea6a4588fb9582527d47'  # of Jazzy's Image
    )


def test_camera_images_keep_their_bytes_and_frame(demo: Demo) -> None:
    with Bag(demo.recording) as bag:
        recorded = [message for _, message in bag.messages('/camera/image_raw')]
    for message, rgb in zip(recorded, images(), strict=True):
        assert (message.encoding, message.header.frame_id) == ('bgr8', 'front_optical_frame')
        np.testing.assert_array_equal(message.data, rgb[:, :, ::-1].reshape(-1))


def test_recorded_labels_are_those_of_the_library(demo: Demo, tiny_checkpoint: Path) -> None:
    from hiseg_ros.inference.engine import Engine

    camera = dict(read_images(demo.recording, '/camera/image_raw'))
    engine = Engine(tiny_checkpoint, device='cpu')
    for stamp_ns, labels in read_images(demo.recording, '/segmentation/labels'):
        expected = engine.segment(camera[stamp_ns]).labels
        # Another number of threads sums in another order, which tips a pixel here and there.
        assert (labels == expected).mean() > 0.999
    engine.close()


def test_ground_truth_has_the_stamps_of_its_images(demo: Demo) -> None:
    truth = dict(read_images(demo.recording, TRUTH))
    camera = [stamp for stamp, _ in read_images(demo.recording, '/camera/image_raw')]
    assert [int(truth[stamp].max()) for stamp in camera] == list(range(FRAMES))


def test_the_recorded_tree_is_that_of_the_weights(demo: Demo) -> None:
    taxonomy, street = read_taxonomy(demo.recording), load_taxonomy('street')
    assert taxonomy.digest == street.digest
    assert [node.color for node in taxonomy.nodes] == [node.color for node in street.nodes]


def test_the_video_has_every_processed_frame_in_full(demo: Demo) -> None:
    overlays = [pixels for _, pixels in read_images(demo.recording, '/segmentation/overlay/image')]
    with av.open(str(demo.output / 'overlay.mp4')) as film:
        assert film.streams.video[0].codec_context.name == 'h264'
        frames = [frame.to_ndarray(format='rgb24') for frame in film.decode(video=0)]
    assert len(frames) == len(overlays) == demo.summary['frames_processed']
    for frame, overlay in zip(frames, overlays, strict=True):
        assert frame.shape == (SIZE[0] + STRIP_HEIGHT, SIZE[1], 3)
        assert np.abs(frame[: SIZE[0]].astype(int) - overlay).mean() < 20


def test_there_are_overlay_images_with_a_legend(demo: Demo) -> None:
    paths = sorted(demo.output.glob('overlay_*.png'))
    assert len(paths) == demo.summary['pictures'] == min(4, demo.summary['frames_processed'])
    for path in paths:
        height, width = cv2.imread(str(path)).shape[:2]
        assert width > height * SIZE[1] / SIZE[0]


def test_a_second_demo_replaces_the_first_and_plays_only_what_was_asked_for(
    demo: Demo, tmp_path: Path, tiny_checkpoint: Path
) -> None:
    write_robot_bag(tmp_path / 'bag', StoragePlugin.SQLITE3)
    output = Path(shutil.copytree(demo.output, tmp_path / 'output'))
    arguments = (tmp_path / 'bag', '--output', output, '--model', tiny_checkpoint)
    command = demo_command(*arguments, '--seconds', 0.25, '--rate', 2, '--loop', 2)
    result = subprocess.run(command, capture_output=True, text=True, timeout=500)
    assert result.returncode == 0, result.stderr
    summary = json.loads((output / 'summary.json').read_text())
    assert summary['frames_published'] == summary['all_rounds']['published'] == 6
    assert summary['rounds'] == 2
    assert summary['rate_factor'] == 2


def failed_demo(*arguments: object) -> str:
    """Run a demo that cannot work; return its one sentence."""
    result = subprocess.run(demo_command(*arguments), capture_output=True, text=True, timeout=500)
    assert result.returncode == 2, result.stdout + result.stderr
    assert 'Traceback' not in result.stderr
    return result.stderr.strip().splitlines()[-1]


def test_missing_weights_end_in_one_sentence(
    tmp_path: Path, ros_environment: dict[str, str]
) -> None:
    write_robot_bag(tmp_path / 'bag')
    arguments = (tmp_path / 'bag', '--output', tmp_path / 'out')
    assert 'do not exist' in failed_demo(*arguments, '--model', tmp_path / 'none.safetensors')


def test_weights_that_the_node_refuses_end_in_the_sentence_of_the_node(
    tmp_path: Path, ros_environment: dict[str, str]
) -> None:
    write_robot_bag(tmp_path / 'bag')
    (tmp_path / 'foreign.safetensors').write_bytes(b'no weights')
    arguments = (tmp_path / 'bag', '--output', tmp_path / 'out')
    said = failed_demo(*arguments, '--model', tmp_path / 'foreign.safetensors')
    assert 'could not be configured' in said
    assert 'safetensors' in said


def test_bags_that_cannot_be_played_end_in_one_sentence(
    tmp_path: Path, tiny_checkpoint: Path, ros_environment: dict[str, str]
) -> None:
    rest = ('--output', tmp_path / 'out', '--model', tiny_checkpoint)
    assert 'There is no bag' in failed_demo(tmp_path / 'nowhere', *rest)
    write_robot_bag(tmp_path / 'bag')
    assert 'no topic /left' in failed_demo(tmp_path / 'bag', '--topic', '/left', *rest)


def test_a_bag_that_breaks_off_while_it_plays_is_shown_up_to_there(
    tmp_path: Path, tiny_checkpoint: Path, ros_environment: dict[str, str]
) -> None:
    write_robot_bag(tmp_path / 'bag', StoragePlugin.SQLITE3)
    file = tmp_path / 'bag' / 'bag.db3'
    data = bytearray(file.read_bytes())
    data[len(data) // 3 : len(data) // 3 + 20_000] = bytes(20_000)
    file.write_bytes(data)
    command = demo_command(tmp_path / 'bag', '--output', tmp_path / 'out')
    command += ['--model', str(tiny_checkpoint)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=500)
    assert result.returncode == 3, result.stdout + result.stderr
    assert 'Traceback' not in result.stderr
    last = result.stdout.strip().splitlines()[-1]
    assert last.startswith('Damage in bag: bag.db3, message ')
    summary = json.loads((tmp_path / 'out' / 'summary.json').read_text())
    assert summary['damages'] == [last.removeprefix('Damage in ')]
    assert 1 <= summary['frames_published'] < 8
    assert (tmp_path / 'out' / 'overlay.mp4').is_file()


@pytest.fixture
def running(
    tmp_path: Path, tiny_checkpoint: Path, ros_environment: dict[str, str]
) -> Iterator[subprocess.Popen[str]]:
    """Start a demo that would take a long time; it is past its start when this returns."""
    write_robot_bag(tmp_path / 'bag')
    command = demo_command(
        tmp_path / 'bag',
        '--output',
        tmp_path / 'out',
        '--model',
        tiny_checkpoint,
        '--rate',
        0.002,
    )
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline = time.monotonic() + 120
    while not list((tmp_path / 'out').glob('recording/*.mcap')) and time.monotonic() < deadline:
        time.sleep(0.1)
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize('request_', [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_ends_its_processes(
    running: subprocess.Popen[str], request_: signal.Signals
) -> None:
    children = [int(word) for word in children_of(running.pid)]
    assert len(children) == 3
    os.kill(running.pid, request_)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert 'Traceback' not in said
    assert not [child for child in children if Path(f'/proc/{child}').exists()]


def children_of(process_id: int) -> list[str]:
    return Path(f'/proc/{process_id}/task/{process_id}/children').read_text().split()
