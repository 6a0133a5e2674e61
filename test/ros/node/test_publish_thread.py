# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The thread beside the worker: one job at a time, in order, none lost."""

from __future__ import annotations

import threading

import pytest

from hiseg_ros.ros.node.publish_thread import PublishThread


def test_a_job_runs_beside_its_caller() -> None:
    """The caller goes on while the job is held."""
    publishing, may_end, threads = PublishThread(), threading.Event(), []

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
    publishing, order, running = PublishThread(), list[int](), list[int]()

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
    publishing, may_end = PublishThread(), threading.Event()
    publishing.run_beside(lambda: may_end.wait(30.0) and None)
    assert not publishing.close(0.01)
    may_end.set()
    assert publishing.close(30.0)
    with pytest.raises(RuntimeError, match='closed'):
        publishing.run_beside(lambda: None)


def test_without_a_job_there_is_no_thread() -> None:
    """A node that is never pressed for time has none."""
    before = threading.active_count()
    publishing = PublishThread()
    assert publishing.wait_idle(0.0)
    assert publishing.close()
    assert threading.active_count() == before
