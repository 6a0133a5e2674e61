# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The node's executor: what is slow runs beside the rest, one after the other, and is not lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ros_graph import Graph

pytestmark = pytest.mark.needs('ros')

PATIENCE_S = 30.0


@pytest.fixture
def spun(graph: Graph) -> Iterator[Any]:
    """Return a node with slow and quick guard conditions, and a function that spins it."""
    from rclpy.callback_groups import ReentrantCallbackGroup
    from rclpy.node import Node

    from hiseg_ros.ros.node.executor import NodeExecutor

    class Spun(Node):
        def __init__(self) -> None:
            super().__init__('spun', context=graph.context)
            self.slow: list[Any] = []
            self.executor_of_it = NodeExecutor(context=graph.context)
            self.executor_of_it.add_node(self)

        def add(self, callback: Callable[[], None], *, slow: bool) -> Any:
            guard = self.create_guard_condition(callback, ReentrantCallbackGroup())
            if slow:
                self.slow.append(guard)
            return guard

        def is_slow(self, entity: object) -> bool:
            return entity in self.slow

        def spin_until(self, condition: Callable[[], Any]) -> None:
            deadline = time.monotonic() + PATIENCE_S
            while not condition():
                assert time.monotonic() < deadline
                self.executor_of_it.spin_once(timeout_sec=0.05)

    node = Spun()
    yield node
    node.executor_of_it.shutdown()
    node.destroy_node()


def test_quick_callbacks_run_while_slow_ones_take_their_turn(spun: Any) -> None:
    may_go = threading.Event()
    done: list[str] = []

    def slow(name: str) -> None:
        assert threading.current_thread() is not threading.main_thread()
        may_go.wait(PATIENCE_S)
        done.append(name)

    guards = [
        spun.add(lambda: slow('first'), slow=True),
        spun.add(lambda: slow('second'), slow=True),
    ]
    quick = spun.add(lambda: done.append('quick'), slow=False)
    guards[0].trigger()
    for _ in range(5):
        spun.executor_of_it.spin_once(timeout_sec=0.05)
    guards[1].trigger()
    quick.trigger()
    spun.spin_until(lambda: 'quick' in done)
    assert done == ['quick']
    assert not spun.executor_of_it.wait_slow(0.01)
    may_go.set()
    spun.spin_until(lambda: len(done) == 3)
    assert done == ['quick', 'first', 'second']
    assert spun.executor_of_it.wait_slow(PATIENCE_S)


def test_what_a_slow_callback_raises_reaches_the_one_who_spins(spun: Any) -> None:
    def breaks() -> None:
        raise ZeroDivisionError('nobody thought of this')

    spun.add(breaks, slow=True).trigger()
    with pytest.raises(ZeroDivisionError, match='nobody thought'):
        spun.spin_until(lambda: False)


def test_what_another_thread_destroys_while_the_executor_prepares_to_wait_ends_nothing(
    spun: Any,
) -> None:
    from std_msgs.msg import String

    from hiseg_ros.ros.node.executor import NodeExecutor

    publisher = spun.create_publisher(String, 'short_lived', 1)
    event = publisher.event_handlers[0]

    class Interrupted(NodeExecutor):
        def can_execute(self, entity: Any) -> bool:
            found = bool(super().can_execute(entity))
            if entity is event:
                in_another_thread(lambda: spun.destroy_publisher(publisher))
            return found

    executor = Interrupted(context=spun.context)
    executor.add_node(spun)
    done: list[str] = []
    spun.add(lambda: done.append('quick'), slow=False).trigger()
    executor.spin_once(timeout_sec=0.1)
    while not done:
        executor.spin_once(timeout_sec=0.1)
    executor.shutdown()


def test_a_timer_that_another_thread_destroys_once_it_is_due_ends_nothing(
    spun: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    doomed = spun.create_timer(0.0, lambda: done.append('doomed'))
    kind = type(doomed.handle)
    is_ready = kind.is_timer_ready

    def is_ready_too_late(handle: Any) -> bool:
        if handle is doomed.handle:
            in_another_thread(lambda: spun.destroy_timer(doomed))
        return bool(is_ready(handle))

    monkeypatch.setattr(kind, 'is_timer_ready', is_ready_too_late)
    spun.create_timer(0.01, lambda: done.append('other'))
    spun.spin_until(lambda: 'other' in done)
    assert 'doomed' not in done


def test_other_errors_of_the_middleware_are_raised(
    spun: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(**given: Any) -> None:
        raise RuntimeError('failed to wait on wait set')

    monkeypatch.setattr(spun.executor_of_it, 'wait_for_ready_callbacks', breaks)
    with pytest.raises(RuntimeError, match='failed to wait'):
        spun.executor_of_it.spin_once(timeout_sec=0.1)


def test_slow_callbacks_that_never_started_are_not_waited_for(spun: Any) -> None:
    may_go = threading.Event()
    done: list[str] = []

    def slow(name: str) -> None:
        may_go.wait(PATIENCE_S)
        done.append(name)

    guards = [spun.add(lambda name=name: slow(name), slow=True) for name in ('first', 'second')]
    for guard in guards:
        guard.trigger()
    spun.spin_until(lambda: len(spun.executor_of_it._running) == 2)
    spun.executor_of_it.shutdown()
    assert not spun.executor_of_it.wait_slow(0.01)
    may_go.set()
    assert spun.executor_of_it.wait_slow(PATIENCE_S)
    assert done == ['first']


def in_another_thread(job: Callable[[], Any]) -> None:
    """Run a job in a thread of its own and wait until it has ended."""
    thread = threading.Thread(target=job)
    thread.start()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
