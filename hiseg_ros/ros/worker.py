# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The one thread that owns the engine: it makes it, runs every frame through it, closes it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from hiseg_ros.ros.engine_loader import LoadedEngine, SegmentationEngine
from hiseg_ros.ros.frame_slot import FrameSlot

T = TypeVar('T')


class Worker(Generic[T]):
    """Takes frames out of a slot and hands them, with the engine, to a function.

    A device context belongs to the thread that made it, so the engine is made, used and closed
    here and nowhere else.
    """

    def __init__(
        self,
        slot: FrameSlot[T],
        process: Callable[[SegmentationEngine, T], None],
        crashed: Callable[[Exception], None],
    ) -> None:
        """Prepare the thread; `start` starts it.

        Args:
            slot: Where frames come from; closing it ends the thread.
            process: Called for each frame.
            crashed: Told of what `process` raised; frames go on being taken.
        """
        self._slot = slot
        self._process = process
        self._crashed = crashed
        self._idle = threading.Condition()
        self._busy = False
        self._thread: threading.Thread | None = None

    def start(self, make_engine: Callable[[], LoadedEngine]) -> LoadedEngine:
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

    def wait_idle(self) -> None:
        """Wait until no frame is being processed."""
        with self._idle:
            self._idle.wait_for(lambda: not self._busy)

    def stop(self) -> None:
        """Close the slot, let the frame in work finish, close the engine, join the thread."""
        self._slot.close()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

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
            while (frame := self._slot.take()) is not None:
                self._run_one(engine, frame)
        finally:
            engine.close()

    def _run_one(self, engine: SegmentationEngine, frame: T) -> None:
        with self._idle:
            self._busy = True
        try:
            self._process(engine, frame)
        except Exception as error:
            self._crashed(error)
        finally:
            with self._idle:
                self._busy = False
                self._idle.notify_all()
