# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The one thread that owns an engine: it makes it, runs every frame through it, closes it."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from hiseg_ros.inference.segmentation_engine import SegmentationEngine
from hiseg_ros.ros.node.engine_loader import LoadedEngine
from hiseg_ros.ros.node.frame_slots import FrameSlots

K = TypeVar('K', bound=Hashable)
T = TypeVar('T')

PAUSE_S = 0.2
"""After a fault without frames, which would come again at once."""


class Worker(Generic[K, T]):
    """Takes frames out of slots and hands them, with the engine, to a function.

    A device context belongs to the thread that made it, so the engine is made, used and closed
    here and nowhere else. Other weights get a worker of their own, which takes over the slots.
    """

    def __init__(
        self,
        slots: FrameSlots[K, T],
        process: Callable[[SegmentationEngine, Sequence[tuple[K, T]]], None],
        crashed: Callable[[Exception], None],
        batching: Callable[[SegmentationEngine], tuple[int, float]] = lambda engine: (1, 0.0),
    ) -> None:
        """Prepare the thread; `load` starts it.

        Args:
            slots: Where frames come from; closing them ends the thread.
            process: Called for the frames that are worked on together.
            crashed: Told of what `process` raised; frames go on being taken.
            batching: Returns the largest number of frames to take at once, and how many seconds
                the first of them may wait for the others.
        """
        self._slots = slots
        self._process = process
        self._crashed = crashed
        self._batching = batching
        self._may_begin = threading.Event()
        self._stopped = False
        self._thread: threading.Thread | None = None

    def load(self, make_engine: Callable[[], LoadedEngine]) -> LoadedEngine:
        """Start the thread, make the engine in it and wait until it is ready.

        Raises:
            Exception: What `make_engine` raised; the thread has ended then.
        """
        made: Future[LoadedEngine] = Future()
        self._thread = threading.Thread(
            target=self._run, args=(make_engine, made), name='hiseg_worker', daemon=True
        )
        self._thread.start()
        return made.result()

    def begin(self) -> None:
        """Start to take frames."""
        self._may_begin.set()

    def stop(self, timeout_s: float | None = None) -> bool:
        """Let the frames in work finish, close the engine and end the thread.

        Returns:
            False where it has not ended in time; it ends by itself later.
        """
        self._stopped = True
        self._may_begin.set()
        self._slots.wake()
        if self._thread is not None:
            self._thread.join(timeout_s)
            if self._thread.is_alive():
                return False
            self._thread = None
        return True

    def _run(
        self,
        make_engine: Callable[[], LoadedEngine],
        made: Future[LoadedEngine],
    ) -> None:
        try:
            loaded = make_engine()
        except BaseException as error:
            made.set_exception(error)
            return
        engine = loaded.engine
        made.set_result(loaded)
        try:
            self._may_begin.wait()
            while not (self._stopped or self._slots.closed):
                self._run_once(engine)
        finally:
            engine.close()

    def _run_once(self, engine: SegmentationEngine) -> None:
        frames: Sequence[tuple[K, T]] = ()
        try:
            most, gather_s = self._batching(engine)
            frames = self._slots.take(most, gather_s=gather_s, cancelled=lambda: self._stopped)
            if frames:
                self._process(engine, frames)
        except BaseException as error:  # whatever it is, a thread that is gone says nothing
            self._tell(error)
            if not frames:
                time.sleep(PAUSE_S)
        finally:
            self._slots.done()

    def _tell(self, error: BaseException) -> None:
        if not isinstance(error, Exception):  # such as a library's SystemExit
            error = RuntimeError(f'{type(error).__name__} in the worker: {error}')
        try:
            self._crashed(error)
        except Exception:
            traceback.print_exc()  # the node is on its way out
