# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Records the serialised messages of a lifecycle node's topics to a rosbag2 (MCAP).

`ros2 bag record` takes topics, not a node, cannot say when it has subscribed to all that the node
publishes, and does not tell a parent what it has received; rosbag2 is also not among the ROS
packages of `make setup`.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import rclpy
from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import GetState
from rclpy.clock import JumpThreshold, TimeJump
from rclpy.context import Context
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.utilities import try_shutdown

from hiseg_ros.bags.stamps import read_stamp_ns
from hiseg_ros.errors import ConfigError
from hiseg_ros.ros.harness.bag_sink import BagSink
from hiseg_ros.ros.harness.child_process import report, run_child, stop_requested
from hiseg_ros.ros.harness.message_definitions import message_class
from hiseg_ros.ros.start import init_ros

NODE_NAME = 'hiseg_recorder'
DEPTH = 100
"""Queue of each subscription; enough for a disk that stalls for seconds."""

RESPONSE_S = 5.0
"""How long a response to a request may take; then the request is sent again."""

REPORT_PERIOD_S = 0.2
DISCOVERY_PERIOD_S = 0.2
QUIET = 3
"""Discoveries in a row without a new topic of the node, after which all topics are known."""

DRAIN_S = 0.5
"""How long messages are still received after the request to stop."""

LATE_S = 1.0
"""How long messages from before a jump of the simulated clock may still arrive after it."""

_NOT_RECORDED = ('/parameter_events', '/rosout', '/transition_event')


class Recorder(Node):
    """Subscribes to the topics of a node and to further topics, and stores their messages.

    Callbacks run in the thread that spins the node.
    """

    def __init__(
        self,
        target: str,
        further_topics: Sequence[str],
        sink: BagSink,
        *,
        results: Sequence[str] = (),
        is_simulated: bool = False,
        context: Context | None = None,
    ) -> None:
        """Create the node; `discover` creates the subscriptions.

        Args:
            target: Fully qualified name of the node to record, such as /segmentation.
            further_topics: Topics of other nodes.
            sink: Writes the messages.
            results: Names of the target's topics to record, below its own name; all where there
                are none. The node does not compute what nobody subscribes to.
            is_simulated: Whether messages are recorded with the time of /clock. Messages after it
                jumped back are counted but not recorded, so that stamps are unique.
            context: The ROS context; None for the default one.
        """
        parameters = [Parameter('use_sim_time', value=is_simulated)]
        super().__init__(
            NODE_NAME, enable_rosout=False, context=context, parameter_overrides=parameters
        )
        self.target = target
        self.counts: dict[str, int] = {}
        self.last_stamp_ns: dict[str, int] = {}
        self.last_received_ns: dict[str, int] = {}
        """When the last message of each topic was received, by this machine's clock."""
        self._is_simulated = is_simulated
        self._newest_ns = 0
        self._newest_stamp_ns: dict[str, int] = {}
        self._jumped_s: float | None = None
        backwards = JumpThreshold(
            min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=False
        )
        self._jump = self.get_clock().create_jump_callback(
            backwards, post_callback=self._on_time_jump
        )
        self._further = frozenset(further_topics)
        self._results = {f'{target}/{name}' for name in results}
        self._quiet = 0
        self._sink = sink

    def close(self) -> None:
        """Destroy the node."""
        super().destroy_node()

    def discover(self) -> None:
        """Subscribe to topics that appeared since the last call.

        The further topics, including the camera, come last: once this node has subscribed to the
        camera, it has subscribed to everything that the recorded node publishes.
        """
        if self._is_simulated and not self.get_clock().now().nanoseconds:
            return  # messages would get the time 0
        namespace, _, name = self.target.rpartition('/')
        names = self.get_node_names_and_namespaces()
        found: dict[str, str] = {}
        if (name, namespace or '/') in names:
            published = self.get_publisher_names_and_types_by_node(name, namespace or '/')
            found = {t: types[0] for t, types in published if self._is_recorded(t)}
        self._quiet = 0 if not found or set(found) - set(self.counts) else self._quiet + 1
        if self._quiet >= QUIET:
            for topic, types in self.get_topic_names_and_types():
                if topic in self._further and self.count_publishers(topic):
                    found[topic] = types[0]
        for topic, message_type in found.items():
            if topic not in self.counts:
                self._subscribe(topic, message_type)

    def _is_recorded(self, topic: str) -> bool:
        """Return whether to record a topic of the node."""
        if topic.endswith(_NOT_RECORDED):
            return False
        return not self._results or topic in self._results or topic in self._further

    def _subscribe(self, topic: str, message_type: str) -> None:
        offered = [info.qos_profile for info in self.get_publishers_info_by_topic(topic)]
        if not offered:
            return  # its name is known, its publishers will be known a moment later
        reliable = all(q.reliability == ReliabilityPolicy.RELIABLE for q in offered)
        latched = all(q.durability == DurabilityPolicy.TRANSIENT_LOCAL for q in offered)
        wanted = QoSProfile(
            depth=DEPTH,
            reliability=(
                ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
            ),
            durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
        )
        self._sink.add_topic(topic, message_type, offered)
        self.counts[topic] = 0
        has_header = 'header' in message_class(message_type).get_fields_and_field_types()
        keep: Any = self._keeper(topic, has_header)  # rclpy's types lack the second argument
        self.create_subscription(message_class(message_type), topic, keep, wanted, raw=True)

    def _keeper(self, topic: str, has_header: bool) -> Callable[[bytes, Mapping[str, int]], None]:
        def keep(data: bytes, info: Mapping[str, int]) -> None:
            # When the middleware received it, even if this process was busy.
            received_ns = _received_ns(info)
            stamp = read_stamp_ns(data) if has_header else None
            if not self._is_repeated(topic, stamp):
                time_ns = self._simulated_ns() if self._is_simulated else received_ns
                self._sink.put(topic, time_ns, data)
            self.counts[topic] += 1
            self.last_received_ns[topic] = received_ns
            if stamp is not None:
                self.last_stamp_ns[topic] = stamp

        return keep

    def _on_time_jump(self, jump: TimeJump) -> None:
        if self._jumped_s is None:
            self._jumped_s = time.monotonic()

    def _is_repeated(self, topic: str, stamp: int | None) -> bool:
        """Return whether a message belongs to a later round of the recording than the first."""
        if not self._is_simulated:
            return False
        if self._jumped_s is not None and time.monotonic() > self._jumped_s + LATE_S:
            return True
        if stamp is not None and stamp <= self._newest_stamp_ns.get(topic, -1):
            return True
        if stamp is not None:
            self._newest_stamp_ns[topic] = stamp
        return False

    def _simulated_ns(self) -> int:
        # Late messages keep the time of before the jump.
        self._newest_ns = max(self._newest_ns, self.get_clock().now().nanoseconds)
        return self._newest_ns


def _received_ns(info: Mapping[str, int]) -> int:
    return int(info['received_timestamp']) or time.time_ns()


def wait_until_active(node: Node, target: str, stop: threading.Event, timeout_s: float) -> bool:
    """Wait until a lifecycle node is active; return False when asked to stop before.

    Raises:
        ConfigError: The node stayed unconfigured, or was not active in time.
    """
    client = node.create_client(GetState, f'{target}/get_state')
    deadline = time.monotonic() + timeout_s
    unconfigured = 0
    waits_for = f'the service {client.srv_name}'
    report('waiting', waits_for=waits_for)
    while time.monotonic() < deadline and not stop.is_set():
        if not client.wait_for_service(0.2):
            continue
        answer = client.call_async(GetState.Request())
        # A response that the node could not send in time never comes: another one is asked for.
        asked_until = min(deadline, time.monotonic() + RESPONSE_S)
        while not (answer.done() or stop.is_set()) and time.monotonic() < asked_until:
            rclpy.spin_once(node, timeout_sec=0.1)
        if not answer.done():
            client.remove_pending_request(answer)
            waits_for = f'a response of {client.srv_name}, which has been asked again'
            report('waiting', waits_for=waits_for)
            continue
        now = f'{target} to become active; it is {answer.result().current_state.label}'
        if now != waits_for:
            waits_for = now
            report('waiting', waits_for=waits_for)
        state = answer.result().current_state.id
        if state == State.PRIMARY_STATE_ACTIVE:
            node.destroy_client(client)
            return True
        if state == State.PRIMARY_STATE_UNCONFIGURED:
            # Before its first transition or, if it stays, after one that failed.
            unconfigured += 1
            if unconfigured == 3:
                raise ConfigError(f'The node {target} could not be configured; see its log.')
        stop.wait(0.5)
    if stop.is_set():
        return False
    raise ConfigError(
        f'The node {target} was not active after {timeout_s:.0f} s, waiting for {waits_for}; '
        'expected it to load its weights by then: see its log.'
    )


def record(arguments: argparse.Namespace) -> int:
    """Record until the standard input is closed; return the exit code."""
    stop = stop_requested()
    init_ros()
    sink = BagSink(arguments.output)
    try:
        simulated = arguments.clock
        node = Recorder(
            arguments.node,
            arguments.topic,
            sink,
            results=arguments.result,
            is_simulated=simulated,
        )
        try:
            if wait_until_active(node, arguments.node, stop, arguments.timeout):
                _spin(node, stop)
        finally:
            node.close()
            try_shutdown()
    finally:
        sink.close()
    report('recorded', messages=node.counts)
    return 0


def _spin(node: Recorder, stop: threading.Event) -> None:
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    next_report = next_discovery = 0.0
    stop_at = float('inf')
    while (now := time.monotonic()) < stop_at:
        if stop.is_set() and stop_at == float('inf'):
            stop_at = now + DRAIN_S
        if now >= next_discovery:
            node.discover()
            next_discovery = now + DISCOVERY_PERIOD_S
        if now >= next_report:
            report(
                'progress',
                counts=node.counts,
                last_stamp_ns=node.last_stamp_ns,
                last_received_ns=node.last_received_ns,
            )
            next_report = now + REPORT_PERIOD_S
        executor.spin_once(timeout_sec=0.1)
    executor.shutdown()


def main(arguments: Sequence[str] | None = None) -> int:
    """Record what a node publishes."""
    parser = argparse.ArgumentParser(prog='hiseg_ros.ros.harness.recorder', description=__doc__)
    parser.add_argument('--output', type=Path, required=True, help='folder of the new bag')
    parser.add_argument('--node', required=True, help='name of the lifecycle node to record')
    parser.add_argument('--topic', action='append', default=[], help='a further topic')
    parser.add_argument(
        '--result', action='append', default=[], help='a topic of the node (default: all)'
    )
    parser.add_argument('--timeout', type=float, default=120.0, help='seconds to wait for it')
    parser.add_argument('--clock', action='store_true', help='record the time of /clock')
    return record(parser.parse_args(arguments))


if __name__ == '__main__':
    run_child(main)
