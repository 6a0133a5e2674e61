# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Chooses the largest network input that keeps up with the images, without ROS or an engine.

The load is the share of the time between two images that one image takes: 1 means that the worker
never rests. Convolutions take time in proportion to the area of the input; all else of a frame
(decoding, messages) does not depend on it. So the time at another size is the measured one, with
the part of the network scaled by the areas. Where no size keeps up, the input is only as small as
that makes frames shorter.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

LOAD_TOO_HIGH = 0.85
"""Above it the input becomes smaller: with a tenth more noise images would be lost."""

LOAD_AFTER = 0.7
"""Largest expected load at a size that is chosen. Between this and `LOAD_TOO_HIGH` nothing
changes, so that a size that was just left or reached is kept."""

LITTLE_GAIN = 0.1
"""Where no size fits, the largest one is chosen that takes at most this much longer than the
smallest, as a share. To a larger size the input goes back only for half of it."""

WINDOW_S = 4.0
"""Older frames are forgotten, except the last `LATER_FRAMES`."""

FIRST_FRAMES = 3
"""Frames after which the first decision may fall."""

LATER_FRAMES = 8
"""Frames at one size before it is left again."""

HIGH_FOR_S = 0.7
"""How long the load must be too high before the input becomes smaller."""

LOW_FOR_S = 5.0
"""How long a larger size must seem to fit before it is tried; doubled each time it did not."""

LONGEST_LOW_S = 300.0

TRIAL_S = 30.0
"""A larger size that lasts this long has proved to fit."""


@dataclass(frozen=True)
class Change:
    """A change of the input size."""

    before: int
    """Position of the size that was left; 0 is the largest."""
    after: int
    reason: str
    """For people."""


@dataclass(frozen=True)
class _Cost:
    """What a frame took of the worker's time, in seconds."""

    at_s: float
    whole: float
    network: float


class InputController:
    """Chooses one of a few sizes from measured times and rates. Used by one thread."""

    def __init__(
        self,
        areas: Sequence[float],
        start: int = 0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start at one of the sizes.

        Args:
            areas: Area of the network's input at each size, largest first, in any unit; not empty.
            start: Position of the size in use.
            now: A steady clock in seconds.
        """
        self._areas = tuple(areas)
        self._now = now
        self.position = min(start, len(self._areas) - 1)
        """Position of the size in use; 0 is the largest."""
        self.load = math.nan
        """The load found last; NaN as long as there is none."""
        self.remark = ''
        """Why the input is not made smaller although no size fits, for people; else ''."""
        self._wait_s = LOW_FOR_S
        self._trial_since = math.inf  # infinite where the size in use has proved to fit
        self.forget()

    def forget(self) -> None:
        """Choose anew, from the size in use: the cameras or the network are others now."""
        self._is_first = True
        self._restart()

    def _restart(self) -> None:
        self._costs: deque[_Cost] = deque(maxlen=200)
        self._is_warm = False
        self.remark = ''
        self._high_since = self._low_since = math.inf
        self.load = math.nan

    def measured(self, frame_s: float, network_s: float, demand_hz: float) -> Change | None:
        """Note what a frame took, and decide.

        Args:
            frame_s: Time of the worker for one frame, from taking it to taking the next.
            network_s: The part of it in the network; not larger.
            demand_hz: Frames per second that are to be processed; 0 where unknown.

        Returns:
            The change, which the caller is to make before the next frame; None for none.
        """
        now = self._now()
        if not self._is_warm:  # the first frame at a size may have waited for a compilation
            self._is_warm = True
            return None
        self._costs.append(_Cost(now, frame_s, min(network_s, frame_s)))
        while now - self._costs[0].at_s > WINDOW_S and len(self._costs) > LATER_FRAMES:
            self._costs.popleft()
        if demand_hz <= 0.0 or len(self._costs) < FIRST_FRAMES:
            return None
        whole, network = self._typical()
        self.load = whole * demand_hz
        fitting = self._fitting(whole, network, demand_hz)
        if self._is_first:
            return self._first(fitting, demand_hz)
        return self._later(fitting, demand_hz, now)

    def _typical(self) -> tuple[float, float]:
        """Return the mean times of frame and network without the slowest tenth of the frames."""
        costs = sorted(self._costs, key=lambda cost: cost.whole)
        kept = costs[: max(FIRST_FRAMES - 1, len(costs) - max(1, len(costs) // 10))]
        return (
            sum(cost.whole for cost in kept) / len(kept),
            sum(cost.network for cost in kept) / len(kept),
        )

    def _fitting(self, whole: float, network: float, demand_hz: float) -> int:
        """Return the position of the largest size with a load that leaves room.

        Where none does, that of the largest one below which little time is saved.
        """
        self.remark, area = '', self._areas[self.position]
        times = [whole - network + network * other / area for other in self._areas]
        for position, expected in enumerate(times):
            if expected * demand_hz <= LOAD_AFTER:
                return position
        if self.load <= LOAD_TOO_HIGH:
            return self.position
        for position, expected in enumerate(times[:-1]):
            gain = LITTLE_GAIN if position >= self.position else LITTLE_GAIN / 2
            if expected <= (1 + gain) * times[-1]:
                share = f'{100 * network / whole:.0f} % of it in the network'
                self.remark = f'{share}: a still smaller input would save little'
                return position
        return len(self._areas) - 1

    def _first(self, fitting: int, demand_hz: float) -> Change | None:
        """Decide at once: nothing is known of the sizes yet."""
        if fitting > self.position and self.load <= LOAD_TOO_HIGH:
            fitting = self.position
        if fitting < self.position and len(self._costs) < LATER_FRAMES:
            return None  # a few frames may look too fast; an overload shows at once
        self._is_first = False
        return self._change(fitting, demand_hz) if fitting != self.position else None

    def _later(self, fitting: int, demand_hz: float, now: float) -> Change | None:
        if now - self._trial_since > TRIAL_S:
            self._wait_s, self._trial_since = LOW_FOR_S, math.inf
        self._high_since = min(self._high_since, now) if self.load > LOAD_TOO_HIGH else math.inf
        self._low_since = min(self._low_since, now) if fitting < self.position else math.inf
        if len(self._costs) < LATER_FRAMES:
            return None
        if now - self._high_since >= HIGH_FOR_S and fitting > self.position:
            if self._trial_since < math.inf:
                self._wait_s = min(2 * self._wait_s, LONGEST_LOW_S)
                self._trial_since = math.inf
            return self._change(fitting, demand_hz)
        if now - self._low_since >= self._wait_s:
            self._trial_since = now
            return self._change(fitting, demand_hz)
        return None

    def _change(self, position: int, demand_hz: float) -> Change:
        share = f'{100 * self.load:.0f} % of the time between two images at {demand_hz:.1f} Hz'
        verb = 'took' if self.load > LOAD_TOO_HIGH else 'took only'
        remark = f', {self.remark}' if self.remark else ''
        change = Change(self.position, position, f'a frame {verb} {share}{remark}')
        self.position = position
        self._restart()
        return change
