# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Sizes are compiled for where that pays; their number and their memory are bounded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hiseg_ros.errors import ImageError
from hiseg_ros.inference.backends.compiled_sizes import CompiledSizes, pixels_of
from hiseg_ros.inference.exported_input import ExportedInput
from hiseg_ros.inference.scaled_input import InputScale, sizes_at
from hiseg_ros.preprocessing import Preprocessing
from hiseg_ros.resources import default_model
from hiseg_ros.types import ImageSize


def shape(width: int, height: int = 32) -> tuple[int, ...]:
    return (1, height, width, 3)


def test_the_first_sizes_are_compiled_at_once_later_ones_at_their_second_image() -> None:
    sizes = CompiledSizes(4, 2, 10**6, 50)
    how = [sizes.use_of(shape(32 * width)).how for width in (1, 2, 3, 3, 3, 4, 1, 4)]
    assert how == ['compiled'] * 2 + ['open', 'compiled', 'compiled', 'open'] + ['compiled'] * 2


def test_a_new_size_with_every_image_is_never_compiled_for() -> None:
    sizes = CompiledSizes(4, 2, 10**6, 50)
    how = [sizes.use_of(shape(32 * width)).how for width in range(1, 300)]
    assert how == ['compiled'] * 2 + ['open'] * 297
    assert len(sizes._seen) <= 64


def test_more_sizes_than_are_kept_do_not_replace_each_other_while_in_use() -> None:
    sizes = CompiledSizes(4, 2, 10**6, 50)
    dropped = [sizes.use_of(shape(32 * (i % 7 + 1))).dropped for i in range(200)]
    assert not any(dropped)


def test_an_unused_size_is_replaced() -> None:
    sizes = CompiledSizes(2, 2, 10**6, 5)
    for width in (32, 64, *[64] * 8, 96):
        assert not sizes.use_of(shape(width)).dropped
    assert sizes.use_of(shape(96)).dropped == (shape(32),)


def test_the_pixels_that_are_kept_are_bounded() -> None:
    most = 32 * 320
    sizes = CompiledSizes(6, 2, most, 3)
    kept: set[tuple[int, ...]] = set()
    chance = np.random.default_rng(1)
    for _ in range(400):
        asked = shape(32 * int(chance.integers(1, 14)))
        use = sizes.use_of(asked)
        kept -= set(use.dropped)
        if use.how == 'compiled':
            kept.add(asked)
        assert (use.how == 'large') == (pixels_of(asked) > most)
        assert sum(map(pixels_of, kept)) <= most
        assert len(kept) <= 6


@pytest.mark.parametrize(
    ('gib', 'large', 'small'), [(4, 1, 2), (8, 1, 2), (32, 3, 6), (64, 4, 10), (1024, 4, 10)]
)
def test_all_input_sizes_of_as_many_cameras_stay_compiled_as_memory_permits(
    gib: int, large: int, small: int
) -> None:
    """`docs/node.md` has these numbers: of cameras of 1080x1920, and of 512x1024."""
    pytest.importorskip('openvino')
    from hiseg_ros.inference.backends.openvino_cpu import kept_pixels

    assert kept_pixels(gib * 2**30) // pixels_at_all_scales((1080, 1920)) == large
    assert kept_pixels(gib * 2**30) // pixels_at_all_scales((512, 1024)) == small


class ScaledRule:
    """The shipped network's rule for its input."""

    def __init__(self) -> None:
        self.inputs = ExportedInput(Preprocessing(smallest_width=960))

    def scale_input(self, scale: InputScale) -> bool:
        self.inputs = replace(self.inputs, scale=scale)
        return True

    def input_size(self, image_size: ImageSize) -> ImageSize:
        return self.inputs.size(image_size)


def pixels_at_all_scales(image_size: ImageSize) -> int:
    """Return the pixels of all input sizes that the node may choose for an image size."""
    return sum(height * width for height, width in set(sizes_at(ScaledRule(), image_size, 256)))


def test_every_way_to_run_an_input_gives_the_same_results() -> None:
    pytest.importorskip('openvino')
    from hiseg_ros.inference.engine import Engine

    engine = Engine(default_model('.onnx'), device='cpu', backend='openvino')
    backend: Any = engine._backend
    for size in ((1, 100_000), (100_000, 1), (1, 20_000), (9000, 16)):
        with pytest.raises(ImageError, match='at most 32 times the shorter'):
            engine.segment(np.zeros((*size, 3), np.uint8))
    assert not backend._requests
    backend._sizes = CompiledSizes(6, 0, 10**6, 50)
    image = np.random.default_rng(2).integers(0, 256, (1, 32, 64, 3), np.uint8)
    opened = backend.node_probabilities(image).copy()
    assert backend._open_request is not None
    assert not backend._requests
    compiled = backend.node_probabilities(image).copy()
    assert image.shape in backend._requests
    np.testing.assert_allclose(opened, compiled, atol=1e-5)
    backend._sizes = CompiledSizes(6, 2, 1, 50)  # everything is large
    backend._requests.clear()
    assert np.array_equal(backend.node_probabilities(image), compiled)
    assert not backend._requests
