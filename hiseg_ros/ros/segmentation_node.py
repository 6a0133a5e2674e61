# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The lifecycle node: an image topic in, hierarchical labels out."""

from __future__ import annotations

import os
import signal
import threading
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType, JumpThreshold, TimeJump
from rclpy.duration import Duration
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.signals import SignalHandlerOptions
from rclpy.timer import Timer
from rclpy.utilities import get_rmw_implementation_identifier

from hiseg_ros.errors import HisegError
from hiseg_ros.ros.diagnostics import Counters, Health
from hiseg_ros.ros.engine_loader import LoadedEngine, SegmentationEngine, load_engine
from hiseg_ros.ros.frame_processor import FrameProcessor
from hiseg_ros.ros.frame_slot import FrameSlot
from hiseg_ros.ros.inputs import Frame, Inputs
from hiseg_ros.ros.outputs import Outputs
from hiseg_ros.ros.parameter_store import ParameterStore
from hiseg_ros.ros.parameters import NodeParameters
from hiseg_ros.ros.transport import transport_in_use
from hiseg_ros.ros.worker import Worker

NODE_NAME = 'segmentation'
DIAGNOSTICS_PERIOD_S = 1.0
MATCH_PERIOD_S = 0.5
SIGNAL_PERIOD_S = 0.2


class SegmentationNode(LifecycleNode):
    """Segments the newest image of a camera topic.

    The executor's thread runs services, timers and subscriptions, which only put images into a
    slot; the worker's thread owns the engine, decodes, segments and publishes.
    """

    def __init__(
        self,
        *,
        engine_factory: Callable[[NodeParameters], LoadedEngine] = load_engine,
        **node_arguments: Any,
    ) -> None:
        """Declare the parameters and, where `autostart` says so, configure once spinning.

        Args:
            engine_factory: Makes the engine from the parameters; called in the worker's thread.
            node_arguments: For rclpy's Node: context, namespace, parameter_overrides, ...
        """
        super().__init__(NODE_NAME, **node_arguments)
        self._engine_factory = engine_factory
        self._health = Health()
        self._slot: FrameSlot[Frame] = FrameSlot()
        self._worker: Worker[Frame] | None = None
        self._inputs: Inputs | None = None
        self._outputs: Outputs | None = None
        self._processor: FrameProcessor | None = None
        self._store = ParameterStore(self, is_configured=lambda: self._worker is not None)
        for name in self._store.unknown_names:
            self.get_logger().warning(
                f'Parameter {name} was given, which this node does not have; expected one of '
                f'`ros2 param list {self.get_fully_qualified_name()}`: correct its name.'
            )
        self._transport = transport_in_use(get_rmw_implementation_identifier())
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 1)
        # Steady, since timers on simulated time stand still while a bag is paused.
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(DIAGNOSTICS_PERIOD_S, self._publish_diagnostics, clock=self._steady)
        self.create_timer(MATCH_PERIOD_S, self._match_publishers, clock=self._steady)
        self._crash = self.create_guard_condition(self._leave_active)
        backwards = JumpThreshold(
            min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=True
        )
        self._jump = self.get_clock().create_jump_callback(
            backwards, post_callback=self._on_time_jump
        )
        self._autostart_timer: Timer | None = None
        if self._store.values.autostart:
            self._autostart_timer = self.create_timer(0.0, self._autostart, clock=self._steady)

    @property
    def counters(self) -> Counters:
        """Frames since the node was configured."""
        return self._health.counters

    def _autostart(self) -> None:
        if self._autostart_timer is not None:
            self.destroy_timer(self._autostart_timer)
            self._autostart_timer = None
        if self._health.state != 'unconfigured':
            return
        if self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the weights and create the publishers.

        Returns:
            FAILURE, and the node stays unconfigured, where weights, taxonomy, device or a
            parameter cannot be used; ERROR, with the same end, on anything unforeseen.
        """
        self._health.recovered()
        self._health.state = 'configuring'
        self._publish_diagnostics()
        try:
            self._configure(self._store.validated())
        except HisegError as error:
            self._teardown()
            self._health.failed(str(error))
            self.get_logger().error(f'Not configured: {error}')
            return TransitionCallbackReturn.FAILURE
        except Exception as error:
            self._report(error)
            return TransitionCallbackReturn.ERROR
        self._health.state = 'inactive'
        return TransitionCallbackReturn.SUCCESS

    def _configure(self, parameters: NodeParameters) -> None:
        self._slot = FrameSlot()
        self._worker = Worker(self._slot, self._process, self._on_worker_error)
        loaded = self._worker.start(lambda: self._engine_factory(parameters))
        self._outputs = Outputs(self, loaded.taxonomy)
        self._inputs = Inputs(self, parameters, self._on_frame)
        self._processor = FrameProcessor(
            self, self._store, self._health, self._inputs, self._outputs
        )
        self._health.reset()
        self._health.facts = {**loaded.facts, 'image topic': self._inputs.image_topic}
        facts = ', '.join(f'{key} {value}' for key, value in self._health.facts.items())
        self.get_logger().info(f'Configured: {facts}')

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Enable the publishers, then subscribe; SUCCESS."""
        result = super().on_activate(state)
        self._health.recovered()
        self._health.reset_times()
        if self._inputs is not None:
            self._inputs.open()
        self._health.state = 'active'
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe, let the frame in work finish, disable the publishers; SUCCESS."""
        self._quiesce()
        self._health.state = 'inactive'
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the engine and take the publishers out of the graph; SUCCESS."""
        self._teardown()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything, from any state; SUCCESS."""
        self._teardown()
        self._health.state = 'finalized'
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything after a transition failed in an unforeseen way; SUCCESS."""
        self._teardown()
        return TransitionCallbackReturn.SUCCESS

    def _quiesce(self) -> None:
        if self._inputs is not None:
            self._inputs.close()
        self._slot.clear()
        if self._worker is not None:
            self._worker.wait_idle()

    def _teardown(self) -> None:
        if self._inputs is not None:
            self._inputs.close()
        if self._worker is not None:
            self._worker.stop()
        if self._outputs is not None:
            self._outputs.destroy()
        self._worker = self._inputs = self._outputs = self._processor = None
        self._health.state = 'unconfigured'

    def close(self) -> None:
        """Stop the worker and destroy the node."""
        self._teardown()
        self.destroy_node()

    def _on_frame(self, frame: Frame) -> None:
        self._slot.put(frame)
        self._health.received(self._slot.dropped)

    def _process(self, engine: SegmentationEngine, frame: Frame) -> None:
        if self._processor is not None:
            self._processor.process(engine, frame)

    def _on_worker_error(self, error: Exception) -> None:
        # In the worker's thread: a transition may only happen in the executor's.
        if not self.context.ok():
            return  # ROS was shut down while a frame was in work, so it could not be published
        self._report(error)
        self._crash.trigger()

    def _leave_active(self) -> None:
        if self._health.state == 'active':
            self.trigger_deactivate()

    def _report(self, error: Exception) -> None:
        trace = ''.join(traceback.format_exception(type(error), error, error.__traceback__))
        self.get_logger().error(f'Unforeseen fault, please report it:\n{trace}')
        self._health.failed(f'{type(error).__name__}: {error}')

    def _match_publishers(self) -> None:
        if self._inputs is not None:
            self._inputs.match_publishers()

    def _on_time_jump(self, jump: TimeJump) -> None:
        self._slot.clear()
        self._health.reset_times()

    def _publish_diagnostics(self) -> None:
        if self._diagnostics.get_subscription_count() == 0:
            return
        name = self.get_fully_qualified_name()
        message = DiagnosticArray()
        message.header.stamp = self.get_clock().now().to_msg()
        timeout_s = self._store.values.image_timeout
        message.status = [
            self._health.status(f'{name}: segmentation', timeout_s),
            self._health.transport_status(f'{name}: transport', self._transport),
        ]
        self._diagnostics.publish(message)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the node until SIGINT, SIGTERM or a shutdown of its context; return the exit code 0."""
    # Read when torch is loaded: threads that spin while they wait starve everything else on a busy
    # machine of few cores (a frame of 360x480 took 14 s beside a training, 1 s with this).
    os.environ.setdefault('GOMP_SPINCOUNT', '1000')
    # Not rclpy's handlers: they invalidate the context at once, under the hands of the worker
    # that publishes or of a transition that is under way.
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    rclpy.init(
        args=None if arguments is None else list(arguments),
        signal_handler_options=SignalHandlerOptions.NO,
    )
    node = SegmentationNode()
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        while not stop.is_set():
            executor.spin_once(timeout_sec=SIGNAL_PERIOD_S)
    except ExternalShutdownException:
        pass
    finally:
        executor.shutdown()
        node.close()
        rclpy.try_shutdown()
    return 0
