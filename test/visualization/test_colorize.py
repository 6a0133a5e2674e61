# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Label images in colour, alone and over the camera image."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
from numpy.typing import NDArray

from hiseg_ros.errors import ImageError
from hiseg_ros.taxonomy import Taxonomy, load_taxonomy
from hiseg_ros.visualization import colorize, overlay, to_height

overlay_module = importlib.import_module('hiseg_ros.visualization.overlay')


@pytest.fixture(scope='module')
def taxonomy() -> Taxonomy:
    """Return the default tree."""
    return load_taxonomy('street')


@pytest.fixture
def labels() -> NDArray[np.uint8]:
    """Return (24, 40) labels in blocks of 8 pixels, the first block unlabeled."""
    blocks = np.random.default_rng(1).integers(0, 132, (3, 5)).astype(np.uint8)
    blocks[0, 0] = 255
    return np.kron(blocks, np.ones((8, 8), np.uint8))


@pytest.fixture
def rgb() -> NDArray[np.uint8]:
    """Return a (24, 40, 3) uint8 image of noise."""
    return np.random.default_rng(2).integers(0, 256, (24, 40, 3)).astype(np.uint8)


def outline(labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return where a pixel differs from its left, upper or upper left neighbour, one by one."""
    result = np.zeros(labels.shape, bool)
    for y, x in np.ndindex(labels.shape):
        near = labels[max(y - 1, 0) : y + 1, max(x - 1, 0) : x + 1]
        result[y, x] = (near != labels[y, x]).any() or len(np.unique(near)) > 1
    return result


def test_every_id_becomes_the_colour_of_its_node(taxonomy: Taxonomy) -> None:
    labels = np.arange(256, dtype=np.uint8).reshape(8, 32)
    colors = colorize(labels, taxonomy)
    assert colors.dtype == np.uint8
    assert np.array_equal(colors, taxonomy.palette[labels])
    assert tuple(colors[0, 13]) == taxonomy.nodes[13].color


def test_unlabeled_pixels_are_black(taxonomy: Taxonomy) -> None:
    assert not colorize(np.full((2, 3), 255, np.uint8), taxonomy).any()


def test_labels_need_not_lie_in_one_piece(
    taxonomy: Taxonomy, labels: NDArray[np.uint8], rgb: NDArray[np.uint8]
) -> None:
    view = labels[::2, 1::3]
    assert np.array_equal(colorize(view, taxonomy), taxonomy.palette[view])
    expected = overlay(rgb[::2, 1::3].copy(), view.copy(), taxonomy)
    assert np.array_equal(overlay(rgb[::2, 1::3], view, taxonomy), expected)


@pytest.mark.parametrize(
    'labels',
    [
        np.zeros((2, 3), np.int64), np.zeros((2, 3, 1), np.uint8), np.zeros((0, 3), np.uint8),
    ],
)  # fmt: skip
def test_what_is_no_label_image_is_refused(taxonomy: Taxonomy, labels: NDArray[np.uint8]) -> None:
    with pytest.raises(ImageError, match='The labels have shape .* expected .H, W. uint8'):
        colorize(labels, taxonomy)


@pytest.mark.parametrize('alpha', [0.0, 0.25, 0.5, 1.0])
def test_an_overlay_blends_within_regions_and_outlines_them(
    taxonomy: Taxonomy, labels: NDArray[np.uint8], rgb: NDArray[np.uint8], alpha: float
) -> None:
    result = overlay(rgb, labels, taxonomy, alpha)
    colors = taxonomy.palette[labels]
    blended = (1 - alpha) * rgb.astype(float) + alpha * colors
    is_edge, is_labeled = outline(labels), labels != 255
    inside = is_labeled & ~is_edge
    assert np.abs(result[inside] - blended[inside]).max() <= 0.5
    assert np.array_equal(result[is_labeled & is_edge], colors[is_labeled & is_edge])
    assert np.array_equal(result[~is_labeled], rgb[~is_labeled])


def test_full_alpha_is_the_colour_image(
    taxonomy: Taxonomy, labels: NDArray[np.uint8], rgb: NDArray[np.uint8]
) -> None:
    labels[labels == 255] = 7
    assert np.array_equal(overlay(rgb, labels, taxonomy, 1.0), colorize(labels, taxonomy))


def test_the_camera_image_is_not_changed(
    taxonomy: Taxonomy, labels: NDArray[np.uint8], rgb: NDArray[np.uint8]
) -> None:
    before = rgb.copy()
    for alpha in (0.0, 0.5, 1.0):
        assert not np.shares_memory(overlay(rgb, labels, taxonomy, alpha), rgb)
    assert np.array_equal(rgb, before)


def test_an_image_of_another_size_is_refused(
    taxonomy: Taxonomy, labels: NDArray[np.uint8], rgb: NDArray[np.uint8]
) -> None:
    for image in (rgb[1:], rgb[..., 0], rgb.astype(np.float32)):
        with pytest.raises(ImageError, match=r'The image has shape .* the labels, \(24, 40\)'):
            overlay(image, labels, taxonomy)  # type: ignore[arg-type]


@pytest.mark.parametrize('alpha', [-0.1, 1.1, float('nan')])
def test_an_alpha_out_of_range_is_refused(
    taxonomy: Taxonomy, labels: NDArray[np.uint8], rgb: NDArray[np.uint8], alpha: float
) -> None:
    with pytest.raises(ImageError, match='alpha .*; expected a number from 0 to 1'):
        overlay(rgb, labels, taxonomy, alpha)


def test_lines_are_wider_in_large_images(taxonomy: Taxonomy) -> None:
    for rows, width in ((240, 1), (1079, 1), (1080, 2), (2160, 4)):
        labels = np.full((rows, 40), taxonomy.node_id('Road'), np.uint8)
        labels[:, 20:] = taxonomy.node_id('Sky')
        drawn = overlay(np.zeros((rows, 40, 3), np.uint8), labels, taxonomy)[rows // 2]
        full = (drawn == taxonomy.palette[labels[0]]).all(axis=-1)
        assert full.sum() == width


@pytest.mark.parametrize('height', [12, 24, 61])
def test_another_size_keeps_the_ids(
    taxonomy: Taxonomy, labels: NDArray[np.uint8], rgb: NDArray[np.uint8], height: int
) -> None:
    resized, scaled = to_height(rgb, labels, height)
    assert resized.shape == (*scaled.shape, 3) == (height, round(40 * height / 24), 3)
    assert set(np.unique(scaled)) == set(np.unique(labels))
    if height == 24:
        np.testing.assert_array_equal(resized, rgb)


def test_a_large_overlay_is_the_same_in_strips_as_in_one(
    taxonomy: Taxonomy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outlines cross the strips' borders; memory that is given is drawn into."""
    random = np.random.default_rng(3)
    for shape in ((61, 40), (1100, 24)):  # narrow lines and wide ones
        blocks = random.integers(0, 132, (-(-shape[0] // 7), -(-shape[1] // 5))).astype(np.uint8)
        blocks[::3] = 255
        labels = np.kron(blocks, np.ones((7, 5), np.uint8))[: shape[0], : shape[1]]
        rgb = random.integers(0, 256, (*labels.shape, 3)).astype(np.uint8)
        expected = overlay(rgb, labels, taxonomy, 0.3)
        for rows in (1, 3, 10):
            monkeypatch.setattr(overlay_module, '_STRIP_PIXELS', rows * shape[1])
            out = np.zeros_like(rgb)
            assert overlay(rgb, labels, taxonomy, 0.3, out) is out
            np.testing.assert_array_equal(out, expected)
        monkeypatch.undo()
