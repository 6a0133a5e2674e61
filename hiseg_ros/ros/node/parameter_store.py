# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""ParameterStore: declares the node's parameters, validates changes, keeps a snapshot."""

from __future__ import annotations

import dataclasses
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

from hiseg_ros.errors import ConfigError
from hiseg_ros.nearest_name import expected_name
from hiseg_ros.ros.parameters import ATTRIBUTE_OF_NAME, DEFAULTS, RULES, NodeParameters, check
from hiseg_ros.ros.params_files import unused_files

# Names that ROS itself gives to every node; a parameter file may set them.
_NAMES_OF_ROS = ('use_sim_time', 'start_type_description_service', 'qos_overrides.')


def descriptor(name: str) -> ParameterDescriptor:
    """Return what `ros2 param describe` shows: meaning, range, choices, when it takes effect."""
    rule, default = RULES[name], DEFAULTS[name]
    message = ParameterDescriptor()
    message.description = rule.description
    constraints = f'{rule.word} or a number; ' if rule.word else ''
    constraints += f'one of {", ".join(rule.choices)}; ' if rule.choices else ''
    constraints += (
        'takes effect on the next frame' if rule.live else 'can be set while unconfigured'
    )
    message.additional_constraints = constraints
    message.dynamic_typing = bool(rule.word)  # a number or a text
    if rule.low is not None and rule.high is not None:
        if isinstance(default, float):
            span = FloatingPointRange(from_value=float(rule.low), to_value=float(rule.high))
            message.floating_point_range = [span]
        else:
            whole = IntegerRange(from_value=int(rule.low), to_value=int(rule.high), step=1)
            message.integer_range = [whole]
    return message


class ParameterStore:
    """Declares the parameters on a node, validates every change and keeps a snapshot.

    A bad value in a parameter file does not end the process: the default is declared instead, and
    `validated` raises the error until the parameter is set to a valid value. It always raises
    where a name was mistyped, since nobody knows which parameter has its default by mistake.
    """

    def __init__(self, node: Node, *, is_configured: Callable[[], bool]) -> None:
        """Declare all parameters.

        Args:
            node: The node to declare them on.
            is_configured: Returns whether parameters that are not live are to be refused now.
        """
        self._node = node
        self._is_configured = is_configured
        # Configuring reads the values in one thread while services set them in another.
        self._lock = threading.RLock()
        self._adopted = ''
        self._faults: dict[str, str] = {}
        values = {}
        for name, default in DEFAULTS.items():
            # Declared loosely first to see the value a parameter file gives, whatever its type.
            loose = ParameterDescriptor(dynamic_typing=True)
            given = node.declare_parameter(name, default, loose).value
            node.undeclare_parameter(name)
            try:
                values[name] = check(name, given)
            except ConfigError as error:
                self._faults[name] = str(error)
                values[name] = check(name, default)
            value: Any = values[name]
            value = list(value) if isinstance(value, tuple) else value
            node.declare_parameter(name, value, descriptor(name), ignore_override=True)
        self._values = NodeParameters(**{ATTRIBUTE_OF_NAME[n]: v for n, v in values.items()})  # type: ignore[arg-type]
        self.unknown_names = _unknown_names(getattr(node, '_parameter_overrides', {}))
        self._start_faults = [
            f'There is no parameter {name!r}; expected {expected_name(name, RULES)}: correct its '
            'name in the parameter file or on the command line, then start the node again.'
            for name in self.unknown_names
        ]
        self._start_faults += unused_files(sys.argv, node.get_fully_qualified_name())
        node.add_on_set_parameters_callback(self._on_set)

    @property
    def values(self) -> NodeParameters:
        """The current values, a snapshot; safe to read from any thread."""
        return self._values

    def validated(self) -> NodeParameters:
        """Return the values, with every change that was accepted before `is_configured` was true.

        Raises:
            ConfigError: The parameter file gave a value that cannot be used, has a name that no
                parameter has, or holds nothing for this node.
        """
        with self._lock:
            if faults := [*self._start_faults, *self._faults.values()]:
                raise ConfigError(' '.join(faults))
            return self._values

    def adopt(self, name: str, value: str) -> None:
        """Set a parameter that is not live, while the node is configured, to the value in use."""
        # Until the end, or what others set meanwhile would be accepted as well. Nothing that rclpy
        # does in between waits for another thread.
        with self._lock:
            self._adopted = name
            try:
                self._node.set_parameters([Parameter(name, value=value)])
            finally:
                self._adopted = ''

    def _on_set(self, parameters: list[Parameter[Any]]) -> SetParametersResult:
        """Validate and apply changes; rclpy calls this in the thread that sets parameters.

        For the services that is the executor's thread.
        """
        with self._lock:
            return self._changed(parameters)

    def _changed(self, parameters: list[Parameter[Any]]) -> SetParametersResult:
        # Applied here, not in a post-set callback, which Humble lacks: rclpy has checked type and
        # range before, and nothing after this callback refuses.
        changes = {}
        for parameter in parameters:
            if parameter.name not in RULES:
                continue
            try:
                value = check(parameter.name, parameter.value)
            except ConfigError as error:
                return SetParametersResult(successful=False, reason=str(error))
            attribute = ATTRIBUTE_OF_NAME[parameter.name]
            changed = value != getattr(self._values, attribute)
            is_fixed = not RULES[parameter.name].live and parameter.name != self._adopted
            if changed and is_fixed and self._is_configured():
                reason = (
                    f'Parameter {parameter.name} cannot change while the node is configured: '
                    'deactivate and clean up first, then set it and configure again.'
                )
                return SetParametersResult(successful=False, reason=reason)
            changes[attribute] = value
        if changes:
            self._values = dataclasses.replace(self._values, **changes)  # type: ignore[arg-type]
            for name in list(self._faults):
                if ATTRIBUTE_OF_NAME[name] in changes:
                    del self._faults[name]
        return SetParametersResult(successful=True)


def _unknown_names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(
        name for name in names if name not in RULES and not name.startswith(_NAMES_OF_ROS)
    )
