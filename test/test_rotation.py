# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Images are turned upright for the network, and everything it gives is turned back."""

from __future__ import annotations

import numpy as np
import pytest

from hiseg_ros.rotation import ROTATIONS, turned_back, upright, upright_size
from hiseg_ros.types import NodeProbabilities, Segmentation

SIZE = (6, 10)


def test_the_world_s_top_becomes_the_top_of_the_image() -> None:
    """The right of a camera that is mounted turned clockwise points down: it sees the sky left."""
    for rotation, sky in (
        (0, np.s_[0]), (90, np.s_[:, 0]), (180, np.s_[-1]), (270, np.s_[:, -1]),
    ):  # fmt: skip
        seen = np.zeros((*SIZE, 3), np.uint8)
        seen[sky] = 255
        found = upright(seen, rotation)
        assert found.shape[:2] == upright_size(SIZE, rotation)
        assert found[0].all() and not found[1:].any()


@pytest.mark.parametrize('rotation', ROTATIONS)
def test_turning_back_undoes_turning(rotation: int) -> None:
    """Pixels of labels and confidence, cells of every node; all contiguous for the decisions."""
    rng = np.random.default_rng(rotation)
    seen = rng.integers(0, 256, (*SIZE, 3), np.uint8)
    cells = rng.random((3, 5, 4), np.float32)  # of the camera's own image
    turned = upright(seen, rotation)
    grid = np.ascontiguousarray(np.rot90(cells, -rotation // 90, (1, 2)))
    given = Segmentation(
        np.ascontiguousarray(turned[..., 0]),
        np.ascontiguousarray(turned[..., 1]),
        NodeProbabilities(grid, upright_size(SIZE, rotation)),
        {'network': 3.0},
    )
    found = turned_back(given, rotation)
    np.testing.assert_array_equal(found.labels, seen[..., 0])
    np.testing.assert_array_equal(found.confidence, seen[..., 1])
    np.testing.assert_array_equal(found.probabilities.values, cells)
    assert found.probabilities.image_size == SIZE
    assert found.timings_ms == {'network': 3.0}
    for array in (found.labels, found.confidence, found.probabilities.values):
        assert array.flags.c_contiguous


@pytest.mark.parametrize('rotation', ROTATIONS)
def test_what_was_not_wanted_stays_empty(rotation: int) -> None:
    """Only the image's size is turned back then."""
    nothing = np.zeros((0, 0), np.uint8)
    size = upright_size(SIZE, rotation)
    planes = NodeProbabilities(np.zeros((0, 0, 0), np.float32), size)
    found = turned_back(Segmentation(nothing, nothing, planes), rotation)
    assert found.labels.shape == found.confidence.shape == (0, 0)
    assert found.probabilities.values.size == 0
    assert found.probabilities.image_size == SIZE


def test_an_upright_camera_costs_nothing() -> None:
    """The same objects, no copies."""
    seen = np.zeros((*SIZE, 3), np.uint8)
    planes = NodeProbabilities(np.zeros((1, 2, 3), np.float32), SIZE)
    result = Segmentation(seen[..., 0], seen[..., 1], planes)
    assert upright(seen, 0) is seen
    assert turned_back(result, 0) is result
