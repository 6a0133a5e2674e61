# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Names stand where they can be read: inside their regions, apart, on any background."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from hiseg_ros.errors import ImageError
from hiseg_ros.taxonomy import Taxonomy, load_taxonomy
from hiseg_ros.visualization import draw_names, place_names
from hiseg_ros.visualization.names import MIN_HEIGHT_PX, PlacedName


@pytest.fixture(scope='module')
def taxonomy() -> Taxonomy:
    """Return the default tree."""
    return load_taxonomy('street')


def scene(taxonomy: Taxonomy, height: int = 360, width: int = 480) -> NDArray[np.uint8]:
    """Return labels of a street: sky, a building, a road that narrows, a walk, a far car."""
    ids = {name: taxonomy.node_id(name) for name in ('Sky', 'Building', 'Road', 'Sidewalk', 'Car')}
    labels = np.full((height, width), ids['Sky'], np.uint8)
    labels[height // 4 : height // 2, : width // 3] = ids['Building']
    labels[height // 2 :] = ids['Sidewalk']
    corners = [(width // 2, height // 2), (width, height), (width // 5, height)]
    cv2.fillPoly(labels, [np.array(corners)], ids['Road'])
    labels[height // 2 : height // 2 + 6, width // 2 : width // 2 + 8] = ids['Car']
    return labels


def blobs(taxonomy: Taxonomy, seed: int) -> NDArray[np.uint8]:
    """Return (240, 320) labels of ragged regions."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(5, 6, 8)).astype(np.float32)
    fields = [cv2.resize(field, (320, 240), interpolation=cv2.INTER_CUBIC) for field in noise]
    leaves = rng.choice(taxonomy.leaves, 5, replace=False)
    return np.array(leaves, np.uint8)[np.argmax(fields, axis=0)]


def share_inside(name: PlacedName, labels: NDArray[np.uint8]) -> float:
    """Return the share of a name's box that lies on its class."""
    y, x, height, width = name.box
    return float((labels[y : y + height, x : x + width] == name.node_id).sum() / (height * width))


def test_large_regions_have_their_name_and_small_ones_none(taxonomy: Taxonomy) -> None:
    names = [taxonomy.nodes[name.node_id].name for name in place_names(scene(taxonomy), taxonomy)]
    assert set(names) == {'Sky', 'Building', 'Road', 'Sidewalk'}


@pytest.mark.parametrize('seed', range(8))
def test_names_lie_on_their_class_apart_and_inside_the_image(
    taxonomy: Taxonomy, seed: int
) -> None:
    labels = blobs(taxonomy, seed)
    names = place_names(labels, taxonomy)
    assert names
    for index, name in enumerate(names):
        y, x, height, width = name.box
        assert y >= 0 and x >= 0 and y + height <= 240 and x + width <= 320
        assert share_inside(name, labels) > 0.97
        assert height >= MIN_HEIGHT_PX
        assert not any(name.overlaps(other) for other in names[:index])


def test_the_same_labels_give_the_same_names(taxonomy: Taxonomy) -> None:
    labels = blobs(taxonomy, 3)
    assert place_names(labels, taxonomy) == place_names(labels.copy(), taxonomy)


def test_a_name_stands_in_the_middle_of_the_widest_part(taxonomy: Taxonomy) -> None:
    """A region with a narrow tail has its name in the body, not at the middle of both."""
    labels = np.full((200, 400), 255, np.uint8)
    labels[60:140, 20:180] = taxonomy.node_id('Road')
    labels[95:105, 180:390] = taxonomy.node_id('Road')
    (name,) = place_names(labels, taxonomy)
    assert name.center == pytest.approx((100, 100), abs=3)


@pytest.mark.parametrize(('height', 'width'), [(14, 70), (40, 20), (9, 300)])
def test_a_region_without_room_for_legible_text_has_no_name(
    taxonomy: Taxonomy, height: int, width: int
) -> None:
    labels = np.full((200, 400), 255, np.uint8)
    labels[50 : 50 + height, 50 : 50 + width] = taxonomy.node_id('Lane Marking - General')
    assert not place_names(labels, taxonomy)


def test_text_grows_with_the_image(taxonomy: Taxonomy) -> None:
    small, large = scene(taxonomy, 360, 480), scene(taxonomy, 1440, 1920)
    heights = [max(n.box[2] for n in place_names(labels, taxonomy)) for labels in (small, large)]
    assert heights[1] > 2.5 * heights[0]


def test_specks_of_another_class_do_not_drive_a_name_away(taxonomy: Taxonomy) -> None:
    labels = np.full((480, 640), taxonomy.node_id('Road'), np.uint8)
    rng = np.random.default_rng(0)
    labels[rng.integers(0, 480, 900), rng.integers(0, 640, 900)] = taxonomy.node_id('Manhole')
    (name,) = place_names(labels, taxonomy)
    assert name.center == pytest.approx((240, 320), abs=12)


def test_nothing_and_unlabeled_pixels_have_no_name(taxonomy: Taxonomy) -> None:
    assert not place_names(np.full((90, 90), 255, np.uint8), taxonomy)
    assert not place_names(np.full((90, 90), 200, np.uint8), taxonomy)
    assert not place_names(np.zeros((1, 1), np.uint8), taxonomy)


def test_in_a_video_a_name_stays_while_its_region_does(taxonomy: Taxonomy) -> None:
    """A region that sways by a pixel does not shake its name; one that is gone lets it go."""
    labels = scene(taxonomy)
    first = place_names(labels, taxonomy)
    moved = place_names(np.roll(labels, 2, axis=1), taxonomy, first)
    assert {name.node_id: name.box for name in moved} == {n.node_id: n.box for n in first}
    flipped = place_names(labels[:, ::-1], taxonomy, first)
    assert all(share_inside(name, labels[:, ::-1]) > 0.9 for name in flipped)
    assert flipped != first
    assert not place_names(np.full_like(labels, 255), taxonomy, first)


@pytest.mark.parametrize('background', [(0, 0, 0), (255, 255, 255), (255, 255, 0), (90, 90, 90)])
def test_letters_stand_out_from_any_background(
    taxonomy: Taxonomy, background: tuple[int, int, int]
) -> None:
    """White letters, and around them a line dark enough for a contrast of 7 to 1 (WCAG AAA)."""
    labels = np.full((120, 300), taxonomy.node_id('Building'), np.uint8)
    image = np.full((120, 300, 3), background, np.uint8)
    names = place_names(labels, taxonomy)
    result = draw_names(image, names, taxonomy).astype(float)
    black = draw_names(np.zeros_like(image), names, taxonomy)[..., 0]
    letters = (black >= 250).astype(np.uint8)
    assert letters.sum() > 60
    ring = (cv2.dilate(letters, np.ones((3, 3), np.uint8)) == 1) & (black == 0)
    assert ring.sum() > 20
    luminance = (result / 255) ** 2.2 @ (0.2126, 0.7152, 0.0722) + 0.05
    assert luminance[letters == 1].min() / luminance[ring].max() >= 7


def test_all_but_the_boxes_stays_as_it_was(taxonomy: Taxonomy) -> None:
    image = np.random.default_rng(1).integers(0, 256, (360, 480, 3)).astype(np.uint8)
    before, names = image.copy(), place_names(scene(taxonomy), taxonomy)
    result = draw_names(image, names, taxonomy)
    outside = np.ones((360, 480), bool)
    for name in names:
        y, x, height, width = name.box
        outside[y : y + height, x : x + width] = False
        assert (result[y : y + height, x : x + width] == 255).all(axis=-1).any()
    np.testing.assert_array_equal(result[outside], image[outside])
    np.testing.assert_array_equal(image, before)


def test_a_name_partly_outside_is_cut_off(taxonomy: Taxonomy) -> None:
    """As where a video's frames change their size."""
    name = place_names(scene(taxonomy), taxonomy)[0]
    y, x, height, width = name.box
    for box in ((-5, -9, height, width), (30, 90, height, width), (500, 500, height, width)):
        result = draw_names(
            np.zeros((40, 100, 3), np.uint8), [PlacedName(name.node_id, box, name.scale)], taxonomy
        )
        assert result.shape == (40, 100, 3)
        assert result.any() == (box[0] < 40)


def test_what_is_no_image_is_refused(taxonomy: Taxonomy) -> None:
    with pytest.raises(ImageError, match='The image has shape'):
        draw_names(np.zeros((4, 4), np.uint8), (), taxonomy)
    with pytest.raises(ImageError, match='The labels have shape'):
        place_names(np.zeros((4, 4, 3), np.uint8), taxonomy)
