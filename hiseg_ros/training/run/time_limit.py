# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Callbacks that measure the time of training steps, and end a run when its time is over."""

from __future__ import annotations

import time
from statistics import median
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback


class Pace(Callback):
    """Measures the time of a step, loading included; the first ones warm up."""

    WARM_UP = 2

    def __init__(self) -> None:
        """Start without a measurement."""
        self._marks: list[float] = []

    @property
    def seconds_per_step(self) -> float:
        """Median time of the steps after the first.

        Raises:
            ValueError: Fewer than two were measured.
        """
        marks = self._marks[self.WARM_UP - 1 :]
        return median(b - a for a, b in zip(marks, marks[1:], strict=False))

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Note the time."""
        self._marks.append(time.perf_counter())


class TimeLimit(Callback):
    """Ends a run after a time of training, over all its starts; its weights are then complete."""

    def __init__(self, seconds: float) -> None:
        """Take the time.

        Args:
            seconds: Longest time between the first step and the last, of all starts together.
        """
        self._limit = seconds
        self.spent = 0.0
        self._mark = 0.0

    def on_train_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Start the clock."""
        self._mark = time.perf_counter()

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Add the time since the last step, and end the run where it is too much."""
        now = time.perf_counter()
        self.spent, self._mark = self.spent + now - self._mark, now
        if self.spent >= self._limit:
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        """Return the time spent, for a run that resumes."""
        return {'spent': self.spent}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the time spent."""
        self.spent = float(state_dict['spent'])
