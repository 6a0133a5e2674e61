# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Makes the network's input follow the cameras where parameter input_height is auto."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence

from hiseg_ros.inference.scaled_input import (
    SCALES,
    InputScale,
    ScalableInput,
    distinct,
    sizes_at,
)
from hiseg_ros.inference.segmentation_engine import SegmentationEngine
from hiseg_ros.ros.node.input_controller import Change, InputController
from hiseg_ros.ros.parameters import AUTO, NodeParameters
from hiseg_ros.types import ImageSize, RgbImage

SLOW_TO_COMPILE = ('compile', 'tensorrt')
"""Backends that compile for minutes at every input size."""

MAX_SIZES = 16
"""Image sizes that are known at once; with one more the others are looked up again."""

WATCHED_S = 5.0
"""A camera none of whose images was segmented for this long, for `WATCHED_ROUNDS` of its images
and for as many rounds of the cameras, needs no time."""

WATCHED_ROUNDS = 3.0


class InputChooser:
    """Measures frames, asks the controller, and sets the engine's input size.

    The worker thread calls it; `facts` may be read in any thread.
    """

    def __init__(
        self,
        parameters: Callable[[], NodeParameters],
        rates_hz: Callable[[], Mapping[str, float]],
        tell: Callable[[str], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start without an engine.

        Args:
            parameters: Returns the node's parameters.
            rates_hz: Returns the images per second that each camera sends, by its name.
            tell: Called in the worker thread with a sentence for each change.
            now: A steady clock in seconds.
        """
        self._parameters = parameters
        self._rates_hz = rates_hz
        self._tell = tell
        self._now = now
        self._engine: SegmentationEngine | None = None
        self._controller: InputController | None = None
        self._positions: tuple[int, ...] = ()
        """Positions in `SCALES` of the controller's sizes."""
        self._sizes: dict[ImageSize, tuple[ImageSize, ...]] = {}
        """Input size at each of `SCALES` by size of the image."""
        self._is_fixed = False
        self._scale = 0
        """Position in `SCALES` that is in use."""
        self._seen: dict[str, float] = {}
        """When an image of each camera was segmented last. It is never forgotten: a camera that
        comes back is no new one, and the waits of the controller last."""
        self._changes = 0
        self._text = 'none yet'
        self._last_change = 'none'
        self._input_sizes: dict[ImageSize, ImageSize] = {}

    @property
    def facts(self) -> Mapping[str, str]:
        """What diagnostics show: the sizes in use, changes and the reason of the last."""
        sizes = ', '.join(f'{h} x {w}' for h, w in sorted(set(self._input_sizes.values())))
        return {
            'input height': str(self._parameters().input_height),
            'network input': sizes or 'none yet',
            'network load': self._text,
            'network input changes': str(self._changes),
            'network input changed': self._last_change,
        }

    @property
    def scale(self) -> InputScale:
        """The scale in use, with which an engine that takes over is to begin."""
        return InputScale(SCALES[self._scale], self._parameters().input_height_min)

    def measured(
        self,
        engine: SegmentationEngine,
        frames: Sequence[tuple[str, ImageSize, ImageSize]],
        busy_s: float,
        network_s: float,
    ) -> None:
        """Note frames that were worked on together, and change the input size where it pays.

        Args:
            engine: The engine that segmented them.
            frames: Camera, size of the upright image and network input size of each.
            busy_s: What the worker took for all of them.
            network_s: What the network took for all of them.
        """
        if not frames:
            return
        now, parameters = self._now(), self._parameters()
        is_joined = any(camera not in self._seen for camera, _, _ in frames)
        self._seen.update((camera, now) for camera, _, _ in frames)
        if len(self._input_sizes) >= MAX_SIZES:
            self._input_sizes = {}
        self._input_sizes = {
            **self._input_sizes, **{image: network for _, image, network in frames}
        }  # fmt: skip
        if parameters.input_height != AUTO or not isinstance(engine, ScalableInput):
            return
        if engine.backend in SLOW_TO_COMPILE:
            return
        if not self._is_prepared(engine, {image for _, image, _ in frames}):
            return
        assert self._controller is not None
        if is_joined:
            self._controller.forget()
        count, demand_hz = len(frames), self._demand_hz(busy_s, now)
        change = self._controller.measured(busy_s / count, network_s / count, demand_hz)
        load, remark = self._controller.load, self._controller.remark
        self._text = 'none yet' if math.isnan(load) else f'{100 * load:.0f} %'
        self._text += f', {remark}' if remark else ''
        if change is not None:
            self._apply(engine, change)

    def _demand_hz(self, busy_s: float, now: float) -> float:
        """Return the images per second to make time for, of the cameras that are segmented."""
        parameters, rates_hz = self._parameters(), self._rates_hz()
        limit_hz = min(hz or math.inf for hz in (parameters.target_rate, parameters.max_rate))
        round_s, demand_hz = len(self._seen) * busy_s, 0.0
        for camera, seen in self._seen.items():
            rate_hz = min(rates_hz.get(camera, 0.0), limit_hz)
            period_s = 1 / rate_hz if rate_hz > 0.0 else 0.0
            if now - seen <= max(WATCHED_S, WATCHED_ROUNDS * max(round_s, period_s)):
                demand_hz += rate_hz
        return demand_hz

    def _is_prepared(self, engine: SegmentationEngine, images: set[ImageSize]) -> bool:
        """Know the engine and the sizes of the images; return whether there is a choice."""
        least = self._parameters().input_height_min
        assert isinstance(engine, ScalableInput)
        if engine is not self._engine:
            self._engine, self._controller, self._sizes = engine, None, {}
            self._input_sizes = {}
            self._is_fixed = not engine.scale_input(self.scale)
        if self._is_fixed:
            return False
        if images <= self._sizes.keys():
            return True
        if len(self._sizes) >= MAX_SIZES:
            self._sizes = {}
        for image in images - self._sizes.keys():
            self._sizes[image] = sizes_at(engine, image, least)
        engine.scale_input(self.scale)
        # A position counts where the input of any of the cameras differs.
        found = sorted({i for sizes in self._sizes.values() for i in distinct(sizes)})
        areas = [
            sum(float(sizes[i][0] * sizes[i][1]) for sizes in self._sizes.values()) for i in found
        ]
        self._positions = tuple(found)
        start = max(n for n, position in enumerate(found) if position <= self._scale)
        self._controller = InputController(areas, start, self._now)
        return True

    def _apply(self, engine: SegmentationEngine, change: Change) -> None:
        assert isinstance(engine, ScalableInput)
        before, self._scale = self._scale, self._positions[change.after]
        engine.scale_input(self.scale)
        self._changes += 1
        parts = [
            f'{sizes[before][0]} x {sizes[before][1]} to {sizes[self._scale][0]} x '
            f'{sizes[self._scale][1]}'
            for sizes in self._sizes.values()
            if sizes[before] != sizes[self._scale]
        ]
        self._last_change = f'{", ".join(dict.fromkeys(parts))}: {change.reason}'
        self._tell(f'The network input goes from {self._last_change}.')


def warm_up_sizes(engine: SegmentationEngine, black: RgbImage, parameters: NodeParameters) -> None:
    """Run the engine once at each smaller input size that the node may choose.

    Args:
        engine: Ready at its usual size, at which it is left.
        black: (H, W, 3) uint8, an image of the size to come.
        parameters: Of the node; nothing is done where the input height is fixed.
    """
    if parameters.input_height != AUTO or not isinstance(engine, ScalableInput):
        return
    if engine.batch_pays or engine.backend in SLOW_TO_COMPILE:
        return  # a GPU needs a few runs for a new size, and keeps few sizes
    if not engine.scale_input(InputScale()):
        return
    least = parameters.input_height_min
    sizes = sizes_at(engine, (black.shape[0], black.shape[1]), least)
    for position in distinct(sizes)[1:]:
        engine.scale_input(InputScale(SCALES[position], least))
        # Backends compile for the first sizes at once, for later ones at their second image.
        for _ in range(2):
            engine.segment(black)
    engine.scale_input(InputScale())
