# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Starting ROS in a process, also where its log files cannot be written."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import rclpy

WITHOUT_LOG_FILES = ('--ros-args', '--disable-external-lib-logs')


def init_ros(arguments: Sequence[str] | None = None, **settings: Any) -> None:
    """Initialise rclpy; where the log folder cannot be used, one sentence says so.

    Args:
        arguments: For rclpy; the command line's by default.
        settings: For rclpy.init.
    """
    given = list(sys.argv if arguments is None else arguments)
    fault = log_folder_fault(os.environ)
    if fault:
        print(fault, file=sys.stderr)
        given += WITHOUT_LOG_FILES
    rclpy.init(args=given, **settings)


def log_folder_fault(environment: Mapping[str, str]) -> str:
    """Return in a sentence why ROS cannot write log files; '' where it can.

    rclpy would end with an exception.
    """
    named = environment.get('ROS_LOG_DIR')
    above = environment.get('ROS_HOME') or environment.get('HOME', '')
    remedy = 'the log goes to the console alone: set ROS_LOG_DIR to a writable folder.'
    if not named and not above:
        return f'There is no HOME for log files; {remedy}'
    if named:
        folder = Path(named)
    else:
        folder = Path(above, 'log') if environment.get('ROS_HOME') else Path(above, '.ros', 'log')
    text = str(folder)
    if text.startswith('~'):
        text = environment.get('HOME', '') + text[1:]
    try:
        os.makedirs(text, exist_ok=True)
        is_usable = os.access(text, os.W_OK | os.X_OK)
        reason = 'no permission'
    except (OSError, ValueError) as problem:
        is_usable, reason = False, getattr(problem, 'strerror', None) or str(problem)
    return '' if is_usable else f'The log folder {text!r} cannot be written ({reason}); {remedy}'
