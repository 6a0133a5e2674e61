# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The lifecycle node: image topics in, hierarchical labels out."""

from __future__ import annotations

import os
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lifecycle_msgs.srv import ChangeState
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import JumpThreshold, TimeJump
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNodeMixin, LifecycleState, TransitionCallbackReturn
from rclpy.timer import Timer
from std_srvs.srv import SetBool

from hiseg_ros.allocator import FRAMES, TRIM_PERIOD_S, give_back, keep_freed_memory
from hiseg_ros.ending import end_in_time
from hiseg_ros.errors import ConfigError, DeviceError, HisegError
from hiseg_ros.plain_text import printable
from hiseg_ros.ros.health.camera_health import CameraHealth, Counters
from hiseg_ros.ros.health.diagnostics import NodeHealth, total
from hiseg_ros.ros.health.reporter import Reporter
from hiseg_ros.ros.node.bond import Bond
from hiseg_ros.ros.node.engine_loader import load_engine
from hiseg_ros.ros.node.guarded_node import GuardedNode
from hiseg_ros.ros.node.parameter_store import ParameterStore
from hiseg_ros.ros.node.program import run_program
from hiseg_ros.ros.node.session import EngineFactory, Session
from hiseg_ros.ros.node.thread_errors import release_frames
from hiseg_ros.srv import LoadModel
from hiseg_ros.threads import limit_spinning

NODE_NAME = 'segmentation'
MATCH_PERIOD_S = 0.5
SUCCESS, FAILURE, ERROR = (
    TransitionCallbackReturn.SUCCESS,
    TransitionCallbackReturn.FAILURE,
    TransitionCallbackReturn.ERROR,
)


class SegmentationNode(LifecycleNodeMixin, GuardedNode):
    """Segments the newest images of one or more camera topics.

    The executor's thread runs services, timers and subscriptions, which only put images into
    slots. Transitions and the loading of weights run in a second thread of NodeExecutor. The
    worker thread owns the engine, decodes and segments; it publishes too, unless images wait: then
    the publish thread does.
    """

    def __init__(
        self,
        *,
        engine_factory: EngineFactory = load_engine,
        **node_arguments: Any,
    ) -> None:
        """Declare the parameters; with `autostart` configure and activate once spinning.

        Args:
            engine_factory: Makes the engine from the parameters; called in the worker thread.
            node_arguments: For rclpy's Node: context, namespace, parameter_overrides, ...
        """
        self._session: Session | None = None
        self._health = NodeHealth(live_facts=self._input_facts)
        GuardedNode.__init__(self, NODE_NAME, self._health.refused, **node_arguments)
        slow = ReentrantCallbackGroup()
        LifecycleNodeMixin.__init__(self, callback_group=slow)
        self.guard_services()
        self._engine_factory = engine_factory
        self._bond: Bond | None = None
        self._enable_lock = threading.Lock()
        self._device_lost = False
        self._store = ParameterStore(
            self, is_configured=lambda: self._health.state not in ('unconfigured', 'finalized')
        )
        self._reporter = Reporter(
            self,
            self._health,
            self._cameras,
            lambda: self._store.values.image_timeout,
        )
        steady = self._reporter.steady
        self.create_timer(MATCH_PERIOD_S, self._match_publishers, clock=steady)
        self.create_timer(TRIM_PERIOD_S, give_back, clock=steady)
        self.create_service(SetBool, '~/set_enabled', self._on_set_enabled)
        self.create_service(LoadModel, '~/load_model', self._on_load_model, callback_group=slow)
        self._crash = self.create_guard_condition(self._leave_active, callback_group=slow)
        backwards = JumpThreshold(
            min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=True
        )
        self._jump = self.get_clock().create_jump_callback(
            backwards, post_callback=self._on_time_jump
        )
        self._autostart_timer: Timer | None = None
        if self._store.values.autostart:
            self._autostart_timer = self.create_timer(
                0.0, self._autostart, clock=steady, callback_group=slow
            )

    @property
    def counters(self) -> Counters:
        """Counters of all cameras together since the node was configured."""
        return total(list(self._cameras().values()))

    @property
    def counters_of_cameras(self) -> Mapping[str, Counters]:
        """Counters of each camera since the node was configured, by its name."""
        return {name: health.counters for name, health in self._cameras().items()}

    def _cameras(self) -> Mapping[str, CameraHealth]:
        # Read once: transitions run in another thread.
        session = self._session
        return {} if session is None else session.health

    def _input_facts(self) -> Mapping[str, str]:
        session = self._session
        return {} if session is None else session.input_facts

    def is_slow(self, entity: object) -> bool:
        """Return whether an entity's callback may take long; see NodeExecutor."""
        if entity is self._crash or entity is self._autostart_timer:
            return True
        return getattr(entity, 'srv_type', None) in (ChangeState, LoadModel)

    def _autostart(self) -> None:
        """Configure and activate; a timer calls this once, in the executor's second thread."""
        if self._autostart_timer is None:
            return
        self.destroy_timer(self._autostart_timer)
        self._autostart_timer = None
        if self._health.state == 'unconfigured' and self.trigger_configure() == SUCCESS:
            self.trigger_activate()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the weights and create the publishers.

        rclpy calls this and the other transition callbacks; NodeExecutor runs them in its second
        thread.

        Returns:
            SUCCESS; FAILURE, and the node stays unconfigured, where weights, taxonomy, device or a
            parameter cannot be used; ERROR, with the same end, on an unexpected exception.
        """
        self._health.recovered()
        self._device_lost = False
        # From here on the store refuses what would come too late for the values read below.
        self._health.state = 'configuring'
        self._reporter.publish()
        try:
            parameters = self._store.validated()
            if parameters.bond_heartbeat_period > 0.0:
                self._bond = Bond(self, parameters.bond_heartbeat_period)
            self._session = Session(self, self._store, self._engine_factory, self._on_frame_error)
            self._session.load(parameters)
            self._health.facts = self._session.facts
        except HisegError as error:
            self._teardown()
            self._health.failed(str(error))
            self.get_logger().error(f'Not configured: {error}')
            return FAILURE
        except Exception as error:
            self._report(error)
            return ERROR
        self._health.state = 'inactive'
        facts = printable(', '.join(f'{key} {value}' for key, value in self._health.facts.items()))
        self.get_logger().info(f'Configured: {facts}')
        return SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Enable the publishers, then subscribe; SUCCESS, or ERROR on an unexpected exception."""
        return self._attempt(lambda: self._activate(state))

    def _activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        result = super().on_activate(state)
        self._health.recovered()
        with self._enable_lock:
            self._health.state = 'active'
            if self._session is not None and self._health.enabled:
                self._session.open_inputs()
        if self._bond is not None:
            self._bond.start()
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe, let the frames in work finish, disable the publishers.

        Returns:
            SUCCESS; ERROR, and the node ends unconfigured, where its device was lost.
        """
        return self._attempt(lambda: self._deactivate(state))

    def _deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        if self._bond is not None:
            self._bond.stop()
        with self._enable_lock:
            self._health.state = 'inactive'
            if self._session is not None:
                self._session.close_inputs()
        if self._session is not None:
            self._session.wait_done()
        result = super().on_deactivate(state)
        return ERROR if self._device_lost else result

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the engine and take the publishers out of the graph; SUCCESS."""
        self._teardown()
        return SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything, from any state; SUCCESS."""
        self._teardown()
        self._health.state = 'finalized'
        return SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything after a transition ended in ERROR; SUCCESS."""
        self._teardown()
        return SUCCESS

    def _attempt(self, step: Callable[[], TransitionCallbackReturn]) -> TransitionCallbackReturn:
        # rclpy itself turns an exception into ERROR without a log message.
        try:
            return step()
        except Exception as error:
            self._report(error)
            return ERROR

    def _teardown(self, timeout_s: float | None = None) -> bool:
        # A shutdown may come while the node is active: ~/set_enabled must not subscribe again to
        # what is taken down. Parameters that are not live stay refused until the end.
        with self._enable_lock:
            if self._health.state == 'active':
                self._health.state = 'inactive'
        if self._session is not None and not self._session.destroy(timeout_s):
            return False
        self._session = None
        if self._bond is not None:
            self._bond.destroy()
            self._bond = None
        self._health.state = 'unconfigured'
        return True

    def close(self, timeout_s: float | None = None) -> bool:
        """Stop the worker and destroy the node.

        Args:
            timeout_s: How long to wait for the frames in work; None waits forever.

        Returns:
            False where they took longer; the node is not destroyed then, but takes no images.
        """
        if not self._teardown(timeout_s):
            return False
        self.destroy_node()
        return True

    def _on_set_enabled(
        self, request: SetBool.Request, response: SetBool.Response
    ) -> SetBool.Response:
        """Pause or resume; called in the executor's thread for each request."""
        with self._enable_lock:
            self._health.enabled = request.data
            if self._health.state == 'active' and self._session is not None:
                if request.data:
                    self._session.open_inputs()
                else:
                    self._session.close_inputs()
        response.success = True
        does = 'takes images while it is active' if request.data else 'takes no images'
        response.message = f'The node {does}; it is {self._health.state}.'
        self.get_logger().info(response.message)
        return response

    def _on_load_model(
        self, request: LoadModel.Request, response: LoadModel.Response
    ) -> LoadModel.Response:
        """Swap the weights; called in the executor's second thread for each request."""
        try:
            if self._session is None:
                raise ConfigError(
                    f'The node is {self._health.state}; expected inactive or active: set '
                    'parameter model and configure instead.'
                )
            self._session.load_model(request.model)
            self._health.facts = self._session.facts
        except Exception as error:
            if not isinstance(error, HisegError):
                self.get_logger().error(_trace(error))
            response.message = printable(f'Nothing has changed: {" ".join(str(error).split())}')
            self.get_logger().error(response.message)
            release_frames(error)
            give_back()
            return response
        response.success = True
        response.message = f'The node runs {self._health.facts.get("model", request.model)}.'
        self.get_logger().info(response.message)
        return response

    def _on_frame_error(self, error: Exception) -> None:
        """Report an exception and leave the active state; called in the thread that failed.

        That is the worker or the publish thread, and transitions belong to the executor's.
        """
        if not self.context.ok():
            return  # ROS was shut down while a frame was in work, so it could not be published
        if isinstance(error, DeviceError):  # kept, should the other thread fail as well
            self._device_lost = True
        self._report(error)
        self._crash.trigger()

    def _leave_active(self) -> None:
        """Deactivate after an error; called in the executor's second thread when triggered."""
        if self._health.state == 'active':
            self.trigger_deactivate()

    def _report(self, error: Exception) -> None:
        if isinstance(error, HisegError):
            self.get_logger().error(str(error))
            self._health.failed(str(error))
            return
        self.get_logger().error(f'Unexpected error, please report it:\n{_trace(error)}')
        self._health.failed(f'{type(error).__name__}: {error}')

    def _match_publishers(self) -> None:
        """Follow the publishers' reliability; a timer of the executor's thread calls this."""
        if (session := self._session) is not None:
            session.match_publishers()

    def _on_time_jump(self, jump: TimeJump) -> None:
        """Start over; rclpy calls this in the executor's thread when the clock jumped back."""
        if (session := self._session) is not None:
            session.time_jumped()


def _trace(error: Exception) -> str:
    return printable(''.join(traceback.format_exception(type(error), error, error.__traceback__)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the node until SIGINT, SIGTERM or a shutdown of its context; return the exit code."""
    if arguments is None:  # as a program
        end_in_time()
    limit_spinning(os.environ)
    keep_freed_memory(FRAMES)
    return run_program(SegmentationNode, arguments)
