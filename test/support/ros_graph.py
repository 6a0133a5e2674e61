# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A private ROS graph: nodes under test in threads, one peer node in the test's thread."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import DescribeParameters, SetParametersAtomically
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy

from hiseg_ros.ros.node.executor import NodeExecutor

PATIENCE_S = 60.0

RVIZ_QOS = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
NAV2_MASK_QOS = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)

CONFIGURE = Transition.TRANSITION_CONFIGURE
ACTIVATE = Transition.TRANSITION_ACTIVATE
DEACTIVATE = Transition.TRANSITION_DEACTIVATE
CLEANUP = Transition.TRANSITION_CLEANUP


class Graph:
    """Nodes of one ROS context; every wait has a deadline and says what it waited for."""

    def __init__(self) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.peer = Node('peer', context=self.context)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.peer)
        self._clients: dict[str, Any] = {}
        self._running: list[tuple[NodeExecutor, threading.Thread, Any]] = []

    def start(self, node: Any) -> Any:
        """Spin a node with a `close` method in a thread of its own."""
        executor = NodeExecutor(context=self.context)
        executor.add_node(node)

        def spin() -> None:
            try:
                executor.spin()
            except ExternalShutdownException:
                pass

        thread = threading.Thread(target=spin, daemon=True)
        thread.start()
        self._running.append((executor, thread, node))
        return node

    def close(self) -> None:
        """Stop and destroy everything."""
        executor = thread = node = None
        for executor, thread, node in self._running:
            executor.shutdown(timeout_sec=PATIENCE_S)
            thread.join(PATIENCE_S)
            executor.wait_slow(PATIENCE_S)
            node.close()
        self._running.clear()
        self._clients.clear()
        self._executor.shutdown()
        self.peer.destroy_node()
        rclpy.shutdown(context=self.context)
        # A lifecycle node's services live as long as the object; the next graph must not see them.
        del executor, thread, node
        gc.collect()

    def spin(self, seconds: float = 0.05) -> None:
        """Handle what has arrived at the peer."""
        self._executor.spin_once(timeout_sec=seconds)

    def until(
        self,
        condition: Callable[[], Any],
        what: str,
        *,
        meanwhile: Callable[[], Any] = lambda: None,
        patience_s: float = PATIENCE_S,
    ) -> Any:
        """Spin until the condition holds and return its value; fail at the deadline."""
        deadline = time.monotonic() + patience_s
        while not (value := condition()):
            if time.monotonic() > deadline:
                pytest.fail(f'not within {patience_s:.0f} s: {what}')
            meanwhile()
            self.spin()
        return value

    def collect(self, kind: type, topic: str, qos: QoSProfile | int = 10) -> list[Any]:
        """Subscribe; the list grows by each message."""
        received: list[Any] = []
        self.peer.create_subscription(kind, topic, received.append, qos)
        return received

    def unsubscribe(self, topic: str) -> None:
        """Destroy the peer's subscriptions of a topic."""
        for subscription in list(self.peer.subscriptions):
            if subscription.topic_name == topic:
                self.peer.destroy_subscription(subscription)

    def call(self, kind: type, service: str, request: Any, *, again_s: float = PATIENCE_S) -> Any:
        """Call a service and return its response.

        A server that answers before it has found the reader of its answers loses the first one:
        what may be asked twice is asked again after `again_s`.
        """
        # Kept, since a client made right after one of the same name was destroyed may never match.
        if service not in self._clients:
            self._clients[service] = self.peer.create_client(kind, service)
        client = self._clients[service]
        self.until(client.service_is_ready, f'service {service}')
        futures = [client.call_async(request)]
        asked_s = time.monotonic()

        def answered() -> Any:
            nonlocal asked_s
            if time.monotonic() - asked_s > again_s:
                asked_s = time.monotonic()
                futures.append(client.call_async(request))
            return next((future for future in futures if future.done()), None)

        return self.until(answered, f'answer of {service}').result()

    def change_state(self, transition: int, node: str = '/segmentation') -> bool:
        """Ask for a lifecycle transition; return whether it succeeded."""
        request = ChangeState.Request(transition=Transition(id=transition))
        return bool(self.call(ChangeState, f'{node}/change_state', request).success)

    def state(self, node: str = '/segmentation') -> str:
        """Return the lifecycle state's name."""
        response = self.call(GetState, f'{node}/get_state', GetState.Request(), again_s=5.0)
        return str(response.current_state.label)

    def set_parameters(self, values: dict[str, Any], node: str = '/segmentation') -> str:
        """Set parameters together; return '' or the reason they were refused for."""
        request = SetParametersAtomically.Request()
        request.parameters = [
            Parameter(name, value=value).to_parameter_msg() for name, value in values.items()
        ]
        result = self.call(
            SetParametersAtomically, f'{node}/set_parameters_atomically', request
        ).result
        return '' if result.successful else (result.reason or 'refused without a reason')

    def describe(self, names: list[str], node: str = '/segmentation') -> list[Any]:
        """Return parameter descriptors."""
        request = DescribeParameters.Request(names=names)
        response = self.call(DescribeParameters, f'{node}/describe_parameters', request)
        return list(response.descriptors)
