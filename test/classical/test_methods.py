# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Classical methods: what each computes, and what each learns on small drawn images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from classical_runs import SMALL, accuracy, small_classical, trained
from drawn_camvid import COLORS, ROAD, SKY, draw_camvid, picture

from hiseg_ros.classical.engine import ClassicalEngine
from hiseg_ros.classical.hog import feature_count, window_features
from hiseg_ros.classical.methods import METHODS
from hiseg_ros.classical.model_file import load_classical
from hiseg_ros.classical.options import OPTIONS
from hiseg_ros.classical.otsu import bright_top
from hiseg_ros.classical.superpixel import FEATURES, superpixel_features, superpixels
from hiseg_ros.classical.watershed import watershed_regions
from hiseg_ros.taxonomy import Taxonomy, load_taxonomy
from hiseg_ros.training.classical.samples import TrainingImages
from hiseg_ros.training.classical.segments import majority_labels
from hiseg_ros.training.classical.train import FIT
from hiseg_ros.training.classical.windows import _draw

pytestmark = pytest.mark.needs('classical')


@pytest.fixture(scope='module')
def camvid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with 12 training and 4 validation images."""
    return draw_camvid(tmp_path_factory.mktemp('camvid'))


@pytest.fixture(scope='module')
def files(camvid: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the file of every method, trained once."""
    return {name: trained(name, camvid, tmp_path_factory.mktemp(name)) for name in OPTIONS}


def test_every_method_has_options_a_class_and_a_training() -> None:
    assert list(OPTIONS) == list(METHODS)
    assert set(FIT) == set(METHODS) == set(SMALL)


def test_methods_are_above_the_prior_in_the_order_of_what_they_know(
    files: dict[str, Path], camvid: Path
) -> None:
    """Place, then brightness too, then windows, then superpixels."""
    scores = {name: accuracy(ClassicalEngine(path), camvid) for name, path in files.items()}
    assert scores['prior'] < scores['otsu'] < scores['hog'] < scores['superpixel'], scores
    assert scores['watershed'] > scores['otsu'], scores
    assert scores['superpixel'] > 0.8


@pytest.mark.parametrize('name', OPTIONS)
def test_the_same_seed_makes_the_same_file(
    name: str, files: dict[str, Path], camvid: Path, tmp_path: Path
) -> None:
    """Byte by byte; another seed makes another one where something is drawn."""
    again = trained(name, camvid, tmp_path / 'again')
    assert again.read_bytes() == files[name].read_bytes()
    if name == 'superpixel':
        other = trained(name, camvid, tmp_path / 'other', seed=2)
        one, two = (load_classical(path).method.arrays() for path in (again, other))
        assert not all(np.array_equal(one[key], two[key]) for key in one)


@pytest.mark.parametrize('name', OPTIONS)
def test_a_segmentation_is_that_of_a_network_in_form(
    name: str, files: dict[str, Path], camvid: Path
) -> None:
    """Of any size: probabilities of a tree, and no node that a label does not tell apart."""
    engine = ClassicalEngine(files[name])
    rgb, _ = picture(np.random.default_rng(5))
    for image in (rgb, np.repeat(np.repeat(rgb, 3, 0), 2, 1), rgb[:9, :50], rgb[:1, :1]):
        result = engine.segment(image)
        values = result.probabilities.values
        assert result.labels.shape == result.confidence.shape == image.shape[:2]
        assert values.dtype == np.float32 and len(values) == len(engine.taxonomy)
        np.testing.assert_allclose(values[0], 1, atol=1e-3)
        for inner in engine.taxonomy.inner:
            below = values[list(engine.taxonomy.children(inner))].sum(0)
            np.testing.assert_allclose(values[inner], below, atol=1e-3)
        for node in np.unique(result.labels):
            leaves = set(engine.taxonomy.leaves_below(int(node)))
            assert any(leaves <= set(label.leaves) for label in engine.labels.labels)
    assert engine.parameters > 0


def test_the_prior_is_the_share_of_a_label_at_its_place(
    files: dict[str, Path], camvid: Path
) -> None:
    images = TrainingImages.open(small_classical('prior', camvid), _tree(files))
    rows = np.stack([labels for _, labels in images])
    place = rows[:, 20:24, 40:44].reshape(-1)
    table = load_classical(files['prior']).method.arrays()['prior']
    for label in (SKY, ROAD):
        assert table[label, 5, 10] == pytest.approx((place == label).mean(), abs=2e-3)


def _tree(files: dict[str, Path]) -> Taxonomy:
    return load_classical(files['prior']).labels.taxonomy


def test_bright_is_what_touches_the_top_edge() -> None:
    rgb = np.full((40, 60, 3), 40, np.uint8)
    rgb[:10, :30] = 200
    rgb[25:30, 40:50] = 220  # a bright wall
    found = bright_top(rgb)
    assert found[:10, :30].all() and found.sum() == 300
    assert not bright_top(np.full((8, 8, 3), 90, np.uint8)).any()


def test_regions_of_the_watershed_end_where_the_gradient_is_high() -> None:
    rgb = np.full((48, 64, 3), 60, np.uint8)
    rgb[:, 32:] = 180
    regions = watershed_regions(rgb, 1.0, 0.5)
    assert regions.shape == (48, 64) and regions.min() == 0
    assert len(np.unique(regions[:, :30])) == len(np.unique(regions[:, 34:])) == 1
    assert regions[0, 0] != regions[0, 63]


def test_windows_are_seen_alike_wherever_they_are() -> None:
    """An image that is moved by a cell has the features of its inner windows moved by a cell."""
    rng = np.random.default_rng(2)
    rgb = rng.integers(0, 256, (96, 128, 3), np.uint8)
    features = window_features(rgb, 32)
    assert features.shape == (12, 16, feature_count(32))
    moved = window_features(np.roll(rgb, (8, 16), (0, 1)), 32)
    inner = (slice(4, 8), slice(4, 10), slice(0, -2))
    np.testing.assert_allclose(features[inner], moved[5:9, 6:12, :-2], atol=1e-5)
    np.testing.assert_allclose(features[3, 5, -2:], [3.5 / 12, 5.5 / 16], atol=1e-6)
    # The mean colour is that of the 32 pixels around the middle of the cell.
    from hiseg_ros.classical.image import lab

    own = lab(rgb)[4 * 8 - 12 : 4 * 8 + 20, 5 * 8 - 12 : 5 * 8 + 20].mean((0, 1)) / 100
    np.testing.assert_allclose(features[4, 5, -5:-2], own, atol=1e-4)


def test_windows_of_each_label_of_each_image_are_drawn(camvid: Path) -> None:
    """At most so many as asked for, however frequent a label is."""
    config = small_classical('hog', camvid, options={'window': 16, 'patches': 3})
    images = TrainingImages.open(config, load_taxonomy('street'))
    features, labels = _draw(images, config.method_options(), 1)
    expected = np.zeros(11, np.int64)
    for _, rows in images:
        middle = rows[4::8, 4::8]
        expected += np.minimum(np.bincount(middle[middle >= 0], minlength=11), 3)
    assert np.bincount(labels, minlength=11).tolist() == expected.tolist()
    assert features.shape == (len(labels), feature_count(16))


def test_superpixels_have_numbers_without_gaps_and_finite_features() -> None:
    rgb, _ = picture(np.random.default_rng(1))
    for image in (rgb, np.full((64, 64, 3), 7, np.uint8)):
        numbers = superpixels(image, 40, 10.0)
        features = superpixel_features(image, numbers)
        assert np.array_equal(np.unique(numbers), np.arange(len(features)))
        assert features.shape[1] == FEATURES and np.isfinite(features).all()
    # Of two halves: the mean of L is that of the half, and its deviation 0.
    halves = np.zeros((16, 16), np.int64)
    halves[8:] = 1
    image = np.full((16, 16, 3), 255, np.uint8)
    image[8:] = 0
    found = superpixel_features(image, halves)
    np.testing.assert_allclose(found[:, :2], [[100, 0], [0, 0]], atol=1e-2)
    np.testing.assert_allclose(found[:, -1], 0.5)


def test_a_superpixel_without_a_clear_majority_is_not_learned_from() -> None:
    numbers = np.array([[0, 0, 0, 1], [1, 1, 2, 2]])
    rows = np.array([[4, 4, 0, -1], [-1, 2, 3, -1]])
    assert majority_labels(numbers, rows, 11).tolist() == [4, -1, 3]
    assert majority_labels(numbers, np.full_like(rows, -1), 11).tolist() == [-1, -1, -1]


def test_drawn_colours_are_told_apart(files: dict[str, Path]) -> None:
    """Superpixels find the label of a plain image by its colour and place."""
    engine = ClassicalEngine(files['superpixel'])
    rgb = np.zeros((64, 64, 3), np.uint8)
    rgb[:32], rgb[32:] = COLORS[SKY], COLORS[ROAD]
    planes = engine.labels.from_nodes(engine.segment(rgb).probabilities.values)
    assert (planes[:, 2:28].argmax(0) == SKY).mean() > 0.9
    assert (planes[:, 40:].argmax(0) == ROAD).mean() > 0.9
