# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Reporter: publishes /diagnostics once a second, and at once where a level changes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.utilities import get_rmw_implementation_identifier

from hiseg_ros.ros.health.camera_health import CameraHealth
from hiseg_ros.ros.health.diagnostics import NodeHealth, transport_status
from hiseg_ros.ros.health.transport import transport_in_use

PERIOD_S = 1.0
CHECK_PERIOD_S = 0.2
SURROUNDINGS_PERIOD_S = 1.0


class Reporter:
    """Publishes the diagnostics of a node and logs cameras that fall silent."""

    def __init__(
        self,
        node: Node,
        health: NodeHealth,
        cameras: Callable[[], Mapping[str, CameraHealth]],
        image_timeout_s: Callable[[], float],
    ) -> None:
        """Create publisher and timer.

        Args:
            node: The node.
            health: Its health.
            cameras: Returns the health of its cameras by name.
            image_timeout_s: Returns the seconds without an image after which a camera is STALE.
        """
        self._node = node
        self._health = health
        self._cameras = cameras
        self._image_timeout_s = image_timeout_s
        self._transport = transport_in_use(get_rmw_implementation_identifier())
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 1)
        self._levels: dict[str, bytes] = {}
        self._published_s = self._looked_s = 0.0
        # Steady: timers on simulated time stand still while a bag is paused.
        self.steady = Clock(clock_type=ClockType.STEADY_TIME)
        node.create_timer(CHECK_PERIOD_S, self._check, clock=self.steady)

    def _check(self) -> None:
        """Publish where it is time to; a timer of the executor's thread calls this."""
        now = time.monotonic()
        if now - self._looked_s >= SURROUNDINGS_PERIOD_S:
            self._looked_s = now
            self._look_around()
        statuses = self._statuses()
        levels = {status.name: status.level for status in statuses}
        if levels == self._levels and now - self._published_s < PERIOD_S:
            return
        for status in statuses:
            self._log(status, self._levels.get(status.name, DiagnosticStatus.OK))
        self._levels = levels
        self._publish(statuses)

    def publish(self) -> None:
        """Publish now."""
        self._publish(self._statuses())

    def _publish(self, statuses: list[DiagnosticStatus]) -> None:
        self._published_s = time.monotonic()
        if self._publisher.get_subscription_count() == 0:
            return
        message = DiagnosticArray()
        message.header.stamp = self._node.get_clock().now().to_msg()
        message.status = statuses
        self._publisher.publish(message)

    def _statuses(self) -> list[DiagnosticStatus]:
        name = self._node.get_fully_qualified_name()
        cameras = self._cameras()
        statuses = self._health.statuses(name, cameras, self._image_timeout_s())
        statuses.insert(1, transport_status(f'{name}: transport', self._transport, cameras))
        return statuses

    def _log(self, status: DiagnosticStatus, before: bytes) -> None:
        if status.level == DiagnosticStatus.STALE and before != DiagnosticStatus.STALE:
            self._node.get_logger().warning(status.message)
        elif before == DiagnosticStatus.STALE and status.level != DiagnosticStatus.STALE:
            self._node.get_logger().info(f'Images arrive again: {status.message}')

    def _look_around(self) -> None:
        node, warnings = self._node, self._health.warnings
        name = node.get_fully_qualified_name()
        others = [f'{space.rstrip("/")}/{n}' for n, space in node.get_node_names_and_namespaces()]
        twin = (
            f'another node is called {name}, so readers get the results of both and services '
            'answer for either: give one of them another name or namespace'
        )
        found = twin if others.count(name) > 1 else ''
        if found and not warnings.get('name'):
            node.get_logger().warning(found)
        clock = node.get_clock()
        is_stopped = clock.ros_time_is_active and clock.now().nanoseconds == 0
        no_time = 'use_sim_time is set, but nobody publishes the time on /clock'
        self._health.warnings = {'name': found, 'clock': no_time if is_stopped else ''}
