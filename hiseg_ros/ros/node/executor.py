# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The node's executor: one thread for callbacks, a second one for callbacks that take long."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

from rclpy.client import Client
from rclpy.context import Context
from rclpy.exceptions import InvalidHandle
from rclpy.executors import (
    ConditionReachedException,
    ShutdownException,
    SingleThreadedExecutor,
    TimeoutException,
)
from rclpy.service import Service
from rclpy.subscription import Subscription
from rclpy.waitable import Waitable

QUEUED_S = 0.005
"""Pause where rclpy offers a callback that is queued already, which it does again and again."""

DESTROYED_TIMER = 'timer argument is null'
"""What rclpy's RCLError says of a timer that was destroyed while it was due."""


class NodeExecutor(SingleThreadedExecutor):
    """Spins a node and runs its slow callbacks, one after the other, in a second thread.

    Loading weights takes seconds, during which parameters, states and images must be served.
    rclpy's MultiThreadedExecutor would do that too, but it starves subscriptions under load.

    The node's method `is_slow(entity)` says whose callbacks are slow; these entities need a
    callback group of their own. Where a node has a method `refuse(source, error)`, it gets what
    was raised while something from outside was taken or answered: a message, a request, an event
    of the middleware. Other exceptions are raised by `spin_once`. The node works in any other
    executor, too; its services then wait for slow callbacks.
    """

    def __init__(self, *, context: Context | None = None) -> None:
        """Prepare both threads; the second one starts when it is needed."""
        super().__init__(context=context)
        self._slow_callbacks = ThreadPoolExecutor(1, thread_name_prefix='hiseg_transition')
        self._running: dict[Any, Any] = {}
        self._entities: dict[Any, tuple[Any, Any]] = {}

    def spin_once(self, timeout_sec: float | None = None) -> None:
        """Run the next callback that is ready, or hand it to the second thread."""
        for handler, job in list(self._running.items()):
            if job.done():
                entity, node = self._entities.pop(handler)
                del self._running[handler]
                job.result()
                _finish(handler, entity, node)
        ready = self._next_ready(timeout_sec)
        if ready is None:
            return
        handler, entity, node = ready
        if handler in self._running:
            time.sleep(QUEUED_S)
        elif hasattr(node, 'is_slow') and node.is_slow(entity):
            self._entities[handler] = entity, node
            self._running[handler] = self._slow_callbacks.submit(handler)
        else:
            handler()
            _finish(handler, entity, node)

    def _next_ready(self, timeout_sec: float | None) -> tuple[Any, Any, Any] | None:
        """Return a callback that is ready, its entity and node; None where there is none yet."""
        try:
            ready: tuple[Any, Any, Any] = self.wait_for_ready_callbacks(timeout_sec=timeout_sec)
            return ready
        except (ConditionReachedException, ShutdownException, TimeoutException):
            return None
        except InvalidHandle:
            # The second thread has destroyed what rclpy was about to wait for. No message has been
            # taken, so nothing is lost: the next call waits for what is left.
            return None
        except RuntimeError as error:
            if DESTROYED_TIMER not in str(error):
                raise
            return None  # the same of a timer that was due; others stay due

    def wait_slow(self, timeout_s: float) -> bool:
        """Wait for the slow callbacks that have started; return whether they have ended."""
        # Those that `shutdown` has cancelled before they started never count as done in `wait`.
        started = [job for job in self._running.values() if not job.cancelled()]
        return not wait(started, timeout_s).not_done

    def shutdown(self, timeout_sec: float | None = None) -> bool:
        """Run no further callback."""
        self._slow_callbacks.shutdown(wait=False, cancel_futures=True)
        return bool(super().shutdown(timeout_sec))


def _finish(handler: Any, entity: Any, node: Any) -> None:
    """Raise what a callback raised, or leave it to the node where it came from outside."""
    try:
        handler.result()
    except Exception as error:
        is_from_outside = isinstance(entity, (Subscription, Service, Client, Waitable))
        if not is_from_outside or not hasattr(node, 'refuse'):
            raise
        names = (getattr(entity, name, None) for name in ('topic_name', 'srv_name'))
        node.refuse(next(filter(None, names), type(entity).__name__), error)
