# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The message builder with the classes of each library, and the transport of its messages."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from hiseg_ros.bags import builder as bag_builder
from hiseg_ros.bags.hiseg_types import node_types
from hiseg_ros.messages.build import MessageBuilder


@dataclass(frozen=True)
class Library:
    """One library's message classes."""

    messages: MessageBuilder
    after_transport: Callable[[Any], Any]
    """Returns what a subscriber, or a reader of the bag, gets."""
    received: Callable[[Any], Any]
    """Returns a message of rosbags' classes as one of this library's."""


def through_bag(message: Any) -> Any:
    """Return what a reader of a bag gets."""
    kind = message.__msgtype__
    return node_types().deserialize_cdr(node_types().serialize_cdr(message, kind), kind)


def through_ros(message: Any) -> Any:
    """Return what a subscriber in another process gets."""
    from rclpy.serialization import deserialize_message, serialize_message

    return deserialize_message(serialize_message(message), type(message))


def received_by_ros(message: Any) -> Any:
    """Return a message of rosbags' classes as rclpy reads it."""
    from rclpy.serialization import deserialize_message

    kind = message.__msgtype__
    package, _, name = kind.split('/')
    data = bytes(node_types().serialize_cdr(message, kind))
    return deserialize_message(data, getattr(importlib.import_module(f'{package}.msg'), name))


@pytest.fixture(params=['rosbags', pytest.param('rclpy', marks=pytest.mark.needs('ros'))])
def library(request: pytest.FixtureRequest) -> Library:
    """Return the message classes of rosbags, then those of rclpy."""
    if request.param == 'rosbags':
        return Library(bag_builder.messages, through_bag, through_bag)
    from hiseg_ros.ros.messages import builder

    return Library(builder.messages, through_ros, received_by_ros)


@pytest.fixture
def messages(library: Library) -> MessageBuilder:
    """Return the builder with the library's classes."""
    return library.messages


@pytest.fixture
def after_transport(library: Library) -> Callable[[Any], Any]:
    """Return what sends a message and returns what arrives."""
    return library.after_transport


@pytest.fixture
def header(messages: MessageBuilder) -> Any:
    """Return the header of a camera image."""
    return messages.header(7_000_000_008, 'front_optical')
