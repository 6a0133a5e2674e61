# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The node's parameters: one table of types, ranges and meanings, and their life in a ROS node."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

from hiseg_ros.errors import ConfigError

T = TypeVar('T', str, int, float, bool)

_KINDS = {bool: 'true or false', int: 'a whole number', float: 'a number', str: 'text'}

# Names that ROS itself gives to every node; a parameter file may set them.
_NAMES_OF_ROS = ('use_sim_time', 'start_type_description_service', 'qos_overrides.')


@dataclass(frozen=True)
class Rule:
    """What one parameter means and which values it takes."""

    description: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    pattern: str = ''
    live: bool = False


def _parameter(
    default: T,
    description: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    pattern: str = '',
    live: bool = False,
) -> T:
    rule = Rule(description, low, high, choices, pattern, live)
    return field(default=default, metadata={'rule': rule})  # type: ignore[no-any-return]


@dataclass(frozen=True)
class NodeParameters:
    """A consistent snapshot of all parameters; `overlay_alpha` is the parameter overlay.alpha."""

    autostart: bool = _parameter(
        True, 'Configure and activate at start-up; false waits for a lifecycle manager.'
    )
    model: str = _parameter(
        '', 'Path of the weights (.safetensors); empty for the weights that hiseg_ros ships.'
    )
    taxonomy: str = _parameter(
        '',
        'Taxonomy that the weights must have: a name in config/taxonomies or the path of a '
        'YAML file, whose colours are then used; empty for the one inside the weights.',
    )
    device: str = _parameter(
        'auto',
        'Where the network runs: auto takes the first CUDA device, else the CPU.',
        choices=('auto', 'cpu', 'cuda', 'cuda:N'),
        pattern=r'auto|cpu|cuda(:\d+)?',
    )
    input_height: int = _parameter(
        0, 'Shorter side of the network input in pixels; 0 for the size the weights ask for.',
        low=0, high=4096,
    )
    image_transport: str = _parameter(
        'raw',
        'raw subscribes to image (sensor_msgs/Image), compressed to image/compressed '
        '(sensor_msgs/CompressedImage, JPEG or PNG).',
        choices=('raw', 'compressed'),
    )
    image_reliability: str = _parameter(
        'auto',
        'Reliability of the image subscription; auto is reliable where every publisher of the '
        'topic is, else best_effort.',
        choices=('auto', 'reliable', 'best_effort'),
    )
    image_timeout: float = _parameter(
        2.0, 'Diagnostics warn when an active node gets no image for so many seconds.',
        low=0.1, high=3600.0, live=True,
    )
    threshold: float = _parameter(
        0.0,
        'Smallest probability that a child needs, given its parent, for a pixel to be labeled '
        'more finely than the parent; 0 always decides down to a leaf.',
        low=0.0, high=1.0, live=True,
    )
    overlay_alpha: float = _parameter(
        0.5, 'Weight of the label colours over the picture in ~/overlay/image.',
        low=0.0, high=1.0, live=True,
    )
    probabilities_encoding: str = _parameter(
        'uint8', 'Number format of ~/level_N/probabilities.',
        choices=('uint8', 'float16'), live=True,
    )
    probabilities_stride: int = _parameter(
        0,
        'Image pixels per cell of ~/level_N/probabilities, along both axes; 0 for the grid of '
        'the network, which holds all it knows.',
        low=0, high=64, live=True,
    )
    signs_min_area: int = _parameter(
        16, 'Smallest connected region in ~/traffic_signs in pixels.',
        low=1, high=1_000_000, live=True,
    )
    signs_max_masks: int = _parameter(
        64, 'Largest number of regions in one ~/traffic_signs message, biggest first.',
        low=1, high=1000, live=True,
    )


def _ros_name(attribute: str) -> str:
    for group in ('overlay', 'probabilities', 'signs'):
        if attribute.startswith(f'{group}_'):
            return f'{group}.{attribute[len(group) + 1:]}'
    return attribute


ATTRIBUTE_OF_NAME = {_ros_name(f.name): f.name for f in dataclasses.fields(NodeParameters)}
RULES: dict[str, Rule] = {
    _ros_name(f.name): f.metadata['rule'] for f in dataclasses.fields(NodeParameters)
}
DEFAULTS: dict[str, str | int | float | bool] = {
    _ros_name(f.name): f.default  # type: ignore[misc]
    for f in dataclasses.fields(NodeParameters)
}


def check(name: str, value: object) -> str | int | float | bool:
    """Return a parameter's value in the parameter's own type (a whole number may be a float).

    Raises:
        ConfigError: The value has another type, lies outside the range or is no known choice.
    """
    rule, default = RULES[name], DEFAULTS[name]
    if isinstance(default, float) and type(value) is int:
        value = float(value)
    if type(value) is not type(default):
        expected = _KINDS[type(default)]
    elif rule.choices and not re.fullmatch(rule.pattern or '|'.join(rule.choices), str(value)):
        expected = f'one of {", ".join(rule.choices)}'
    elif rule.low is not None and not rule.low <= float(str(value)) <= float(str(rule.high)):
        expected = f'a value from {rule.low:g} to {rule.high:g}'
    else:
        return value  # type: ignore[return-value]
    raise ConfigError(
        f'Parameter {name} is {value!r}; expected {expected}: correct it in the parameter file '
        'or with `ros2 param set`.'
    )


def descriptor(name: str) -> ParameterDescriptor:
    """Return what `ros2 param describe` shows: meaning, range, choices, when it takes effect."""
    rule, default = RULES[name], DEFAULTS[name]
    message = ParameterDescriptor()
    message.description = rule.description
    constraints = f'one of {", ".join(rule.choices)}; ' if rule.choices else ''
    constraints += (
        'takes effect on the next frame' if rule.live else 'can be set while unconfigured'
    )
    message.additional_constraints = constraints
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

    A bad value in a parameter file does not end the process: the default is declared, the fault
    is kept, and `validated` raises it until the parameter is set to something valid.
    """

    def __init__(self, node: Node, *, is_configured: Callable[[], bool]) -> None:
        """Declare all parameters.

        Args:
            node: The node to declare them on.
            is_configured: Whether parameters that are not live are to be refused now.
        """
        self._is_configured = is_configured
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
                values[name] = default
            node.declare_parameter(name, values[name], descriptor(name), ignore_override=True)
        self._values = NodeParameters(**{ATTRIBUTE_OF_NAME[n]: v for n, v in values.items()})  # type: ignore[arg-type]
        self.unknown_names = _unknown_names(getattr(node, '_parameter_overrides', {}))
        node.add_on_set_parameters_callback(self._on_set)

    @property
    def values(self) -> NodeParameters:
        """The values of now; safe to read from any thread."""
        return self._values

    def validated(self) -> NodeParameters:
        """Return the values.

        Raises:
            ConfigError: The parameter file gave a value that cannot be used.
        """
        if self._faults:
            raise ConfigError(' '.join(self._faults.values()))
        return self._values

    def _on_set(self, parameters: list[Parameter[Any]]) -> SetParametersResult:
        # Applied here, not in a post-set callback, which Humble lacks: rclpy has already checked
        # type and range, and nothing after this callback refuses.
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
            if changed and not RULES[parameter.name].live and self._is_configured():
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
