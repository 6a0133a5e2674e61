# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A scene drawn again without objects: the same outside their outline and shadow, bit for bit."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import pytest

from hiseg_ros.datasets.scenes import LEAF_NAMES, draw_scene
from hiseg_ros.datasets.scenes.redrawing import Redrawing, Redrawn, draw_without
from hiseg_ros.errors import DatasetError

SIZE = (96, 192)
SEEDS = range(43, 48)
LEAF = {name: index for index, name in enumerate(LEAF_NAMES)}


@lru_cache
def drawing(seed: int) -> Redrawing:
    return Redrawing(seed, SIZE)


@lru_cache
def without(seed: int, name: str) -> Redrawn:
    return drawing(seed).without([LEAF[name]])


def test_the_whole_scene_is_that_of_the_generator_and_nothing_removed_changes_nothing() -> None:
    for seed in SEEDS:
        whole, again = draw_scene(seed, SIZE), drawing(seed).without([])
        for one in (drawing(seed).scene, again.scene):
            assert np.array_equal(one.rgb, whole.rgb)
            assert np.array_equal(one.labels, whole.labels)
            assert one.boxes == whole.boxes
        assert not again.changed.any()


@pytest.mark.parametrize('name', ['Car', 'Person', 'Pole'])
def test_outside_outline_and_shadow_labels_and_pixels_are_equal_bit_for_bit(name: str) -> None:
    """What changed is judged by the labels: near the object, or the ground in its shadow."""
    removed = 0
    for seed in SEEDS:
        whole, redrawn = drawing(seed).scene, without(seed, name)
        same = ~redrawn.changed
        assert np.array_equal(redrawn.scene.rgb[same], whole.rgb[same])
        assert np.array_equal(redrawn.scene.labels[same], whole.labels[same])
        assert not (redrawn.scene.labels == LEAF[name]).any()
        removed += int((whole.labels == LEAF[name]).sum())
        # Where the label stays, only shade, a blurred edge or noise differs: never a new thing.
        kept = redrawn.changed & (redrawn.scene.labels == whole.labels)
        gone = redrawn.scene.labels != whole.labels
        near = cv2.dilate(gone.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
        far = kept & ~near
        if far.sum() > 50:
            darker = redrawn.scene.rgb[far].mean() - whole.rgb[far].mean()
            assert darker > 0, (seed, darker)
    assert removed > 100


def test_the_outline_is_tight() -> None:
    """Removing cars changes about as much of the images as cars and their shadows cover."""
    cars = sum(int((drawing(seed).scene.labels == LEAF['Car']).sum()) for seed in SEEDS)
    changed = sum(int(without(seed, 'Car').changed.sum()) for seed in SEEDS)
    assert cars < changed < 3 * cars


def test_an_object_goes_as_a_whole_and_signs_lose_their_boxes() -> None:
    """A rider goes with the bicycle; signs go with the posts, so their boxes are gone."""
    seeds = [s for s in SEEDS if LEAF['Bicyclist'] in drawing(s).scene.labels]
    assert seeds
    for seed in seeds:
        redrawn = without(seed, 'Bicyclist')
        gone = drawing(seed).scene.labels[redrawn.changed]
        assert {LEAF['Bicyclist'], LEAF['Bicycle']} <= set(np.unique(gone).tolist())
    boxes = [(s, box) for s in SEEDS for box in drawing(s).scene.boxes]
    assert boxes
    for seed, box in boxes[:3]:
        assert box.name not in {other.name for other in without(seed, box.name).scene.boxes}


def test_two_labels_go_together_and_the_result_does_not_depend_on_what_was_asked_before() -> None:
    both = drawing(44).without([LEAF['Car'], LEAF['Person']])
    fresh = draw_without(44, SIZE, [LEAF['Person'], LEAF['Car']])
    assert np.array_equal(both.scene.rgb, fresh.scene.rgb)
    assert not np.isin(both.scene.labels, [LEAF['Car'], LEAF['Person']]).any()


def test_a_label_that_does_not_exist_is_refused() -> None:
    with pytest.raises(DatasetError, match=r'no labels \[255\]; expected'):
        drawing(44).without([255])
