# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The launch file with the real launch packages: its arguments, a camera topic, a clean end."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hiseg_ros.types import RgbImage

if TYPE_CHECKING:
    from ros_graph import Graph

pytestmark = pytest.mark.needs('launch', 'ros')

LAUNCH_FILE = Path(__file__).resolve().parents[2] / 'launch' / 'segmentation.launch.py'

RUNNER = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription, RegisterEventHandler
from launch.event_handlers import OnProcessExit
from launch.launch_description_sources import PythonLaunchDescriptionSource

exit_codes = []
note = OnProcessExit(on_exit=lambda event, context: exit_codes.append(event.returncode))
pairs = [argument.split(':=', 1) for argument in sys.argv[2:]]
included = IncludeLaunchDescription(
    PythonLaunchDescriptionSource(sys.argv[1]), launch_arguments=pairs
)
service = LaunchService(noninteractive=True)  # passes SIGINT on to the node
service.include_launch_description(LaunchDescription([RegisterEventHandler(note), included]))
code = service.run()
print('exit codes of the processes:', exit_codes)
sys.exit(code)
"""


def declared() -> dict[str, Any]:
    """Return the declared launch arguments by name."""
    from launch.launch_description_sources import get_launch_description_from_python_launch_file

    description = get_launch_description_from_python_launch_file(str(LAUNCH_FILE))
    return {argument.name: argument for argument in description.get_launch_arguments()}


def test_the_arguments_are_those_of_other_ros_2_packages_and_each_is_described() -> None:
    arguments = declared()
    assert set(arguments) == {
        'namespace', 'params_file', 'use_sim_time', 'autostart', 'use_respawn', 'log_level',
        'rviz', 'rviz_config', 'image_topic', 'camera_info_topic', 'model', 'device',
        'image_transport', 'threshold', 'fastdds_profile', 'cameras', 'points', 'depth_topic',
    }  # fmt: skip
    for name, argument in arguments.items():
        assert len(argument.description) > 15, name
        # launch itself appends the choices to the description.
        assert argument.description.split(' Valid choices')[0].endswith('.'), name
        assert argument.default_value is not None, name
    for name in ('use_sim_time', 'autostart', 'use_respawn', 'rviz', 'log_level',
                 'image_transport', 'points'):  # fmt: skip
        assert arguments[name].choices, name


@contextmanager
def launched(environment: dict[str, str], *arguments: str) -> Iterator[Callable[[], str]]:
    """Run the launch file in a process of its own.

    Yields:
        What ends it as Ctrl-C does, with exit code 0, and returns what it has said.
    """
    process = subprocess.Popen(
        [sys.executable, '-c', RUNNER, str(LAUNCH_FILE), *arguments],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip

    def end() -> str:
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, output
        return output

    try:
        yield end
    finally:
        process.kill()
        process.wait()


@pytest.mark.needs('torch')
def test_the_launched_node_segments_a_camera_topic_and_ends_with_exit_code_0(
    graph: Graph, ros_environment: dict[str, str], tiny_checkpoint: Path, street_image: RgbImage
) -> None:
    from diagnostic_msgs.msg import DiagnosticArray
    from node_support import header, image_message
    from sensor_msgs.msg import CameraInfo, Image

    environment = dict(ros_environment)
    for name in ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE'):
        environment.pop(name, None)
    with launched(
        environment, 'namespace:=front', 'image_topic:=/camera/image_raw', 'device:=cpu',
        f'model:={tiny_checkpoint}', 'threshold:=0.25',
    ) as end:  # fmt: skip
        images = graph.peer.create_publisher(Image, '/camera/image_raw', 1)
        infos = graph.peer.create_publisher(CameraInfo, '/camera/camera_info', 1)
        labels = graph.collect(Image, '/front/segmentation/labels')
        calibrations = graph.collect(CameraInfo, '/front/segmentation/overlay/camera_info')
        reports = graph.collect(DiagnosticArray, '/diagnostics')
        height, width = street_image.shape[:2]

        def publish() -> None:
            infos.publish(CameraInfo(height=height, width=width))
            images.publish(image_message(street_image))

        graph.until(lambda: labels and calibrations, 'labels of the node', meanwhile=publish)
        assert labels[0].header == header()
        assert graph.state('/front/segmentation') == 'active'
        graph.until(lambda: reports, 'diagnostics')
        values = {entry.key: entry.value for entry in reports[-1].status[1].values}
        assert values['segment [bytes]'] == str(64 * 1024 * 1024)
        output = end()
    assert 'exit codes of the processes: [0]' in output, output
    assert 'Traceback' not in output, output


@pytest.mark.needs('torch')
def test_a_bad_argument_leaves_the_node_alive_and_unconfigured(
    graph: Graph, ros_environment: dict[str, str]
) -> None:
    with launched(ros_environment, 'threshold:=high', 'device:=cpu') as end:
        graph.until(lambda: graph.state() == 'unconfigured', 'the node is there')
        from ros_graph import CONFIGURE

        assert not graph.change_state(CONFIGURE)
        output = end()
    assert "Parameter threshold is 'high'; expected a number" in output, output


@pytest.mark.needs('torch')
def test_several_cameras_are_launched_on_one_node(
    graph: Graph, ros_environment: dict[str, str], tiny_checkpoint: Path, street_image: RgbImage
) -> None:
    from node_support import image_message
    from sensor_msgs.msg import CameraInfo, Image

    with launched(
        ros_environment, 'cameras:=front,rear', 'image_topic:=/sensors/{camera}/image_raw',
        'device:=cpu', f'model:={tiny_checkpoint}',
    ) as end:  # fmt: skip
        names = ('front', 'rear')
        images = [
            graph.peer.create_publisher(Image, f'/sensors/{name}/image_raw', 1) for name in names
        ]
        info = graph.peer.create_publisher(CameraInfo, '/sensors/rear/camera_info', 1)
        labels = [graph.collect(Image, f'/segmentation/{name}/labels') for name in names]
        infos = graph.collect(CameraInfo, '/segmentation/rear/overlay/camera_info')

        def publish() -> None:
            info.publish(CameraInfo(height=street_image.shape[0], width=street_image.shape[1]))
            for publisher in images:
                publisher.publish(image_message(street_image))

        graph.until(lambda: all(labels) and infos, 'labels of both cameras', meanwhile=publish)
        end()


@pytest.mark.parametrize(
    ('topic', 'expected'),
    [
        ('image_raw', 'front/image_raw'),
        ('color/image_raw', 'front/color/image_raw'),
        ('/rig/{camera}/image', '/rig/front/image'),
        ('/image', None),
    ],
)
def test_a_cameras_topic_has_its_name_in_it(topic: str, expected: str | None) -> None:
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location('segmentation_launch', LAUNCH_FILE)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    if expected is None:
        with pytest.raises(ValueError, match='expected a name below each of them'):
            module.of_camera(topic, 'front')
    else:
        assert module.of_camera(topic, 'front') == expected
