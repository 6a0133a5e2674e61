# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Segmentation on a device that runs out of memory: fewer images at once, then smaller ones."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from hiseg_ros.errors import DeviceMemoryError, HisegError, ImageError
from hiseg_ros.inference.segmentation_engine import SegmentationEngine
from hiseg_ros.types import RgbImage, Segmentation, Wanted

FIRST_WAIT_S = 10.0
"""Seconds until the step before is tried again; doubled each time that it still does not fit."""

LONGEST_WAIT_S = 300.0


class MemoryRelief:
    """Limits batch size and resolution where memory is short, and lifts the limits step by step.

    The steps: all images at hand as one batch, half as many, and so on down to one; one image at a
    lower resolution. Used by one thread.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Start without limits.

        Args:
            now: A steady clock in seconds.
        """
        self._now = now
        self._most: int | None = None
        self._top = 0
        self._is_reduced = False
        self._wait_s = FIRST_WAIT_S
        self._try_at_s = math.inf

    @property
    def text(self) -> str:
        """What is limited and why, for people; '' where nothing is."""
        cause = 'the device has too little memory, so'
        if self._is_reduced:
            return f'{cause} images run one by one at three quarters of their resolution'
        if self._most is not None:
            return f'{cause} at most {self._most} of {self._top} images run at once'
        return ''

    def limit(self, count: int) -> tuple[int, bool]:
        """Return how many of the images at hand to run at once, and whether at lower resolution.

        From time to time that is one step more than is known to fit.
        """
        is_due = self._now() >= self._try_at_s
        if self._is_reduced:
            return 1, not is_due
        if self._most is None:
            return count, False
        return min(count, 2 * self._most if is_due else self._most), False

    def worked(self, count: int, is_reduced: bool) -> None:
        """Note that a batch fitted.

        Args:
            count: As for `failed`.
            is_reduced: As for `failed`.
        """
        if self._is_reduced and not is_reduced:
            self._is_reduced = False
        elif self._most is not None and count > self._most:
            self._most = count
        else:
            return
        self._wait_s, self._try_at_s = FIRST_WAIT_S, self._now() + FIRST_WAIT_S
        if self._most is None or self._most >= self._top:
            self._most, self._try_at_s = None, math.inf

    def failed(self, count: int, is_reduced: bool, can_reduce: bool) -> bool:
        """Note that a batch did not fit.

        Args:
            count: Number of images that ran at once.
            is_reduced: Whether they ran at lower resolution.
            can_reduce: Whether the engine can do that.

        Returns:
            False where no smaller step is left.
        """
        was_tried = (self._is_reduced and not is_reduced) or (
            self._most is not None and count > self._most
        )
        if was_tried:
            self._wait_s = min(2 * self._wait_s, LONGEST_WAIT_S)
        self._try_at_s = self._now() + self._wait_s
        if was_tried:
            return True
        if self._most is None:
            self._top = count
        if count > 1:
            self._most = count // 2
            return True
        if is_reduced or not can_reduce:
            return False
        self._most, self._is_reduced = 1, True
        return True


@dataclass(frozen=True, eq=False)
class Request:
    """An image to be segmented."""

    rgb: RgbImage
    wanted: Wanted


@dataclass(frozen=True, eq=False)
class Result:
    """A segmented image."""

    index: int
    """Position of its request."""

    segmentation: Segmentation

    batch_size: int
    """Images that went through the network together, this one included; at least 1."""

    remaining: int
    """Requests that are still to be segmented after this one."""


OnFailure = Callable[[int, HisegError], None]
"""Called with the position of a request that gets no result, and the reason."""


class RetryingSegmenter:
    """Segments images; where device memory is short it tries again with less at once.

    Used by one thread.
    """

    def __init__(
        self, on_limit: Callable[[str], None], now: Callable[[], float] = time.monotonic
    ) -> None:
        """Start without limits.

        Args:
            on_limit: Called in the segmenting thread each time that a limit is set or lowered,
                with what is limited and the device's own reason.
            now: A steady clock in seconds.
        """
        self._on_limit = on_limit
        self._relief = MemoryRelief(now)

    @property
    def limit_text(self) -> str:
        """What is limited and why, for people; '' where nothing is."""
        return self._relief.text

    def segment(
        self, engine: SegmentationEngine, requests: Sequence[Request], on_failure: OnFailure
    ) -> Iterator[Result]:
        """Segment images, as one batch where the device has the memory.

        Args:
            engine: Runs the network.
            requests: The images.
            on_failure: Called in the segmenting thread for each request without a result: with an
                ImageError where the image is at fault, with a DeviceMemoryError where not even
                this image alone, at the reduced input size, fits the device.

        Yields:
            The result of every other request, as soon as it is there.

        Raises:
            DeviceError: The device failed, other than by a lack of memory.
        """
        relief, waiting = self._relief, dict(enumerate(requests))
        while waiting:
            most, is_reduced = relief.limit(len(waiting))
            indices, shortage = list(waiting)[:most], None
            if relief.text:
                engine.reduce(is_reduced)
            try:
                yield from _segmented(engine, waiting, indices, on_failure)
                relief.worked(len(indices), is_reduced)
            except DeviceMemoryError as error:
                # Dealt with below: here the error's traceback holds on to the memory.
                shortage = str(error)
            if shortage is None:
                continue
            can_reduce = len(indices) == 1 and engine.reduce(True)
            if relief.failed(len(indices), is_reduced, can_reduce):
                self._on_limit(f'{relief.text}: {shortage}')
            else:
                index = next(iter(waiting))
                del waiting[index]
                on_failure(index, DeviceMemoryError(shortage))


def _segmented(
    engine: SegmentationEngine,
    waiting: dict[int, Request],
    indices: Sequence[int],
    on_failure: OnFailure,
) -> Iterator[Result]:
    """Take some requests out of those that wait, each with its result or failure.

    Raises:
        DeviceMemoryError: The device has too little memory; the rest goes on waiting.
    """
    if len(indices) > 1:
        batch = [waiting[index] for index in indices]
        try:
            found = engine.segment_batch([one.rgb for one in batch], [one.wanted for one in batch])
        except ImageError:
            pass  # one of them is at fault: segmented one by one, they show which
        else:
            for place, segmentation in found:
                del waiting[indices[place]]
                yield Result(indices[place], segmentation, len(indices), len(waiting))
            return
    for index in indices:
        try:
            segmentation = engine.segment(waiting[index].rgb, waiting[index].wanted)
        except ImageError as error:
            del waiting[index]
            on_failure(index, error)
        else:
            del waiting[index]
            yield Result(index, segmentation, 1, len(waiting))
