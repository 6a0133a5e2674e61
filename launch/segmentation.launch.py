# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Start the segmentation node on camera topics, with shared memory set up and rviz2 on demand.

ros2 launch hiseg_ros segmentation.launch.py image_topic:=/camera/image_raw
ros2 launch hiseg_ros segmentation.launch.py cameras:=front,left,rear image_topic:=image_raw
"""

from __future__ import annotations

import os
import re
import sys
from typing import Any

import yaml
from launch import LaunchContext, LaunchDescription
from launch.action import Action
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import EnvironmentVariable, LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

from hiseg_ros.nearest_name import unknown_arguments

NODE_NAME = 'segmentation'
FROM_FILE = 'empty: as params_file says'
PARAMETERS = ('use_sim_time', 'autostart', 'model', 'device', 'image_transport', 'threshold')
RVIZ_TOPICS = ('overlay/image', 'overlay/camera_info', 'confidence', 'labels', 'points')
RVIZ_CAMERA = '/camera/image_raw'


def config(name: str) -> PathJoinSubstitution:
    """Return the installed path of a file in config/."""
    return PathJoinSubstitution([FindPackageShare('hiseg_ros'), 'config', name])


def generate_launch_description() -> LaunchDescription:
    """Return the launch arguments, and `start`, which makes the actions from their values."""
    flag = ['', 'true', 'false']
    arguments = [
        DeclareLaunchArgument(
            'namespace', default_value='', description='Namespace of the node, e.g. front_camera.'
        ),
        DeclareLaunchArgument(
            'params_file',
            default_value=config('segmentation.yaml'),
            description='Parameter file; arguments below that are not empty override it.',
        ),
        DeclareLaunchArgument(
            'use_sim_time',
            default_value='',
            choices=flag,
            description=f'Take the time from /clock ({FROM_FILE}).',
        ),
        DeclareLaunchArgument(
            'autostart',
            default_value='',
            choices=flag,
            description=f'Configure and activate at start-up ({FROM_FILE}, which is true).',
        ),
        DeclareLaunchArgument(
            'use_respawn',
            default_value='false',
            choices=flag[1:],
            description='Restart the node two seconds after it ended.',
        ),
        DeclareLaunchArgument(
            'log_level',
            default_value='info',
            choices=['debug', 'info', 'warn', 'error', 'fatal'],
            description='Lowest severity that is logged.',
        ),
        DeclareLaunchArgument(
            'rviz',
            default_value='false',
            choices=flag[1:],
            description='Start rviz2 with overlay, confidence and camera image.',
        ),
        DeclareLaunchArgument(
            'rviz_config', default_value=config('hiseg.rviz'), description='Layout for rviz2.'
        ),
        DeclareLaunchArgument(
            'image_topic',
            default_value='image',
            description='Camera topic (sensor_msgs/Image); with image_transport:=compressed '
            'still the raw name, without /compressed. With cameras the name below each of them, '
            'or a name with {camera} in it, e.g. /sensors/{camera}/image_raw.',
        ),
        DeclareLaunchArgument(
            'cameras',
            default_value='',
            description='Names of cameras that share the network, separated by commas, e.g. '
            f'front,left,rear ({FROM_FILE}, which is one camera without a name).',
        ),
        DeclareLaunchArgument(
            'camera_info_topic',
            default_value='',
            description='Calibration (sensor_msgs/CameraInfo) for the overlay; empty: camera_info '
            'beside the camera topic.',
        ),
        DeclareLaunchArgument(
            'points',
            default_value='',
            choices=['', 'none', 'depth', 'cloud'],
            description='What ~/points are made from: a depth image that is aligned with the '
            f'camera image, or an organised cloud ({FROM_FILE}, which is none).',
        ),
        DeclareLaunchArgument(
            'depth_topic',
            default_value='',
            description='Topic of that depth image or cloud, named as image_topic; empty: '
            'depth/image or depth/points.',
        ),
        DeclareLaunchArgument(
            'model',
            default_value='',
            description=f'Weights file ({FROM_FILE}, which is the shipped one).',
        ),
        DeclareLaunchArgument(
            'device',
            default_value='',
            description=f'Where the network runs: auto, cpu, cuda or cuda:N ({FROM_FILE}).',
        ),
        DeclareLaunchArgument(
            'image_transport',
            default_value='',
            choices=['', 'raw', 'compressed'],
            description=f'How images arrive ({FROM_FILE}, which is raw).',
        ),
        DeclareLaunchArgument(
            'threshold',
            default_value='',
            description='Smallest probability of a child given its parent, 0 to 1 '
            f'({FROM_FILE}, which is 0).',
        ),
        DeclareLaunchArgument(
            'fastdds_profile',
            default_value=EnvironmentVariable(
                'FASTRTPS_DEFAULT_PROFILES_FILE',
                default_value=EnvironmentVariable(
                    'FASTDDS_DEFAULT_PROFILES_FILE', default_value=config('fastdds_shm.xml')
                ),
            ),
            description='Fast DDS profile of the node, by default the one the environment names, '
            'else 64 MB of shared memory; empty: the environment as it is. The camera driver '
            'needs one, too.',
        ),
    ]
    names = [argument.name for argument in arguments]
    check = OpaqueFunction(function=check_arguments, args=[names])
    return LaunchDescription([*arguments, check, OpaqueFunction(function=start)])


def check_arguments(context: LaunchContext, names: list[str]) -> None:
    """Check that all given arguments exist, and the parameter file.

    Raises:
        RuntimeError: They do not.
    """
    fault = unknown_arguments(sys.argv, 'segmentation.launch.py', names)
    path = str(LaunchConfiguration('params_file').perform(context))
    if not fault and not os.path.isfile(path):
        fault = f'The params_file {path!r} does not exist; expected a YAML file: check the path.'
    if fault:
        raise RuntimeError(fault)


def start(context: LaunchContext) -> list[Action]:
    """Return the node and, where asked for, rviz2."""

    def value(name: str) -> str:
        return str(LaunchConfiguration(name).perform(context))

    given: dict[str, Any] = {name: typed(name, value(name)) for name in PARAMETERS if value(name)}
    if value('points'):
        given['points.source'] = value('points')
    cameras = [name for name in re.split(r'[\s,\[\]]+', value('cameras')) if name]
    if cameras:
        given['cameras'] = cameras
    image = value('image_topic')
    camera_info = value('camera_info_topic') or beside(image, 'camera_info')
    remappings = [('image', image), ('camera_info', camera_info)]
    if depth := value('depth_topic'):
        remappings += [('depth/image', depth), ('depth/points', depth)]
    if cameras:
        remappings = [
            (f'{camera}/{name}', of_camera(topic, camera))
            for camera in cameras
            for name, topic in remappings
        ]
    profile = value('fastdds_profile')
    environment = {
        name: profile
        for name in ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
        if profile
    }
    actions: list[Action] = [
        Node(
            package='hiseg_ros',
            executable='segmentation_node',
            name=NODE_NAME,
            namespace=value('namespace'),
            parameters=[value('params_file'), given] if given else [value('params_file')],
            remappings=remappings,
            ros_arguments=['--log-level', value('log_level')],
            additional_env=environment,
            respawn=value('use_respawn') == 'true',
            respawn_delay=2.0,
            # The node may be loading weights when it is asked to stop.
            sigterm_timeout='20',
            output='screen',
        )
    ]
    if value('rviz') == 'true':
        # The layout names the topics of a node in the root namespace.
        private = '/' + '/'.join(filter(None, [value('namespace').strip('/'), NODE_NAME]))
        results = '/'.join([private, *cameras[:1]])  # of several, the first
        shown = [(f'/{NODE_NAME}/{topic}', f'{results}/{topic}') for topic in RVIZ_TOPICS]
        image = remappings[0][1]
        absolute = image if image.startswith('/') else f'{os.path.dirname(private)}/{image}'
        absolute = absolute.replace('//', '/')
        # rviz2 reads compressed images below the raw ones' name, as any image_transport.
        shown += [(f'{RVIZ_CAMERA}{end}', f'{absolute}{end}') for end in ('', '/compressed')]
        actions.append(
            Node(
                package='rviz2',
                executable='rviz2',
                arguments=['-d', value('rviz_config')],
                remappings=shown,
                output='screen',
            )
        )
    return actions


def typed(name: str, text: str) -> bool | int | float | str:
    """Return an argument in the parameter's type; the node itself refuses what does not parse."""
    if name in ('use_sim_time', 'autostart'):
        return text == 'true'
    if name == 'threshold':
        number = yaml.safe_load(text)
        return number if isinstance(number, (int, float)) else text
    return text


def of_camera(topic: str, camera: str) -> str:
    """Return a camera's topic: its name replaces {camera}, or else comes first."""
    if '{camera}' in topic:
        return topic.replace('{camera}', camera)
    if topic.startswith('/'):
        raise ValueError(
            f'The topic {topic} is the same for all cameras; expected a name below each of them, '
            f'such as {topic.rsplit("/", 1)[-1]}, or one with {{camera}} in it.'
        )
    return f'{camera}/{topic}'


def beside(topic: str, name: str) -> str:
    """Return the topic of a name in the same namespace as another topic."""
    return '/'.join([*topic.split('/')[:-1], name])
