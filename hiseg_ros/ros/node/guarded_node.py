# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A node that no request and no message from outside can end: what it cannot take is refused."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import SetParametersResult
from rcl_interfaces.srv import SetParameters, SetParametersAtomically
from rclpy.node import Node
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock

from hiseg_ros.plain_text import printable

LOG_PERIOD_S = 5.0
"""Least time between two warnings of refused requests and messages."""

MAX_SECONDS = 2**31 - 1 - 86_400
"""Latest time accepted from /clock: a day before the seconds of a stamp overflow."""


class GuardedNode(Node):
    """Refuses requests and messages whose callback raises, also the callbacks of rclpy itself.

    rclpy passes such an exception on to whoever spins, which ends the process. Here the request
    gets an answer that says no, the message is dropped, and both are counted and logged.
    """

    def __init__(self, name: str, on_refused: Callable[[str], None], **arguments: Any) -> None:
        """Create the node.

        Args:
            name: Of the node.
            on_refused: Called with a sentence for each refused request or message, in the thread
                that received it.
            arguments: For rclpy's Node.
        """
        self._on_refused = on_refused
        super().__init__(name, **arguments)

    def refuse(self, source: str, reason: object) -> str:
        """Count and log a request or message that cannot be taken; return the sentence.

        Args:
            source: Name of the service or topic.
            reason: The exception it raised, or what is wrong with it.
        """
        if isinstance(reason, Exception) and not isinstance(reason, ValueError):
            reason = f'{type(reason).__name__}: {reason}'
        text = printable(f'refused what came on {source}: {" ".join(str(reason).split())}')
        self._on_refused(text)
        if self.context.ok():
            sentence = text[0].upper() + text[1:]
            self.get_logger().warning(sentence, throttle_duration_sec=LOG_PERIOD_S)
        return text

    def set_parameters(self, parameter_list: list[Any]) -> Any:
        """Set parameters as rclpy's Node does; whole numbers are taken for doubles and lists."""
        return super().set_parameters([self._as_declared(p) for p in parameter_list])

    def set_parameters_atomically(self, parameter_list: list[Any]) -> Any:
        """Set parameters together, as `set_parameters` does; the services call this, too."""
        return super().set_parameters_atomically([self._as_declared(p) for p in parameter_list])

    def _as_declared(self, given: Any) -> Any:
        double, whole = Parameter.Type.DOUBLE, Parameter.Type.INTEGER
        if given.type_ == whole and self.has_parameter(given.name):
            declared = self.get_parameter(given.name).type_
            if declared == double:
                return Parameter(given.name, double, float(given.value))
            if declared == Parameter.Type.INTEGER_ARRAY:
                return Parameter(given.name, declared, [given.value])
        return given

    def create_subscription(self, kind: Any, topic: str, callback: Any, *a: Any, **k: Any) -> Any:
        """Create a subscription as rclpy's Node does; messages whose callback raises are refused.

        The messages of /clock are checked before rclpy sees them.
        """

        @functools.wraps(callback)  # rclpy asks its signature whether it wants the message info
        def guarded(message: Any, *info: Any) -> None:
            try:
                if kind is Clock:
                    _check_clock(message)
                callback(message, *info)
            except Exception as error:
                self.refuse(f'topic {topic}', error)

        return super().create_subscription(kind, topic, guarded, *a, **k)

    def create_service(self, kind: Any, name: str, callback: Any, *a: Any, **k: Any) -> Any:
        """Create a service as rclpy's Node does; requests whose callback raises are refused."""
        return super().create_service(kind, name, self._guarded(kind, name, callback), *a, **k)

    def guard_services(self) -> None:
        """Guard the services that were not made by `create_service`, as those of a lifecycle."""
        for service in self.services:
            if not hasattr(service.callback, '__wrapped__'):
                service.callback = self._guarded(
                    service.srv_type, service.srv_name, service.callback
                )

    def _guarded(self, kind: Any, name: str, callback: Any) -> Any:
        source = f'service {name}'

        def answer(request: Any, response: Any) -> Any:
            if kind is ChangeState and (reason := self._wrong_transition(request.transition)):
                self.refuse(source, reason)
                return response
            try:
                return callback(request, response)
            except Exception as error:
                text = self.refuse(source, error)
                response = kind.Response()
                if kind is SetParametersAtomically:
                    response.result = SetParametersResult(successful=False, reason=text)
                elif kind is SetParameters:
                    response.results = [SetParametersResult(successful=False, reason=text)]
                return response

        @functools.wraps(callback)
        def guarded(request: Any, response: Any) -> Any:
            if kind is not SetParameters:
                return answer(request, response)
            # One by one, so that the result of each parameter is its own.
            for parameter in request.parameters:
                single = SetParameters.Request(parameters=[parameter])
                response.results += answer(single, SetParameters.Response()).results
            return response

        return guarded

    def _wrong_transition(self, asked: Transition) -> str:
        """Return why the present state does not allow a transition; '' where it does."""
        machine = getattr(self, '_state_machine', None)
        if machine is None:
            return ''
        allowed = {entry[0]: entry[1] for entry in machine.available_transitions}
        if asked.label in allowed.values() or (not asked.label and asked.id in allowed):
            return ''
        wish = repr(asked.label) if asked.label else f'id {asked.id}'
        choices = ', '.join(f'{label} ({number})' for number, label in allowed.items()) or 'none'
        return (
            f'transition {wish} while the node is {machine.current_state[1]}; expected one of '
            f'{choices}: ask get_state first'
        )


def _check_clock(message: Clock) -> None:
    """Check that a time can be set and written into stamps.

    Raises:
        ValueError: It is negative, or so late that the seconds of a stamp overflow, or its
            nanoseconds make a second or more.
    """
    seconds, nanoseconds = message.clock.sec, message.clock.nanosec
    if not (0 <= seconds <= MAX_SECONDS and nanoseconds < 1_000_000_000):
        raise ValueError(
            f'the time {seconds} s and {nanoseconds} ns; expected 0 to {MAX_SECONDS} s and less '
            'than 1000000000 ns: check who publishes the clock'
        )
