# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The bond with Nav2's lifecycle manager: the protocol without ROS, then the node."""

from __future__ import annotations

import sys
import threading
import uuid
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from hiseg_ros.ros.node.bond_side import DISCONNECT_S, SILENCE_S, BondSide

if TYPE_CHECKING:
    from ros_graph import Graph


class Clock:
    """A steady clock that the test sets."""

    def __init__(self) -> None:
        self.time_s = 10.0

    def __call__(self) -> float:
        return self.time_s


def formed() -> tuple[BondSide, Clock]:
    """Return a side that has bonded with sister 'a'."""
    clock = Clock()
    side = BondSide(clock)
    assert side.start() is True
    assert side.heard('a', True) is None
    assert side.state == 'formed'
    return side, clock


def test_a_bond_forms_when_the_manager_comes_however_late() -> None:
    """An autostarted node may be active long before Nav2."""
    clock = Clock()
    side = BondSide(clock)
    assert side.beat() is None
    side.start()
    clock.time_s += 3600
    assert side.beat() is True
    assert side.state == 'waiting'
    side.heard('a', True)
    assert side.state == 'formed'
    assert side.beat() is True


def test_each_bond_has_an_instance_of_its_own_and_its_own_messages_are_not_heard() -> None:
    """A manager takes a second bond of one instance for one that is in use."""
    side, _ = formed()
    first = side.instance_id
    assert uuid.UUID(first).version == 4
    side.stop()
    side.heard('a', False)
    side.start()
    assert side.instance_id != first
    side.heard(side.instance_id, True)
    assert side.state == 'waiting'


def test_a_break_is_repeated_until_it_is_confirmed_or_nobody_answers() -> None:
    """The manager may not have heard the first message."""
    side, clock = formed()
    assert side.stop() is False
    assert side.stop() is None
    assert side.beat() is False
    assert side.heard('a', True) is None  # it was under way
    assert side.beat() is False
    assert side.heard('a', False) is None
    assert side.beat() is None

    side, clock = formed()
    side.stop()
    clock.time_s += DISCONNECT_S
    assert side.beat() is False
    clock.time_s += 0.1
    assert side.beat() is None


def test_a_node_without_a_manager_says_once_that_it_goes() -> None:
    """Nobody will confirm it."""
    side = BondSide(Clock())
    side.start()
    assert side.stop() is False
    assert side.beat() is None


def test_the_managers_break_is_confirmed_and_ends_the_heartbeat() -> None:
    """Its destructor waits for the confirmation."""
    side, _ = formed()
    assert side.heard('a', False) is False
    assert side.beat() is None
    assert side.heard('a', True) is None  # late
    assert side.stop() is None


def test_a_manager_that_is_restarted_is_bonded_with_again() -> None:
    """After its break, or after it died without one."""
    side, clock = formed()
    before = side.instance_id
    side.heard('a', False)
    assert side.heard('b', True) is True
    assert side.state == 'formed' and side.instance_id != before

    clock.time_s += SILENCE_S + 0.1
    assert side.beat() is True, 'a silent manager ends no bond'
    side.heard('c', True)
    assert side.heard('b', False) is None, 'it is not its bond any more'
    assert side.state == 'formed'


def test_a_third_party_changes_nothing_while_the_manager_is_there() -> None:
    """Two managers of one node."""
    side, clock = formed()
    clock.time_s += 1.0
    side.heard('b', True)
    assert side.heard('b', False) is None
    assert side.state == 'formed'
    side.heard('a', False)
    assert side.state == 'broken'


@pytest.mark.needs('ros')
def test_without_the_package_the_node_says_what_to_install(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be taken for dead otherwise; 0 needs nothing."""
    from node_support import HeldEngine, start_node
    from ros_graph import CONFIGURE

    monkeypatch.setitem(sys.modules, 'bond', None)
    monkeypatch.setitem(sys.modules, 'bond.msg', None)
    node = start_node(graph, HeldEngine().load, autostart=False, bond_heartbeat_period=0.25)
    assert not graph.change_state(CONFIGURE)
    assert 'expected the package bond: sudo apt install' in node._health.last_error
    assert graph.set_parameters({'bond_heartbeat_period': 0.0}) == ''
    assert graph.change_state(CONFIGURE)


@pytest.mark.needs('ros', 'bond')
def test_the_node_beats_while_it_is_active(graph: Graph) -> None:
    """A peer does as Nav2's manager: activates, bonds, deactivates, confirms."""
    from bond.msg import Status
    from node_support import HeldEngine, start_node
    from ros_graph import ACTIVATE, CONFIGURE, DEACTIVATE

    node = start_node(graph, HeldEngine().load, autostart=False, bond_heartbeat_period=0.1)
    heard: list[Any] = graph.collect(Status, '/bond', 100)
    manager = graph.peer.create_publisher(Status, '/bond', 5)

    def of_node() -> list[Any]:
        return [status for status in heard if status.instance_id != 'manager']

    assert graph.change_state(CONFIGURE)
    graph.until(lambda: manager.get_subscription_count() == 2, 'the node listens')
    assert of_node() == []
    assert graph.change_state(ACTIVATE)
    graph.until(lambda: len(of_node()) >= 3, 'heartbeats')
    first = of_node()[0]
    assert (first.id, first.active) == ('segmentation', True)
    assert (first.heartbeat_timeout, round(first.heartbeat_period, 3)) == (4.0, 0.1)
    assert first.header.stamp.sec > 0
    manager.publish(Status(id='other', instance_id='manager', active=False))
    manager.publish(Status(id='segmentation', instance_id='manager', active=True))
    graph.until(lambda: node._bond._side.state == 'formed', 'the bond')
    stamps = [s.header.stamp.sec + s.header.stamp.nanosec / 1e9 for s in of_node()[-3:]]
    assert 0.05 < (stamps[-1] - stamps[0]) / 2 < 3.0  # it was asked for 0.1

    assert graph.change_state(DEACTIVATE)
    graph.until(lambda: of_node()[-1].active is False, 'the break')
    manager.publish(Status(id='segmentation', instance_id='manager', active=False))
    graph.until(lambda: node._bond._side.state == 'off', 'its confirmation')
    count = len(of_node())
    for _ in range(5):
        graph.spin(0.1)
    assert len(of_node()) <= count + 1

    assert graph.change_state(ACTIVATE)
    graph.until(lambda: of_node()[-1].active, 'a new bond')
    assert of_node()[-1].instance_id != first.instance_id
    # The manager breaks it: confirmed at once, and no heartbeats after.
    manager.publish(Status(id='segmentation', instance_id='manager', active=True))
    graph.until(lambda: node._bond._side.state == 'formed', 'the bond')
    manager.publish(Status(id='segmentation', instance_id='manager', active=False))
    graph.until(lambda: not of_node()[-1].active, 'the confirmation')


@pytest.fixture
def bond(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a bond on a node that nobody spins; another message stands in for bond/Status."""
    from rclpy.node import Node
    from sensor_msgs.msg import CompressedImage

    package, messages = ModuleType('bond'), ModuleType('bond.msg')
    messages.Status = CompressedImage  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, 'bond', package)
    monkeypatch.setitem(sys.modules, 'bond.msg', messages)
    from hiseg_ros.ros.node.bond import Bond

    node = Node('bonded', context=graph.context)
    made = Bond(node, 0.1)
    monkeypatch.setattr(made, '_kind', lambda **fields: CompressedImage())
    yield made
    node.destroy_node()


@pytest.mark.needs('ros')
def test_a_heartbeat_that_comes_after_the_end_of_the_bond_sends_nothing(bond: Any) -> None:
    """The executor takes a timer or a message, then another thread destroys the bond."""
    clock = Clock()
    bond._side = BondSide(clock)
    bond.start()
    bond._side.heard('manager', True)
    bond.destroy()
    assert bond._side.state == 'breaking'
    bond._beat()
    clock.time_s += DISCONNECT_S + 1.0
    bond._beat()

    status = SimpleNamespace(id='bonded', instance_id='manager', active=False)
    for state in ('formed', 'broken'):
        bond._side.state = state
        bond._on_status(status)
        status.instance_id, status.active = 'new manager', True


@pytest.mark.needs('ros')
def test_a_bond_that_begins_while_the_last_break_ends_has_heartbeats(
    bond: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bond.start()
    bond._side.heard('manager', True)
    bond.stop()
    bond._side.heard('manager', False)
    assert bond._side.state == 'off'
    pace = bond._pace
    again = threading.Thread(target=bond.start)

    def interrupted(chosen: int | None) -> None:
        monkeypatch.setattr(bond, '_pace', pace)
        again.start()
        again.join(0.5)  # as far as it gets: it may have to wait for the heartbeat
        pace(chosen)

    monkeypatch.setattr(bond, '_pace', interrupted)
    bond._beat()
    again.join(30.0)
    assert bond._side.state == 'waiting'
    assert [timer.is_canceled() for timer in bond._timers] == [False, True]
