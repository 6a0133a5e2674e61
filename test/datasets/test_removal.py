# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Objects removed from images: margin, in-painting, the place of the control, redrawn scenes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hiseg_ros.datasets import drawn as drawn_module
from hiseg_ros.datasets.counterfactuals import Redraws, Remover, remover_of
from hiseg_ros.datasets.drawn import DrawnScenes
from hiseg_ros.datasets.removal import (
    BELOW,
    MARGIN,
    grown,
    inpainted,
    moved_elsewhere,
    object_labels,
)
from hiseg_ros.datasets.sample import Sample
from hiseg_ros.datasets.scenes import LEAF_NAMES, DrawnScene
from hiseg_ros.datasets.scenes.redrawing import Redrawn
from hiseg_ros.errors import ConfigError
from hiseg_ros.evaluation.context import LeftOut, Removal
from hiseg_ros.taxonomy import Mapping, Taxonomy, load_mapping, load_taxonomy

CAR, PEDESTRIAN, ROAD = 8, 9, 3


@pytest.fixture(scope='module')
def taxonomy() -> Taxonomy:
    return load_taxonomy('street')


@pytest.fixture(scope='module')
def camvid(taxonomy: Taxonomy) -> Mapping:
    return load_mapping('camvid', taxonomy)


def test_things_can_be_removed_and_surfaces_cannot(taxonomy: Taxonomy, camvid: Mapping) -> None:
    names = [label.name for label in object_labels(camvid, taxonomy)]
    assert names == ['Pole', 'SignSymbol', 'Car', 'Pedestrian', 'Bicyclist']
    drawn = [label.name for label in object_labels(load_mapping('drawn', taxonomy), taxonomy)]
    assert {'Car', 'Person', 'Bench', 'o_stop', 'Ground Animal'} < set(drawn)
    assert not {'Road', 'Building', 'Sky', 'Vegetation', 'Ego Vehicle', 'Curb'} & set(drawn)
    flat = load_taxonomy('iv2018')
    names = [label.name for label in object_labels(load_mapping('camvid', flat), flat)]
    assert {'Car', 'Pedestrian', 'Bicyclist', 'Pole', 'SignSymbol'} == set(names)


def test_named_labels_are_taken_and_unknown_ones_refused(
    taxonomy: Taxonomy, camvid: Mapping
) -> None:
    named = object_labels(camvid, taxonomy, ['Fence', 'Car', 'Fence'])
    assert [label.name for label in named] == ['Fence', 'Car']
    with pytest.raises(ConfigError, match="label 'Cars' .*expected 'Car': correct its name"):
        object_labels(camvid, taxonomy, ['Cars'])


def test_a_mask_grows_to_all_sides_and_more_downwards() -> None:
    mask = np.zeros((360, 60), bool)
    mask[100:110, 25:35] = True
    ys, xs = np.nonzero(grown(mask))
    assert (ys.min(), ys.max()) == (100 - MARGIN, 109 + BELOW)
    assert (xs.min(), xs.max()) == (25 - MARGIN, 34 + MARGIN)
    ys, _ = np.nonzero(grown(mask, height=720))
    assert (ys.min(), ys.max()) == (100 - 2 * MARGIN, 109 + 2 * BELOW)


@pytest.mark.parametrize('method', ['telea', 'navier_stokes'])
def test_inpainting_changes_the_mask_alone_and_fills_it_from_around(method: str) -> None:
    image = np.full((40, 60, 3), 90, np.uint8)
    image[15:25, 20:35] = 250
    mask = np.zeros((40, 60), bool)
    mask[14:26, 19:36] = True
    before = image.copy()
    filled = inpainted(image, mask, method)
    assert np.array_equal(image, before)
    assert np.array_equal(filled[~mask], image[~mask])
    assert np.abs(filled[mask].astype(int) - 90).max() <= 2
    assert np.array_equal(inpainted(image, np.zeros_like(mask), method), image)


def test_the_control_has_the_shape_of_each_part_and_lies_on_no_object() -> None:
    mask, occupied = np.zeros((50, 100), bool), np.zeros((50, 100), bool)
    mask[20:26, 10:22] = True
    mask[30:40, 60:64] = True
    occupied[20:26, 10:22] = True
    occupied[:, 70:] = True
    place = moved_elsewhere(mask, occupied, np.random.default_rng(0))
    assert place is not None
    assert place.sum() == mask.sum()
    assert not (place & (mask | occupied)).any()
    # In the same rows, where there is room.
    assert np.array_equal(place.sum(1), mask.sum(1))
    again = moved_elsewhere(mask, occupied, np.random.default_rng(0))
    assert np.array_equal(place, again)
    occupied[:, 8:] = True
    assert moved_elsewhere(mask, occupied, np.random.default_rng(0)) is None


def test_a_remover_yields_each_label_that_is_there_and_says_what_it_leaves(
    taxonomy: Taxonomy, camvid: Mapping
) -> None:
    truth = np.full((120, 160), ROAD, np.uint8)
    truth[60:80, 20:50] = CAR
    truth[10:12, 100:102] = PEDESTRIAN
    truth[100:, 60:] = 2
    image = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    remover = Remover(camvid, object_labels(camvid, taxonomy))
    pole, car, pedestrian = remover.removals('one', 0, image, truth)
    assert pole == LeftOut(2, 'too large') and pedestrian == LeftOut(9, 'too small')
    assert isinstance(car, Removal) and car.control is not None
    for changed in (car.without, car.control):
        kept = ~changed.changed
        assert np.array_equal(changed.image[kept], image[kept])
        assert (changed.image[changed.changed] != image[changed.changed]).any()
    assert car.without.changed[truth == CAR].all()
    assert not np.isin(truth[car.control.changed], [2, CAR, PEDESTRIAN]).any()
    again = list(remover.removals('one', 0, image, truth))[1]
    assert isinstance(again, Removal) and again.control is not None
    assert np.array_equal(again.control.image, car.control.image)


def test_drawn_scenes_are_redrawn_once_and_equal_elsewhere(
    taxonomy: Taxonomy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files of scene and counterfactual are compressed; what is read is equal all the same."""
    size, car = (64, 96), LEAF_NAMES.index('Car')
    rng = np.random.default_rng(0)
    labels = np.zeros(size, np.uint8)
    labels[20:40, 20:50] = car
    whole = DrawnScene(rng.integers(0, 256, (*size, 3), np.uint8), labels, ())
    changed = np.zeros(size, bool)
    changed[18:44, 18:53] = True
    asked: list[list[int]] = []

    def redraw(seed: int, given: tuple[int, int], label_ids: list[int]) -> Redrawn:
        assert (seed, given) == (3, size)
        asked.append(label_ids)
        image = np.where(changed[..., None], 128, whole.rgb).astype(np.uint8)
        return Redrawn(DrawnScene(image, np.zeros(size, np.uint8), ()), changed)

    monkeypatch.setattr(drawn_module, 'draw_without', redraw)
    folder = tmp_path / '64x96'
    folder.mkdir()
    monkeypatch.setattr(drawn_module, 'draw_scene', lambda *_: whole)
    drawn_module._draw(folder, size, 3)
    scenes = DrawnScenes(tmp_path, 1, size, first_seed=3)
    assert isinstance(scenes, Redraws)
    sample, found = scenes.redrawn_without(0, car)
    assert np.array_equal(found, changed)
    assert np.array_equal(sample.image[~changed], scenes[0].image[~changed])
    assert np.abs(sample.image[24:36, 24:46].astype(int) - 128).mean() < 8
    assert not sample.label_ids.any()
    again, _ = DrawnScenes(tmp_path, 1, size, first_seed=3).redrawn_without(0, car)
    assert np.array_equal(again.image, sample.image) and asked == [[car]]
    mapping = load_mapping('drawn', taxonomy)
    (removal,) = remover_of(scenes, mapping, taxonomy, ['Car']).removals(
        'x', 0, scenes[0].image, scenes[0].label_ids
    )
    assert isinstance(removal, Removal) and removal.control is None
    inpaint = remover_of(scenes, mapping, taxonomy, ['Car'], 'inpaint')
    assert inpaint.redraws is None


def test_other_datasets_cannot_be_redrawn(taxonomy: Taxonomy, camvid: Mapping) -> None:
    class Photographs:
        mapping_name = 'camvid'

        def __len__(self) -> int:
            return 0

        def __getitem__(self, index: int) -> Sample:
            raise IndexError

    assert remover_of(Photographs(), camvid, taxonomy).redraws is None
    with pytest.raises(ConfigError, match="cannot be drawn again .*use 'inpaint'"):
        remover_of(Photographs(), camvid, taxonomy, how='redraw')
