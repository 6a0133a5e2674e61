# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Smaller network inputs for images that come too fast: a few sizes, never below the floor."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from hiseg_ros.inference.exported_input import ExportedInput
from hiseg_ros.inference.scaled_input import SCALES, USUAL, InputScale, distinct, sizes_at
from hiseg_ros.preprocessing import Preprocessing
from hiseg_ros.types import ImageSize


class Network:
    """Stands in for an engine: its sizes are those of an exported file."""

    def __init__(self, inputs: ExportedInput) -> None:
        self.inputs = inputs

    def scale_input(self, scale: InputScale) -> bool:
        self.inputs = replace(self.inputs, scale=scale)
        return self.inputs.fixed is None

    def input_size(self, image_size: ImageSize) -> ImageSize:
        return self.inputs.size(image_size)


def test_the_sizes_of_usual_cameras() -> None:
    network = Network(ExportedInput(Preprocessing()))
    assert sizes_at(network, (512, 1024), 256) == (
        (512, 1024), (448, 896), (384, 768), (320, 640), (256, 512), (256, 512)
    )  # fmt: skip
    assert network.inputs.scale == USUAL, 'it is left at its usual size'
    assert distinct(sizes_at(network, (512, 1024), 256)) == (0, 1, 2, 3, 4)
    assert sizes_at(network, (1080, 1920), 256)[0] == (800, 1408)
    assert sizes_at(network, (1080, 1920), 600)[-1] == (608, 1088), 'the floor is rounded up'
    assert distinct(sizes_at(network, (128, 256), 256)) == (0,), 'small images are not enlarged'


@settings(max_examples=50)
@given(
    height=st.integers(32, 1500), width=st.integers(32, 3000), least=st.integers(32, 1000),
    input_height=st.sampled_from([0, 64, 512]),
)  # fmt: skip
def test_no_size_is_below_the_floor_or_above_the_usual_one(
    height: int, width: int, least: int, input_height: int
) -> None:
    inputs = ExportedInput(Preprocessing(), input_height)
    sizes = sizes_at(Network(inputs), (height, width), least)
    usual = inputs.size((height, width))
    assert sizes[0] == usual and len(sizes) == len(SCALES)
    for before, after in zip(sizes, sizes[1:], strict=False):
        assert all(a <= b for a, b in zip(after, before, strict=True))
        assert min(after) >= min(least, min(usual))
        assert not (after[0] % 32 or after[1] % 32)


def test_a_size_that_the_file_fixes_stays_and_short_memory_counts_too() -> None:
    fixed = Network(ExportedInput(Preprocessing(), fixed=(96, 160)))
    assert set(sizes_at(fixed, (512, 1024), 32)) == {(96, 160)}
    assert not fixed.scale_input(InputScale(0.5))
    short = ExportedInput(Preprocessing(), is_reduced=True, scale=InputScale(0.75, 256))
    assert short.size((512, 1024)) == (288, 576), 'three quarters of 384'
