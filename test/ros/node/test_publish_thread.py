# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The thread beside the worker: one job at a time, in order, none lost."""

from __future__ import annotations

import threading

import pytest

from hiseg_ros.ros.node.publish_thread import PublishThread


class Held:
    """A context that notes which threads entered and left it."""

    def __init__(self) -> None:
        self.entered: list[str] = []
        self.left: list[str] = []

    def __enter__(self) -> None:
        """Note the thread."""
        self.entered.append(threading.current_thread().name)

    def __exit__(self, *_: object) -> None:
        """Note the thread."""
        self.left.append(threading.current_thread().name)


def fail(error: Exception) -> None:
    """Fail, as a callback for exceptions where none is expected."""
    raise AssertionError('no job raises here') from error


def test_a_job_runs_beside_its_caller() -> None:
    """The caller goes on while the job is held."""
    publishing, may_end, threads = PublishThread(fail), threading.Event(), []

    def job() -> None:
        may_end.wait(30.0)
        threads.append(threading.current_thread().name)

    publishing.run_beside(job)
    assert threads == []
    assert not publishing.wait_idle(0.01)
    may_end.set()
    assert publishing.wait_idle(30.0)
    assert threads == ['hiseg_publishing']
    assert publishing.close(30.0)


def test_the_next_job_waits_for_the_one_before() -> None:
    """Jobs end in the order in which they came, one at a time."""
    publishing, order, running = PublishThread(fail), list[int](), list[int]()

    def job(number: int) -> None:
        running.append(number)
        assert len(running) == 1
        order.append(number)
        running.remove(number)

    for number in range(200):
        publishing.run_beside(lambda number=number: job(number))  # type: ignore[misc]
    assert publishing.close(30.0)
    assert order == list(range(200))


def test_closing_waits_for_the_job() -> None:
    """It says so where the time does not suffice; nothing begins afterwards."""
    publishing, may_end = PublishThread(fail), threading.Event()
    publishing.run_beside(lambda: may_end.wait(30.0) and None)
    assert not publishing.close(0.01)
    may_end.set()
    assert publishing.close(30.0)
    with pytest.raises(RuntimeError, match='closed'):
        publishing.run_beside(lambda: None)


def test_without_a_job_there_is_no_thread() -> None:
    """A node that is never pressed for time has none."""
    before = threading.active_count()
    publishing = PublishThread(fail)
    assert publishing.wait_idle(0.0)
    assert publishing.close()
    assert threading.active_count() == before


@pytest.mark.parametrize('fault', [ValueError('broken'), SystemExit(3)])
def test_a_job_that_raises_is_reported_and_the_next_one_runs(fault: BaseException) -> None:
    """Also where it is no Exception, and where reporting raises too."""
    reported: list[Exception] = []

    def on_error(error: Exception) -> None:
        reported.append(error)
        raise RuntimeError('the node is being destroyed')

    def job() -> None:
        raise fault

    publishing, held, done = PublishThread(on_error), Held(), threading.Event()
    publishing.run_beside(job, held)
    publishing.run_beside(done.set)
    assert publishing.close(30.0) and done.is_set()
    assert type(fault).__name__ in repr(reported)
    assert len(reported) == 1
    assert held.left == ['hiseg_publishing']


def test_what_a_job_holds_is_entered_by_the_caller_and_left_after_the_job() -> None:
    """In no moment between the two threads is it held by nobody."""
    publishing, may_end, held = PublishThread(fail), threading.Event(), Held()
    publishing.run_beside(lambda: may_end.wait(30.0) and None, held)
    assert held.entered == [threading.current_thread().name]
    assert held.left == []
    may_end.set()
    assert publishing.close(30.0)
    assert held.left == ['hiseg_publishing']


def test_what_a_refused_job_holds_is_left_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a thread that cannot start leaves no job behind that would be waited for."""
    publishing, held = PublishThread(fail), Held()

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as broken:
        broken.setattr(threading.Thread, 'start', refuse)
        with pytest.raises(RuntimeError, match='start'):
            publishing.run_beside(lambda: None, held)
    assert len(held.entered) == len(held.left) == 1
    assert publishing.wait_idle(0.0)
    publishing.run_beside(lambda: None)
    assert publishing.close(30.0)
    with pytest.raises(RuntimeError, match='closed'):
        publishing.run_beside(lambda: None, held)
    assert len(held.entered) == len(held.left) == 2
