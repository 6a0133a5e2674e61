# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Short of memory the device is asked for less, step by step, and for more again later."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest

from hiseg_ros.errors import DeviceError, DeviceMemoryError, HisegError, ImageError
from hiseg_ros.inference.memory_relief import (
    FIRST_WAIT_S,
    LONGEST_WAIT_S,
    MemoryRelief,
    Request,
    Result,
    RetryingSegmenter,
)
from hiseg_ros.types import EVERYTHING, NodeProbabilities, RgbImage, Segmentation, Wanted


class Device:
    """Has room for so many images at full or at lower resolution."""

    def __init__(self, room: int, small_room: int = 1) -> None:
        self.room, self.small_room, self.time_s = room, small_room, 0.0
        self.relief = MemoryRelief(lambda: self.time_s)
        self.tries: list[tuple[int, bool]] = []

    def run(self, count: int) -> tuple[int, bool] | None:
        """Try until something fits; return what did, None for nothing."""
        while True:
            most, is_reduced = self.relief.limit(count)
            self.tries.append((most, is_reduced))
            if most <= (self.small_room if is_reduced else self.room):
                self.relief.worked(most, is_reduced)
                return most, is_reduced
            if not self.relief.failed(most, is_reduced, self.small_room > 0):
                return None


def test_it_goes_down_to_what_fits() -> None:
    """Half the batch, and so on, then one image, then a smaller one."""
    device = Device(2)
    assert device.run(8) == (2, False)
    assert 'at most 2 of 8 images' in device.relief.text
    device.room = 0
    assert device.run(8) == (1, True)
    assert 'three quarters' in device.relief.text
    assert device.tries == [(8, False), (4, False), (2, False), (2, False), (1, False), (1, True)]


def test_it_comes_back_step_by_step_once_there_is_room() -> None:
    """One step each time that the wait is over."""
    device = Device(0)
    assert device.run(4) == (1, True)
    device.room = 4
    assert device.run(4) == (1, True), 'not at once'
    for expected in ((1, False), (2, False), (4, False)):
        device.time_s += FIRST_WAIT_S
        assert device.run(4) == expected
    assert device.relief.text == ''
    assert device.run(4) == (4, False)


def test_a_step_that_still_does_not_fit_is_tried_ever_more_rarely() -> None:
    """No frame out of two is lost to tries."""
    device = Device(1)
    device.run(2)
    device.tries.clear()
    for _ in range(1200):
        device.time_s += 1.0
        assert device.run(2) == (1, False)
    failed = [most for most, _ in device.tries].count(2)
    assert 4 <= failed <= 8
    device.room = 2
    device.time_s += LONGEST_WAIT_S
    assert device.run(2) == (2, False)
    assert device.relief.text == ''


def test_a_single_image_comes_back_to_full_resolution() -> None:
    """There is no batch to grow then."""
    device = Device(0)
    assert device.run(1) == (1, True)
    device.room = 1
    device.time_s += FIRST_WAIT_S
    assert device.run(1) == (1, False)
    assert device.relief.text == ''


def test_where_nothing_smaller_is_left_it_says_so_and_tries_each_time() -> None:
    """The next image may find room."""
    device = Device(0, small_room=0)
    assert device.run(2) is None
    assert device.run(2) is None
    device.room = 1
    assert device.run(2) == (1, False)


BAD = 255
"""Height of the images that the engine below takes for bad ones."""


class SmallEngine:
    """Has room for so many images; an image's height is its number, and that of its labels."""

    threshold = 0.0
    taxonomy: Any = None
    device = backend = precision = 'pretended'
    batch_pays = True

    def __init__(self, room: int, *, small_room: int = 1, before_shortage: int = 0) -> None:
        self.room, self.small_room = room, small_room
        self.before_shortage = before_shortage
        """Results of a batch that come out before its memory runs out."""
        self.is_reduced = False
        self.error: Exception | None = None
        self.tries: list[tuple[int, bool]] = []

    def reduce(self, is_reduced: bool) -> bool:
        self.is_reduced = is_reduced and self.small_room > 0
        return self.small_room > 0

    def _fits(self, count: int) -> bool:
        self.tries.append((count, self.is_reduced))
        if self.error is not None:
            raise self.error
        return count <= (self.small_room if self.is_reduced else self.room)

    def segment(self, rgb: RgbImage, wanted: Wanted = EVERYTHING) -> Segmentation:
        if rgb.shape[0] == BAD:
            raise ImageError('a bad image')
        if not self._fits(1):
            raise DeviceMemoryError('no room for an image')
        return self._result(rgb)

    def segment_batch(
        self, rgbs: Sequence[RgbImage], wanted: Sequence[Wanted]
    ) -> Iterator[tuple[int, Segmentation]]:
        if any(rgb.shape[0] == BAD for rgb in rgbs):
            raise ImageError('a bad image')
        return self._batch(rgbs)

    def _batch(self, rgbs: Sequence[RgbImage]) -> Iterator[tuple[int, Segmentation]]:
        fits = self._fits(len(rgbs))
        # Those of one input size come out together: not in the order of the images.
        order = [*range(1, len(rgbs)), 0]
        for place in order if fits else order[: self.before_shortage]:
            yield place, self._result(rgbs[place])
        if not fits:
            raise DeviceMemoryError(f'no room for {len(rgbs)} images')

    @staticmethod
    def _result(rgb: RgbImage) -> Segmentation:
        size = (rgb.shape[0], rgb.shape[1])
        nothing = np.zeros((0, 0), np.uint8)
        empty = NodeProbabilities(np.zeros((0, 0, 0), np.float32), size)
        return Segmentation(np.zeros(size, np.uint8), nothing, empty)

    def close(self) -> None:
        pass


def run(
    engine: SmallEngine, heights: Sequence[int], segmenter: RetryingSegmenter | None = None
) -> tuple[list[Result], dict[int, HisegError]]:
    """Segment images of these heights; return the results and the failures by position."""
    failures: dict[int, HisegError] = {}
    requests = [Request(np.zeros((height, 1, 3), np.uint8), EVERYTHING) for height in heights]

    def on_failure(index: int, error: HisegError) -> None:
        assert index not in failures
        failures[index] = error

    segmenter = segmenter or RetryingSegmenter(lambda text: None)
    results = list(segmenter.segment(engine, requests, on_failure))
    indices = [result.index for result in results]
    assert sorted([*indices, *failures]) == list(range(len(heights))), 'each has one fate'
    for result in results:
        assert len(result.segmentation.labels) == heights[result.index], 'and its own result'
    return results, failures


@pytest.mark.parametrize('small_room', [0, 1])
@pytest.mark.parametrize('before_shortage', [0, 1])
def test_each_request_gets_its_result_or_its_failure(
    small_room: int, before_shortage: int
) -> None:
    """However little room there is, and wherever a batch breaks off."""
    for count, room, bad in product(range(6), range(7), [(), (0,), (1, 3), tuple(range(6))]):
        heights = [BAD if index in bad else index + 1 for index in range(count)]
        engine = SmallEngine(room, small_room=small_room, before_shortage=before_shortage)
        results, failures = run(engine, heights)
        for index, error in failures.items():
            assert isinstance(error, ImageError if heights[index] == BAD else DeviceMemoryError)
        fits_nothing = room == small_room == 0
        lost = {index for index in range(count) if index in bad or fits_nothing}
        assert failures.keys() <= lost
        if not before_shortage or not fits_nothing:
            assert failures.keys() == lost
        remaining = [result.remaining for result in results]
        assert remaining == sorted(remaining, reverse=True)
        assert failures or not results or remaining[-1] == 0


def test_a_limit_is_told_with_the_devices_own_reason_and_kept_for_the_next_call() -> None:
    said: list[str] = []
    segmenter = RetryingSegmenter(said.append)
    engine = SmallEngine(2)
    results, failures = run(engine, [1, 2, 3, 4], segmenter)
    assert not failures
    assert [result.batch_size for result in results] == [2, 2, 2, 2]
    assert said == [f'{segmenter.limit_text}: no room for 4 images']
    assert 'at most 2 of 4 images' in segmenter.limit_text
    engine.tries.clear()
    run(engine, [1, 2, 3, 4], segmenter)
    assert engine.tries == [(2, False), (2, False)]
    engine.room = 0
    run(engine, [1], segmenter)
    assert engine.is_reduced
    assert said[-1].endswith('no room for an image')


def test_a_lost_device_is_no_lack_of_memory() -> None:
    """It is raised, and nothing is tried again."""
    engine = SmallEngine(4)
    engine.error = DeviceError('the device is gone')
    with pytest.raises(DeviceError, match='gone'):
        run(engine, [1, 2])
    assert engine.tries == [(2, False)]
