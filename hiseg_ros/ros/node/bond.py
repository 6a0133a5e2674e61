# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The bond of the node with Nav2's lifecycle manager: heartbeats while the node is active."""

from __future__ import annotations

import threading
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile

from hiseg_ros.errors import ConfigError
from hiseg_ros.ros.node.bond_side import SILENCE_S, BondSide

TOPIC = 'bond'
"""As in Nav2; `/bond` in the root namespace."""

BREAK_PERIOD_S = 0.05
QUEUES = (5, 100)
"""Depths of bondcpp's publisher and subscription."""


class Bond:
    """One bond after the other with the same name: the node's.

    Where the process or its executor stands still, the manager misses the heartbeats.
    """

    def __init__(self, node: Node, period_s: float) -> None:
        """Connect to the topic, so that a bond forms fast; `start` begins one.

        Args:
            node: The node.
            period_s: Seconds between two heartbeats.

        Raises:
            ConfigError: The package bond is not installed.
        """
        try:
            from bond.msg import Status
        except ImportError as problem:
            raise ConfigError(
                f'Parameter bond_heartbeat_period is {period_s:g}, and bond.msg cannot be '
                f'imported ({problem}); expected the package bond: sudo apt install '
                'ros-$ROS_DISTRO-bond, or set the parameter to 0.'
            ) from problem
        self._node, self._kind, self._period_s = node, Status, period_s
        self._side = BondSide()
        # Held until a step has sent its message and chosen a timer: the executor's thread beats
        # and hears, that of transitions starts, stops and destroys.
        self._lock = threading.Lock()
        self._closed = False
        self._publisher = node.create_publisher(Status, TOPIC, QoSProfile(depth=QUEUES[0]))
        self._subscription = node.create_subscription(
            Status, TOPIC, self._on_status, QoSProfile(depth=QUEUES[1])
        )
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timers = [
            node.create_timer(period, self._beat, clock=steady)
            for period in (period_s, BREAK_PERIOD_S)
        ]
        self._pace(None)

    def start(self) -> None:
        """Begin a bond and its heartbeats; called in the thread of transitions."""
        with self._lock:
            self._send(self._side.start())
            self._pace(0)

    def stop(self) -> None:
        """Break the bond, so that the manager does not take the node for dead.

        Called in the thread of transitions. The break is repeated until the manager confirms it.
        """
        with self._lock:
            self._stop()

    def _stop(self) -> None:
        active = self._side.stop()
        self._send(active)
        self._pace(1 if active is not None else None)

    def destroy(self) -> None:
        """Break the bond and take it out of the graph."""
        with self._lock:
            self._stop()
            # The executor may have taken a timer or a message already, and go on with it later.
            self._closed = True
        for timer in self._timers:
            self._node.destroy_timer(timer)
        self._node.destroy_subscription(self._subscription)
        self._node.destroy_publisher(self._publisher)

    def _on_status(self, status: Any) -> None:
        """Note what the manager says; rclpy calls this in the executor's thread."""
        if status.id == self._node.get_name():
            with self._lock:
                self._send(self._side.heard(status.instance_id, status.active))

    def _beat(self) -> None:
        """Send a heartbeat, or the break again; a timer of the executor's thread calls this."""
        with self._lock:
            active = self._side.beat()
            self._send(active)
            if active is None and self._side.state == 'off':
                self._pace(None)

    def _pace(self, chosen: int | None) -> None:
        """Let one timer run, or none: 0 beats, 1 repeats the break."""
        if self._closed:
            return
        for index, timer in enumerate(self._timers):
            if index == chosen:
                timer.reset()
            else:
                timer.cancel()

    def _send(self, active: bool | None) -> None:
        if active is None or self._closed or not self._node.context.ok():
            return
        status = self._kind(
            id=self._node.get_name(),
            instance_id=self._side.instance_id,
            active=active,
            heartbeat_timeout=SILENCE_S,
            heartbeat_period=self._period_s,
        )
        status.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(status)
