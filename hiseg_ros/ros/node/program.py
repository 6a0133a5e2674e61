# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The node's process: signals, spinning, and an end within two seconds."""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.signals import SignalHandlerOptions

from hiseg_ros.ending import on_stop
from hiseg_ros.ros.health.shared_memory import remove_dead_segments
from hiseg_ros.ros.node.executor import NodeExecutor
from hiseg_ros.ros.start import init_ros

SIGNAL_PERIOD_S = 0.2

PATIENCE_S = 0.7
"""How long the process, at its end, waits for the frame in work or a running transition."""


def run_program(make_node: Callable[[], Any], arguments: Sequence[str] | None) -> int:
    """Run a node until SIGINT, SIGTERM or a shutdown of its context.

    Args:
        make_node: Makes the node; its `close(timeout_s)` returns whether it ended in time.
        arguments: For rclpy; the command line's by default.

    Returns:
        The exit code: 0, or 1 after an unexpected exception in a callback.
    """
    # Not rclpy's handlers: they invalidate the context at once, while the worker publishes or a
    # transition runs.
    stop = threading.Event()
    with on_stop(stop.set):
        return _run(make_node, arguments, stop)


def _run(
    make_node: Callable[[], Any], arguments: Sequence[str] | None, stop: threading.Event
) -> int:
    removed = remove_dead_segments()  # room for this node, should it have been killed before
    init_ros(arguments, signal_handler_options=SignalHandlerOptions.NO)
    node = make_node()
    if removed:
        node.get_logger().info(
            f'Removed the shared memory of processes that were killed: {", ".join(removed)}.'
        )
    executor = NodeExecutor()
    executor.add_node(node)
    code = 0
    try:
        while not stop.is_set():
            executor.spin_once(timeout_sec=SIGNAL_PERIOD_S)
    except ExternalShutdownException:
        pass
    except Exception:
        traceback.print_exc()
        code = 1
    executor.shutdown()
    has_ended = executor.wait_slow(PATIENCE_S) and node.close(PATIENCE_S)
    rclpy.try_shutdown()
    if not has_ended:
        # Loading weights and running a network cannot be interrupted, and the interpreter would
        # wait for their threads; a robot that is switched off does not wait.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code
