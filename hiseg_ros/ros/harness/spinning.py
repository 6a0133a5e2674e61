# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Spins a node in a thread while the program publishes and waits."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node

END_S = 5.0
"""How long the thread may take to end."""


@contextmanager
def spinning(node: Node) -> Iterator[None]:
    """Run the callbacks of a node in a thread; at the end shut ROS down and destroy the node.

    Args:
        node: The only node of the program.
    """
    executor = SingleThreadedExecutor()
    executor.add_node(node)

    def spin() -> None:
        try:
            executor.spin()
        except ExternalShutdownException:
            pass

    thread = threading.Thread(target=spin, name='spin', daemon=True)
    thread.start()
    try:
        yield
    finally:
        rclpy.try_shutdown()
        thread.join(END_S)
        node.destroy_node()
