# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Replay a recording through the segmentation node as if it were live, with rviz2 on demand.

ros2 launch hiseg_ros replay.launch.py bag:=path/to/bag loop:=forever rviz:=true
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

from launch import LaunchContext, LaunchDescription
from launch.action import Action
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    ExecuteProcess,
    IncludeLaunchDescription,
    OpaqueFunction,
    RegisterEventHandler,
    SetLaunchConfiguration,
)
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.events.process import ProcessExited
from launch.launch_description_sources import (
    PythonLaunchDescriptionSource,
    get_launch_description_from_python_launch_file,
)
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution, ThisLaunchFileDir
from launch_ros.substitutions import ExecutableInPackage

from hiseg_ros.nearest_name import unknown_arguments

NODE_NAME = 'segmentation'
CAMERA = '/camera/image_raw'
FOREVER = 'forever'
DAMAGED = 3
"""Exit code of `hiseg play` where the recording is damaged and what is readable was replayed."""


def generate_launch_description() -> LaunchDescription:
    """Return the launch arguments, the player, and the node with its own arguments."""
    arguments = [
        DeclareLaunchArgument(
            'bag', description='Bag to replay: a folder, or one .mcap, .db3 or .bag file.'
        ),
        DeclareLaunchArgument(
            'topic',
            default_value='',
            description="Camera topic of the bag (empty: the bag's first).",
        ),
        DeclareLaunchArgument(
            'rate', default_value='1.0', description='Factor on the speed of the replay.'
        ),
        DeclareLaunchArgument(
            'loop',
            default_value='1',
            description=f'How often the recording is replayed: a number, or {FOREVER}.',
        ),
        DeclareLaunchArgument(
            'clock',
            default_value='true',
            choices=['true', 'false'],
            description='Keep the recorded stamps and publish /clock, which the node then '
            'follows; false stamps the images with the current time.',
        ),
        DeclareLaunchArgument(
            'seconds', default_value='', description='Replay only the first seconds (empty: all).'
        ),
        DeclareLaunchArgument(
            'at_end',
            default_value='stay',
            choices=['stay', 'shutdown'],
            description='What the launch does after the last round.',
        ),
    ]
    node = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(
            PathJoinSubstitution([ThisLaunchFileDir(), 'segmentation.launch.py'])
        ),
        launch_arguments=[
            ('image_topic', CAMERA),
            ('image_transport', LaunchConfiguration('recorded_transport')),
            ('use_sim_time', LaunchConfiguration('clock')),
        ],
    )
    beside = os.path.join(os.path.dirname(__file__), 'segmentation.launch.py')
    of_node = get_launch_description_from_python_launch_file(beside).get_launch_arguments()
    names = [argument.name for argument in (*arguments, *of_node)]
    check = OpaqueFunction(function=check_arguments, args=[names])
    return LaunchDescription([*arguments, check, OpaqueFunction(function=start_player), node])


def check_arguments(context: LaunchContext, names: list[str]) -> None:
    """Check that all given arguments exist, here or in the node's launch file.

    Raises:
        RuntimeError: They do not.
    """
    if fault := unknown_arguments(sys.argv, 'replay.launch.py', names):
        raise RuntimeError(fault)


def start_player(context: LaunchContext) -> list[Action]:
    """Return the player, which waits for the node; the topic's type in the bag sets the transport.

    Raises:
        RuntimeError: The bag cannot be replayed.
    """

    def value(name: str) -> str:
        return str(LaunchConfiguration(name).perform(context))

    # A program of its own: it runs with the interpreter of the build, which has the bag reader.
    program = ExecutableInPackage('hiseg', 'hiseg_ros').perform(context)
    chosen = ['play', value('bag')]
    if value('topic'):
        chosen += ['--topic', value('topic')]
    listing = subprocess.run([program, *chosen, '--list'], capture_output=True, text=True)
    if listing.returncode:
        raise RuntimeError((listing.stderr or listing.stdout).strip().splitlines()[-1])
    replayed = listing.stdout.split()[2]  # recorded -> replayed (type, ...)
    transport = 'compressed' if replayed.endswith('/compressed') else 'raw'
    player = ExecuteProcess(
        cmd=[program, *chosen, *pace(value)], name='player', output='screen', sigterm_timeout='10'
    )
    at_end = OnProcessExit(
        target_action=player,
        on_exit=lambda event, context: after_player(event, value('at_end')),
    )
    return [
        SetLaunchConfiguration('recorded_transport', transport),
        player,
        RegisterEventHandler(at_end),
    ]


def pace(value: Callable[[str], str]) -> list[str]:
    """Return the player's options."""
    options = ['--rate', value('rate'), '--wait-for', NODE_NAME]
    options += ['--loop'] if value('loop') == FOREVER else ['--loop', value('loop')]
    if value('clock') == 'true':
        options.append('--clock')
    if value('seconds'):
        options += ['--seconds', value('seconds')]
    return options


def after_player(event: ProcessExited, at_end: str) -> list[Action]:
    """Return what follows: nothing, or the end of the launch.

    A damaged recording was replayed as far as it can be read; the player has said so.
    """
    if event.returncode not in (0, DAMAGED):
        reason = f'the recording could not be replayed (exit code {event.returncode})'
        return [EmitEvent(event=Shutdown(reason=reason))]
    if at_end == 'shutdown':
        return [EmitEvent(event=Shutdown(reason='the recording was replayed'))]
    return []
