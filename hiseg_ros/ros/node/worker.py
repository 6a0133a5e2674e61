# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The worker thread, which owns an engine: it makes it, runs every frame through it, closes it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from hiseg_ros.inference.segmentation_engine import SegmentationEngine
from hiseg_ros.ros.node.engine_loader import LoadedEngine
from hiseg_ros.ros.node.frame_slots import FrameSlots
from hiseg_ros.ros.node.thread_errors import OnError, release_frames, report_error

K = TypeVar('K', bound=Hashable)
T = TypeVar('T')

PAUSE_S = 0.2
"""After an exception without frames, which would be raised again at once."""


class Worker(Generic[K, T]):
    """Takes frames out of the slots and passes them, with the engine, to a function.

    A device context belongs to the thread that made it, so the engine is made, used and closed
    here and nowhere else. Other weights get a worker of their own, which takes over the slots.
    """

    def __init__(
        self,
        slots: FrameSlots[K, T],
        process: Callable[[SegmentationEngine, Sequence[tuple[K, T]]], None],
        on_error: OnError,
        batching: Callable[[SegmentationEngine], tuple[int, float]] = lambda engine: (1, 0.0),
    ) -> None:
        """Prepare the thread; `load` starts it.

        Args:
            slots: Where frames come from; closing them ends the thread.
            process: Called in the worker thread with the frames that are worked on together.
            on_error: Called in the worker thread with what `process` or `batching` raised; frames
                go on being taken.
            batching: Called in the worker thread before frames are taken; returns the largest
                number of frames to take at once, and how many seconds the first of them may wait
                for the others.
        """
        self._slots = slots
        self._process = process
        self._on_error = on_error
        self._batching = batching
        self._may_begin = threading.Event()
        self._stopped = False
        self._thread: threading.Thread | None = None

    def load(self, make_engine: Callable[[], LoadedEngine]) -> LoadedEngine:
        """Start the thread, make the engine in it and wait until it is ready.

        Args:
            make_engine: Called in the worker thread.

        Raises:
            Exception: What `make_engine` raised; the thread has ended then.
        """
        made: Future[LoadedEngine] = Future()
        thread = threading.Thread(
            target=self._run, args=(make_engine, made), name='hiseg_worker', daemon=True
        )
        thread.start()
        self._thread = thread  # only now: one that could not start cannot be joined either
        try:
            return made.result()
        finally:
            del made

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
            release_frames(error)
            made.set_exception(error)
            del made  # or the exception, which refers to this frame, would keep itself
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
        except BaseException as error:  # otherwise the thread would die silently
            report_error(error, self._on_error, 'frames were in work')
            if not frames:
                time.sleep(PAUSE_S)
        finally:
            self._slots.done()
