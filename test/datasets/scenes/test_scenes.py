# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Drawn scenes: the same seed draws the same, labels are exact, and every class gets drawn."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

from hiseg_ros.datasets.scenes import (
    LEAF_NAMES,
    SIGN_TYPES,
    DrawnScene,
    Drive,
    draw_scene,
)

SMALL = (180, 360)
LEAF = {name: index for index, name in enumerate(LEAF_NAMES)}


@lru_cache
def scene(seed: int) -> DrawnScene:
    return draw_scene(seed, SMALL)


@lru_cache
def some_scenes() -> tuple[DrawnScene, ...]:
    return tuple(scene(seed) for seed in range(40, 56))


def test_the_same_seed_draws_the_same_bytes() -> None:
    again = draw_scene(41, SMALL)
    assert np.array_equal(again.rgb, scene(41).rgb)
    assert np.array_equal(again.labels, scene(41).labels)
    assert again.boxes == scene(41).boxes


@pytest.mark.slow
def test_scenes_of_different_seeds_differ() -> None:
    images = {one.rgb.tobytes() for one in some_scenes()}
    assert len(images) == len(some_scenes())


@pytest.mark.parametrize('size', [(360, 480), (128, 256), (97, 143)])
def test_the_image_has_the_asked_size(size: tuple[int, int]) -> None:
    drawn = draw_scene(3, size)
    assert drawn.rgb.shape == (*size, 3) and drawn.rgb.dtype == np.uint8
    assert drawn.labels.shape == size and drawn.labels.dtype == np.uint8
    assert drawn.leaf_names == LEAF_NAMES


@pytest.mark.parametrize(
    'arguments', [{'size': (0, 100)}, {'rate_hz': 0.0}, {'seed': -1}, {'size': (8, 8)}]
)
def test_what_cannot_be_drawn_is_refused_with_a_sentence(arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError, match='expected at least 16x16'):
        Drive(**{'seed': 1, **arguments})  # type: ignore[arg-type]


def test_every_pixel_is_labelled_with_a_leaf() -> None:
    for drawn in some_scenes():
        assert drawn.labels.max() < len(LEAF_NAMES)


def test_a_street_has_road_below_and_sky_above() -> None:
    lower = np.concatenate([one.labels[-60:-20].ravel() for one in some_scenes()])
    upper = np.concatenate([one.labels[:40].ravel() for one in some_scenes()])
    assert (lower == LEAF['Road']).mean() > 0.3
    assert (upper == LEAF['Sky']).mean() > 0.2
    assert not (lower == LEAF['Sky']).any()


def test_sixteen_scenes_show_most_kinds_of_things() -> None:
    seen = {LEAF_NAMES[k] for drawn in some_scenes() for k in np.unique(drawn.labels)}
    common = {
        'Road', 'Sidewalk', 'Curb', 'Building', 'Vegetation', 'Sky', 'Pole', 'Street Light',
        'Car', 'Truck', 'Person', 'Lane Marking - General', 'Terrain', 'Traffic Sign (Back)',
        'other sign', 'Manhole', 'Fence', 'Wall', 'Bicyclist', 'Bicycle', 'Traffic Light',
    }  # fmt: skip
    assert common <= seen, common - seen
    assert len(seen) > 60


def test_a_box_is_tight_around_visible_pixels_of_its_sign() -> None:
    count = 0
    for drawn in some_scenes():
        height, width = drawn.labels.shape
        for box in drawn.boxes:
            assert 0 <= box.x1 < box.x2 <= width and 0 <= box.y1 < box.y2 <= height
            inside = drawn.labels[box.y1 : box.y2, box.x1 : box.x2] == LEAF[box.name]
            for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]):
                assert edge.any(), box
            count += 1
    assert count > 20


def test_no_pixel_of_a_sign_type_lies_outside_the_boxes_of_that_type() -> None:
    for drawn in some_scenes():
        rest = drawn.labels.copy()
        for box in drawn.boxes:
            part = rest[box.y1 : box.y2, box.x1 : box.x2]
            part[part == LEAF[box.name]] = LEAF['other sign']
        assert not np.isin(rest, [LEAF[name] for name in SIGN_TYPES]).any()


def test_labels_follow_the_image() -> None:
    """Neighbours across a label's edge differ in colour far more than those within a label."""
    drawn = draw_scene(44, (256, 512))
    steps = np.abs(np.diff(drawn.rgb.astype(np.int16), axis=1)).sum(axis=2)
    edges = np.diff(drawn.labels.astype(np.int16), axis=1) != 0
    assert steps[edges].mean() > 2.5 * steps[~edges].mean()


def test_a_frame_is_the_same_whatever_was_drawn_before() -> None:
    drive = Drive(7, SMALL)
    drive.frame(0)
    drive.frame(31)
    late = drive.frame(12)
    alone = Drive(7, SMALL).frame(12)
    assert np.array_equal(late.rgb, alone.rgb)
    assert np.array_equal(late.labels, alone.labels)
    assert late.boxes == alone.boxes


@pytest.mark.parametrize('seed', [7, 11])
def test_neighbouring_frames_show_nearly_the_same(seed: int) -> None:
    drive = Drive(seed, SMALL)
    first, second, late = drive.frame(20), drive.frame(21), drive.frame(60)
    near = (first.labels == second.labels).mean()
    assert near > 0.9
    assert near > (first.labels == late.labels).mean()
    assert not np.array_equal(first.rgb, second.rgb)


def test_a_standing_camera_sees_nothing_move_but_the_traffic() -> None:
    drive = Drive(3, SMALL, speed_mps=0.0)
    still = [LEAF[name] for name in ('Building', 'Street Light', 'Mountain', 'Utility Pole')]
    first, second = drive.frame(0).labels, drive.frame(3).labels
    fixed = np.isin(first, still)
    # A camera sways by a fraction of a pixel.
    assert (second[fixed] == first[fixed]).mean() > 0.93


def test_signs_that_are_approached_grow_and_move_outwards() -> None:
    grown = 0
    for seed in (7, 13, 21):
        drive = Drive(seed, (256, 512))
        before = {box.name: box for box in drive.frame(0).boxes}
        after = {box.name: box for box in drive.frame(4).boxes}
        for name in before.keys() & after.keys():
            old, new = before[name], after[name]
            if min(old.x1, new.x1) < 2 or max(old.x2, new.x2) > 510 or old.y2 - old.y1 < 9:
                continue
            assert new.y2 - new.y1 >= (old.y2 - old.y1) - 1
            grown += 1
    assert grown > 0
