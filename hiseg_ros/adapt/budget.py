# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""As many steps as the time allows, by the measured time of a few."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hiseg_ros.adapt.recipe import LEAST_STEPS, MOST_STEPS
from hiseg_ros.errors import ConfigError
from hiseg_ros.training.config.experiment import TrainingConfig
from hiseg_ros.training.run.time_limit import Pace
from hiseg_ros.training.run.train import train

PACE_STEPS = 6
"""Steps that are trained, and thrown away, to measure their time."""

RESERVE_S = 20.0
"""Time for what is not measured: reading images, building the network, writing files."""


@dataclass(frozen=True)
class Budget:
    """The time of an adaptation."""

    seconds: float
    """For everything together."""
    start_s: float
    """Monotonic time at which it began."""
    check_s: float = 0.0
    """What the measurement after training will take."""

    @property
    def left_s(self) -> float:
        """Seconds that are left for training."""
        spent = time.monotonic() - self.start_s
        return self.seconds - spent - self.check_s - RESERVE_S


def plan_steps(
    config_of: Callable[[int], TrainingConfig], folder: Path, budget: Budget, accelerator: str
) -> dict[str, Any]:
    """Return the number of steps and the seconds that they may take.

    Args:
        config_of: Returns the run with a number of steps.
        folder: Of a short run that measures the time; removed afterwards.
        budget: The time.
        accelerator: Lightning's name of the kind of device.

    Returns:
        'steps', 'seconds', 'seconds_per_step' as measured, and 'minutes' of the budget.

    Raises:
        ConfigError: There is too little time.
        HisegError: The short run fails.
    """
    shutil.rmtree(folder, ignore_errors=True)
    pace = Pace()
    train(config_of(PACE_STEPS), folder, accelerator=accelerator, callbacks=[pace])
    shutil.rmtree(folder, ignore_errors=True)
    return fit_steps(pace.seconds_per_step, budget)


def fit_steps(seconds_per_step: float, budget: Budget) -> dict[str, Any]:
    """Return the steps that fit into the time; see `plan_steps`.

    Raises:
        ConfigError: There is too little time.
    """
    left = budget.left_s
    steps = min(MOST_STEPS, int(left / seconds_per_step))
    if steps < LEAST_STEPS:
        spent = budget.seconds - left
        least = math.ceil((spent + 1.2 * LEAST_STEPS * seconds_per_step) / 60)
        raise ConfigError(
            f'{budget.seconds / 60:g} minutes leave time for {max(0, steps)} steps of '
            f'{seconds_per_step:.1f} s beside choosing frames and measuring; expected at least '
            f'{LEAST_STEPS} steps: give --minutes {least} or more.'
        )
    return {
        'minutes': budget.seconds / 60,
        'steps': steps,
        'seconds': round(left, 1),
        'seconds_per_step': round(seconds_per_step, 4),
    }
