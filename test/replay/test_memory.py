# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The memory of a replay does not grow with the length of the recording."""

from __future__ import annotations

import gc
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from live_support import LiveCamera, write_live
from replay_support import ColourEngine, replay, tree

from hiseg_ros.errors import ImageError
from hiseg_ros.types import NodeProbabilities, RgbImage, Segmentation

pytestmark = pytest.mark.needs('torch')

FRAMES = 80
"""Of the first look, and of each part of the new bag."""
PART_BYTES = 16_000
"""A part may leave what metadata.yaml says of it."""
LIVE_BYTES = 150
"""A frame of a live recording may leave: stamps, recording times and ten stage times."""


class EvenEngine(ColourEngine):
    """Says the same of every image: what is kept then is not a matter of the image."""

    def __init__(self) -> None:
        super().__init__(tree())
        road = self.taxonomy.node_id('road')
        values = np.zeros((len(self.taxonomy), 4, 8), np.float32)
        self._result = Segmentation(
            np.full((16, 32), road, np.uint8), np.full((16, 32), 200, np.uint8),
            NodeProbabilities(values, (16, 32)),
        )  # fmt: skip

    def segment(self, rgb: RgbImage) -> Segmentation:
        return self._result


class BlindEngine(EvenEngine):
    """Can read no image at all."""

    def segment(self, rgb: RgbImage) -> Segmentation:
        raise ImageError('An image cannot be decoded; expected a whole one.')


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


def kept(bag: Path, output: Path, engine: ColourEngine, counts: tuple[int, ...]) -> list[int]:
    """Return the bytes that are in use behind so many frames of a replay."""
    found = []

    def look(frames: int) -> None:
        if frames in counts:
            gc.collect()
            found.append(tracemalloc.get_traced_memory()[0])

    omit = frozenset(['levels', 'overlay', 'probabilities'])
    replay(bag, output, engine=engine, on_frame=look, part_frames=FRAMES, omit=omit)
    return found


@pytest.mark.usefixtures('traced')
def test_a_frame_of_a_live_recording_leaves_its_times_and_nothing_else(tmp_path: Path) -> None:
    """Each look is behind a whole part of the new bag."""
    latency = {number: 50.0 for number in range(4 * FRAMES) if number % 3}
    bag = write_live(tmp_path / 'bag', [LiveCamera(latency, 4 * FRAMES)])
    first, last = kept(bag, tmp_path / 'out', EvenEngine(), (FRAMES, 4 * FRAMES))
    assert last - first < 3 * (FRAMES * LIVE_BYTES + PART_BYTES)


@pytest.mark.usefixtures('traced')
def test_images_that_cannot_be_read_are_counted_and_the_first_hundred_listed(
    tmp_path: Path,
) -> None:
    """A recording in which all are damaged is no reason to run out of memory."""
    bag = write_live(tmp_path / 'bag', [LiveCamera({}, 4 * FRAMES)], taxonomy=False)
    second, last = kept(bag, tmp_path / 'out', BlindEngine(), (2 * FRAMES, 4 * FRAMES))
    assert last - second < 2 * PART_BYTES
    metrics = json.loads((tmp_path / 'out/metrics.json').read_text())
    assert (metrics['damages'], len(metrics['damage'])) == (4 * FRAMES, 100)
